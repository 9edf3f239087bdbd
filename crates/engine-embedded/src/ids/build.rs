//! Writing a table.

use std::io;

use journal::{Address, Storage};

use super::Space;
use super::filter::{Filter, IdHasher};
use super::layout::{ENTRIES_PER_PAGE, ENTRY_BYTES, Footer, KIND, LAST_IDS, page_seal};
use super::table::Table;
use crate::beside::{Coverage, NewFile, PAGE_BYTES, Pace, PageSeal, Stop};

/// A table that is being written, entry by entry: the spaces in their order, in each the ids in
/// theirs, each once.
pub(super) struct TableWriter<'a, S: Storage> {
    storage: &'a S,
    file: NewFile<'a, S>,
    coverage: Coverage,
    seal: PageSeal,
    hasher: IdHasher,
    filter: Filter,
    first_ids: Vec<u128>,
    counts: [u64; Space::ALL.len()],
    last_ids: [u128; LAST_IDS],
    filter_keys: u64,
    page: Box<[u8; PAGE_BYTES]>,
    /// Of what is in the open page, which goes into the filter together: the waits for memory overlap.
    hashes: Vec<u64>,
    /// What was hashed last.
    hashed: Option<(Space, u128)>,
    /// Entries in the open page, which belong to this space.
    entries: usize,
    space: Space,
}

impl<'a, S: Storage> TableWriter<'a, S> {
    /// Begins a table of at most so many entries, of at most so many different ids and lists.
    pub(super) fn begin(
        storage: &'a S,
        stop: &'a Stop,
        partial: &'static str,
        coverage: Coverage,
        entries_max: u64,
        filter_keys_max: u64,
    ) -> io::Result<Self> {
        let pages_max = entries_max.div_ceil(ENTRIES_PER_PAGE as u64) + Space::ALL.len() as u64;
        Ok(Self {
            storage,
            file: NewFile::create(storage, stop, partial, pages_max * PAGE_BYTES as u64)?,
            coverage,
            seal: page_seal(&coverage),
            hasher: IdHasher::new(coverage.end.id.0),
            filter: Filter::for_ids(filter_keys_max),
            first_ids: Vec::new(),
            counts: [0; Space::ALL.len()],
            last_ids: [0; LAST_IDS],
            filter_keys: 0,
            page: Box::new([0; PAGE_BYTES]),
            hashes: Vec::with_capacity(ENTRIES_PER_PAGE),
            hashed: None,
            entries: 0,
            space: Space::Transfers,
        })
    }

    /// Writes at this pace.
    pub(super) fn paced(mut self, pace: Pace) -> Self {
        self.file.set_pace(pace);
        self
    }

    pub(super) fn push(&mut self, space: Space, id: u128, address: Address) -> io::Result<()> {
        if space != self.space {
            self.end_page()?;
            self.space = space;
        }
        let at = self.entries * ENTRY_BYTES;
        if self.entries == 0 {
            self.first_ids.push(id);
        }
        self.page[at..at + 16].copy_from_slice(&id.to_le_bytes());
        self.page[at + 16..at + ENTRY_BYTES].copy_from_slice(&address.to_u64().to_le_bytes());
        let filtered = (space, space.filtered(id));
        // The places of a list come one after the other.
        if self.hashed.replace(filtered) != Some(filtered) {
            self.hashes.push(self.hasher.hash(space as u8, filtered.1));
            self.filter_keys += 1;
        }
        self.counts[space as usize] += 1;
        if let Some(last_id) = self.last_ids.get_mut(space as usize) {
            *last_id = id;
        }
        self.entries += 1;
        if self.entries == ENTRIES_PER_PAGE {
            self.end_page()?;
        }
        Ok(())
    }

    /// Makes the table durable under its own name.
    pub(super) fn finish(mut self) -> io::Result<Table> {
        self.end_page()?;
        let mut index = self.filter.to_bytes();
        index.extend(self.first_ids.iter().flat_map(|id| id.to_le_bytes()));
        let footer = Footer {
            coverage: self.coverage,
            counts: self.counts,
            last_ids: self.last_ids,
            filter_blocks: self.filter.blocks_count(),
            filter_keys: self.filter_keys,
            index_hash: blake3::hash(&index).into(),
        };
        self.file.append(&index)?;
        self.file.append(&footer.encode())?;
        let name = self.coverage.name(KIND);
        self.file.finish(&name)?;
        // Read only, as any other table: nothing writes to it any more.
        let file = self.storage.open_read_only(&name)?;
        let first_ids = self.first_ids.into_boxed_slice();
        Ok(Table::new(Box::new(file), footer, self.filter, first_ids))
    }

    fn end_page(&mut self) -> io::Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        let number = self.file.length() / PAGE_BYTES as u64;
        self.seal.seal(&mut self.page, number);
        self.file.append(&*self.page)?;
        self.page.fill(0);
        for hash in self.hashes.drain(..) {
            self.filter.insert(hash);
        }
        self.entries = 0;
        Ok(())
    }
}
