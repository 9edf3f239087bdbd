//! Which entries a statement is of.

use ledger::Timestamp;

/// Which entry comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The newest.
    Descending,
    /// The oldest.
    Ascending,
}

impl Order {
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Descending => "desc",
            Self::Ascending => "asc",
        }
    }
}

/// Which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Not before this; from the account's first entry on when `None`.
    pub(crate) from: Option<Timestamp>,
    /// Before this; up to now when `None`.
    pub(crate) to: Option<Timestamp>,
    pub(crate) order: Order,
}

impl Window {
    /// All of an account's entries, the newest first.
    pub(crate) const WHOLE: Self = Self {
        from: None,
        to: None,
        order: Order::Descending,
    };
}
