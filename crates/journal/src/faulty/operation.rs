//! What the double counts.

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// A file was made.
    Create,
    /// Bytes were written.
    Write,
    /// A file was synced.
    Sync,
    /// A file was renamed.
    Rename,
    /// A file was removed.
    Remove,
    /// The directory was synced.
    SyncDirectory,
}

/// One operation of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it did.
    pub kind: OperationKind,
    /// The file's name before it; empty for the directory.
    pub file: String,
    /// Where a write began, in bytes.
    pub offset: u64,
    /// Length of a write in bytes.
    pub bytes: usize,
}
