//! Which ids have been used, and where the record is that says how.
//!
//! A look-up from an id to the newest record about it. The ids of the newest segments are in
//! memory; those of sealed segments are in [`table`]s on disk, of which memory holds a filter and
//! the first id of each page: 1.6 bytes an id in large tables, 2.6 in small ones. All of it can be made anew from the journal.
//!
//! Three threads share the work: the writer adds ids to the newest segment's and seals them; the
//! [`keeper`](crate::keeper) makes a table of each sealed segment; and another merges tables.

use journal::Address;

mod build;
mod filter;
mod index;
mod layers;
mod layout;
mod merge;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod used;

pub(crate) use index::SegmentIds;
pub(crate) use layers::{Layers, Sealed};
pub(crate) use merge::MakeError;
pub(crate) use set::{TableSet, tables_of_journal};
pub(crate) use table::{Table, TableError, UnreadTable, Waiting};
#[cfg(test)]
pub(crate) use tests::{journal as segments_of, options as segments_options};
pub(crate) use used::{used_ids, uses_new_transfer_id};

/// The spaces of ids. The same id may be used in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Transfers = 0,
    Payments = 1,
    Batches = 2,
}

impl Space {
    pub(crate) const ALL: [Self; 3] = [Self::Transfers, Self::Payments, Self::Batches];
}

/// The ids of all spaces but the accounts', as they are published.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// Of the segment that is being written.
    newest: SegmentIds,
    segment: u64,
    /// Of the segments before it.
    pub(crate) layers: Layers,
}

impl Ids {
    /// Those from this segment on.
    pub(crate) fn from(segment: u64) -> Self {
        Self {
            segment,
            ..Self::default()
        }
    }

    /// Where the newest record about this id is.
    ///
    /// # Errors
    ///
    /// When a table cannot be asked.
    pub(crate) fn find(
        &self,
        space: Space,
        id: u128,
        waiting: Waiting,
    ) -> Result<Option<Address>, TableError> {
        match self.newest.get(space, id) {
            Some(address) => Ok(Some(address)),
            None => self.layers.find(space, id, waiting),
        }
    }

    /// Of each of these ids whether it may be there; `false` is certain. Asks memory only.
    pub(crate) fn may_have_each(&self, space: Space, ids: &[u128]) -> Vec<bool> {
        let mut may_have = vec![false; ids.len()];
        self.newest.has_each(space, ids, &mut may_have);
        self.layers.may_have_each(space, ids, &mut may_have);
        may_have
    }

    /// Says where the newest record about this id is.
    pub(crate) fn insert(&mut self, space: Space, id: u128, address: Address) {
        self.newest.insert(space, id, address);
    }

    /// The segment whose ids are being added.
    pub(crate) const fn segment(&self) -> u64 {
        self.segment
    }

    /// The segment is sealed: what is added now belongs to the next one. Its ids have to come back
    /// as a layer.
    pub(crate) fn seal(&mut self) -> Sealed {
        let sealed = Sealed {
            segment: self.segment,
            ids: std::mem::take(&mut self.newest),
        };
        self.segment += 1;
        sealed
    }
}
