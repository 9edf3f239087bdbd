//! The end of the chain.

use crate::format::Hash;

/// The end of the chain: what a later reading must find again, or more was changed than a tear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Sequence of the last committed frame; 0 if there is none.
    pub sequence: u64,
    /// Its hash; zeros if there is none.
    pub hash: Hash,
    /// Records committed in all.
    pub records: u64,
}
