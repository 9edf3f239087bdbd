//! Writing a table.

use std::io;

use journal::{Address, Storage, StorageFile};

use super::Space;
use super::filter::{Filter, IdHasher};
use super::layout::{
    Coverage, ENTRIES_PER_PAGE, ENTRY_BYTES, FOOTER_BYTES, Footer, PAGE_BYTES, PageSeal,
};
use super::table::Table;
use crate::beside::{PIECE_BYTES, remove_if_there};

/// A table that is being written, entry by entry: the spaces in their order, in each the ids in
/// theirs, each once.
pub(super) struct TableWriter<'a, S: Storage> {
    storage: &'a S,
    file: S::File,
    partial: &'static str,
    coverage: Coverage,
    seal: PageSeal,
    hasher: IdHasher,
    filter: Filter,
    first_ids: Vec<u128>,
    counts: [u64; Space::ALL.len()],
    last_ids: [u128; Space::ALL.len()],
    page: Box<[u8; PAGE_BYTES]>,
    /// Entries in the open page, which belong to this space.
    entries: usize,
    space: Space,
    /// Whole pages that are not written yet.
    piece: Vec<u8>,
    offset: u64,
}

impl<'a, S: Storage> TableWriter<'a, S> {
    /// Begins a table of at most so many entries.
    pub(super) fn begin(
        storage: &'a S,
        partial: &'static str,
        coverage: Coverage,
        entries_max: u64,
    ) -> io::Result<Self> {
        remove_if_there(storage, partial)?;
        let file = storage.create(partial)?;
        let pages_max = entries_max.div_ceil(ENTRIES_PER_PAGE as u64) + Space::ALL.len() as u64;
        file.reserve(pages_max * PAGE_BYTES as u64)?;
        Ok(Self {
            storage,
            file,
            partial,
            coverage,
            seal: PageSeal::new(&coverage),
            hasher: IdHasher::new(coverage.end.id.0),
            filter: Filter::for_ids(entries_max),
            first_ids: Vec::with_capacity(usize::try_from(pages_max).unwrap_or(0)),
            counts: [0; Space::ALL.len()],
            last_ids: [0; Space::ALL.len()],
            page: Box::new([0; PAGE_BYTES]),
            entries: 0,
            space: Space::Transfers,
            piece: Vec::with_capacity(PIECE_BYTES),
            offset: 0,
        })
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
        self.filter.insert(self.hasher.hash(space as u8, id));
        self.counts[space as usize] += 1;
        self.last_ids[space as usize] = id;
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
            index_hash: blake3::hash(&index).into(),
        };
        self.write_pieces(&index)?;
        let footer_bytes: [u8; FOOTER_BYTES] = footer.encode();
        self.write_pieces(&footer_bytes)?;
        self.write_piece()?;
        let name = self.coverage.name();
        self.storage.rename(self.partial, &name)?;
        self.storage.sync_directory()?;
        // Read only, as any other table: nothing writes to it any more.
        let file = self.storage.open_read_only(&name)?;
        let first_ids = self.first_ids.into_boxed_slice();
        Ok(Table::new(Box::new(file), footer, self.filter, first_ids))
    }

    fn end_page(&mut self) -> io::Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        let number = (self.offset + self.piece.len() as u64) / PAGE_BYTES as u64;
        self.seal.seal(&mut self.page, number);
        self.piece.extend_from_slice(&*self.page);
        self.page.fill(0);
        self.entries = 0;
        if self.piece.len() >= PIECE_BYTES {
            self.write_piece()?;
        }
        Ok(())
    }

    fn write_pieces(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(PIECE_BYTES) {
            self.piece.extend_from_slice(part);
            if self.piece.len() >= PIECE_BYTES {
                self.write_piece()?;
            }
        }
        Ok(())
    }

    fn write_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.file.write_at(&self.piece, self.offset)?;
        self.file.sync()?;
        self.offset += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}
