//! Which ids have been used and what is in each list, and where the record is that says how.
//!
//! A look-up from an id to the newest record about it, and from a list to the records of what is in it. The ids of the newest segments are in
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
mod lists;
mod merge;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod used;

pub(crate) use index::SegmentIds;
pub(crate) use layers::{Layers, Sealed};
pub(crate) use lists::{NewestPlaces, PlacesPage, PlacesQuery, list_key, list_keys};
pub(crate) use merge::MakeError;
pub(crate) use set::{TableSet, tables_of_journal};
pub(crate) use table::{Table, TableError, UnreadTable, Waiting};
#[cfg(test)]
pub(crate) use tests::{journal as segments_of, options as segments_options};
pub(crate) use used::{table_keys, used_ids, uses_new_transfer_id};

/// The spaces of keys. The same key may be there in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Transfers = 0,
    Payments = 1,
    Batches = 2,
    /// No ids: the places in lists, see [`list_key`].
    Lists = 3,
}

impl Space {
    /// Those of ids.
    pub(crate) const IDS: [Self; 3] = [Self::Transfers, Self::Payments, Self::Batches];
    pub(crate) const ALL: [Self; 4] = [Self::Transfers, Self::Payments, Self::Batches, Self::Lists];

    /// What a filter knows of a key: of a list, not of each place in it.
    const fn filtered(self, key: u128) -> u128 {
        match self {
            Self::Transfers | Self::Payments | Self::Batches => key,
            Self::Lists => lists::list_of(key),
        }
    }
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

    /// Where the records are of what is in a list, in order. `newest` is of what is not in the layers: nobody waits for
    /// the disk with the books in hand.
    ///
    /// # Errors
    ///
    /// When a table cannot be asked.
    pub(crate) fn places(
        newest: &NewestPlaces,
        layers: &Layers,
        query: PlacesQuery,
        waiting: Waiting,
    ) -> Result<Vec<(u128, Address)>, TableError> {
        let mut page = PlacesPage::new(query);
        newest.0.add_to(&mut page);
        layers.places(&mut page, waiting)?;
        Ok(page.finish())
    }

    /// Those of the segment that is being written. Copies little: the writer waits for it.
    pub(crate) fn newest_places(&self, query: &PlacesQuery) -> NewestPlaces {
        self.newest.newest_places(query)
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
