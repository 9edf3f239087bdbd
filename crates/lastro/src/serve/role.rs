//! Which part of a ledger a process is.

use anyhow::bail;

/// What the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    All,
    /// Owns the ledger and serves gRPC.
    Ledger,
    /// Serves HTTP over a ledger that is elsewhere.
    Api,
}

impl Role {
    pub(super) fn read(name: &str) -> anyhow::Result<Self> {
        match name {
            "all" => Ok(Self::All),
            "ledger" => Ok(Self::Ledger),
            "api" => Ok(Self::Api),
            other => bail!("--role: unknown role {other}: use all, ledger or api"),
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ledger => "ledger",
            Self::Api => "api",
        }
    }
}
