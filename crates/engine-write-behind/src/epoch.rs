//! Epochs: the number of a comparison, and what the database knows of one.

/// How many of an epoch's characters are its number.
pub(crate) const NUMBER_DIGITS: usize = 8;

/// The epoch of this number; `random` tells it apart from one that a database had before it was
/// restored. As text a later one is greater.
pub(crate) fn epoch_of(number: u64, random: u32) -> String {
    format!("{number:0NUMBER_DIGITS$x}{random:08x}")
}

/// The newest position that a node has answered or been told, and under which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) epoch: String,
    pub(crate) position: u64,
}

/// What the database knows of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// The database does not know it: it was restored to before it.
    Unknown,
    /// The database has lost epochs that followed it.
    Gap,
    /// The least position of the epochs that were confirmed since; `None`: no other was.
    WentOn(Option<u64>),
}
