//! The networks that services can be on.

/// Which network the services are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::containers) enum Network {
    /// One of their own.
    Bridge,
    /// That of the host.
    Host,
}

impl Network {
    /// The name of the compose file.
    pub(in crate::containers) const fn file(self) -> &'static str {
        match self {
            Self::Bridge => "compose.yaml",
            Self::Host => "compose.host.yaml",
        }
    }
}
