//! What a ledger in a database is opened for.

/// What the tables are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenedFor {
    /// To be decided upon: then no Redis may stand in front of them.
    Engine,
    /// To be written by who stands in front of them.
    Behind,
    /// To be written by a copy of another ledger, which may have been begun before.
    Copy,
}
