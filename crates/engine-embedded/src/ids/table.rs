//! One table: what is kept of it in memory, and reading its pages.

use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{Address, SegmentStart, Storage, StorageFile};

use super::filter::{BLOCK_BYTES, Filter, IdHasher, Probe};
use super::layout::{ENTRIES_PER_PAGE, FIRST_ID_BYTES, Footer, KIND, entry, page_seal};
use super::{PlacesPage, PlacesQuery, Space};
use crate::beside::{
    Coverage, FOOTER_BYTES, PAGE_BYTES, PageSeal, read_all, read_at_hand, u128_at,
};

/// Why a table could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("could not read {file}")]
    Io { file: String, source: io::Error },
    /// A page that does not check.
    #[error(
        "page {page} of {file} is damaged; the table is made anew from the journal, and until then \
         calls that need this page fail"
    )]
    Damaged { file: String, page: u64 },
    /// An entry without an address.
    #[error("{file} leads to no address for an id; the table is made anew from the journal")]
    NoAddress { file: String },
}

impl TableError {
    /// Whether nothing is wrong: the page has to be fetched from the disk.
    pub(crate) fn has_to_wait(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether nothing is wrong with the table: there was no memory to read it with.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(self, Self::Io { source, .. } if journal::is_shortage(source))
    }
}

/// Whether a look-up may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Allowed,
    /// What is not in memory fails with [`io::ErrorKind::WouldBlock`].
    Refused,
}

/// See the [module](self).
pub(crate) struct Table {
    file: Box<dyn StorageFile>,
    name: String,
    footer: Footer,
    seal: PageSeal,
    hasher: IdHasher,
    filter: Filter,
    /// The id of the first entry of each page.
    first_ids: Box<[u128]>,
    is_damaged: AtomicBool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish()
    }
}

/// A table of which only the footer was read.
pub(crate) struct UnreadTable {
    file: Box<dyn StorageFile>,
    footer: Footer,
    /// Lengths of the filter and of the first ids in bytes.
    lengths: (usize, usize),
    index_at: u64,
}

impl UnreadTable {
    /// Opens the table of this name; `None` if it is no whole table of that coverage.
    ///
    /// # Errors
    ///
    /// When the storage cannot read it.
    pub(super) fn open<S: Storage>(storage: &S, name: &str) -> io::Result<Option<Self>> {
        let file = storage.open_read_only(name)?;
        let size = file.size()?;
        let Some(footer_at) = size.checked_sub(FOOTER_BYTES as u64) else {
            return Ok(None);
        };
        let mut footer = [0; FOOTER_BYTES];
        read_all(&file, &mut footer, footer_at)?;
        let Some(footer) = Footer::decode(&footer) else {
            return Ok(None);
        };
        let pages: u64 = footer.pages().iter().sum();
        let Some(lengths) = index_lengths(&footer, pages) else {
            return Ok(None);
        };
        let index_at = footer_at.checked_sub(lengths.0 as u64 + lengths.1 as u64);
        let is_whole = index_at == pages.checked_mul(PAGE_BYTES as u64);
        let is_named = footer.coverage.name(KIND) == name;
        Ok(index_at
            .filter(|_| is_whole && is_named)
            .map(|index_at| Self {
                file: Box::new(file),
                footer,
                lengths,
                index_at,
            }))
    }

    pub(super) const fn end(&self) -> &SegmentStart {
        &self.footer.coverage.end
    }

    /// The segments that it covers.
    pub(crate) fn segments(&self) -> std::ops::Range<u64> {
        self.footer.coverage.first..self.footer.coverage.end.number
    }

    pub(crate) fn name(&self) -> String {
        self.footer.coverage.name(KIND)
    }

    /// Reads and checks what memory holds of it; `None` if it is not as it was written. Without its
    /// filter it takes a fifteenth of the memory, and every look-up within its range reads a page.
    ///
    /// # Errors
    ///
    /// When the storage cannot read it.
    pub(crate) fn read(self, has_filter: bool) -> io::Result<Option<Table>> {
        let (filter_bytes, first_ids_bytes) = self.lengths;
        let mut hasher = blake3::Hasher::new();
        let mut at = self.index_at;
        let mut next = |length: usize| {
            let mut bytes = vec![0; length];
            read_all(&*self.file, &mut bytes, at)?;
            at += length as u64;
            hasher.update(&bytes);
            Ok::<_, io::Error>(bytes)
        };
        let filter = if has_filter {
            Filter::from_bytes(&next(filter_bytes)?)
        } else {
            for from in (0..filter_bytes).step_by(FILTER_BYTES_AT_ONCE) {
                next(FILTER_BYTES_AT_ONCE.min(filter_bytes - from))?;
            }
            Some(Filter::of_anything())
        };
        let first_ids = next(first_ids_bytes)?;
        if hasher.finalize().as_bytes() != &self.footer.index_hash {
            return Ok(None);
        }
        let Some(filter) = filter else {
            return Ok(None);
        };
        let first_ids = first_ids
            .chunks_exact(FIRST_ID_BYTES)
            .map(|bytes| u128_at(bytes, 0));
        let first_ids = first_ids.collect();
        Ok(Some(Table::new(self.file, self.footer, filter, first_ids)))
    }
}

/// How much of a filter is read at once where it is only checked.
const FILTER_BYTES_AT_ONCE: usize = 1 << 20;

impl Table {
    pub(super) fn new(
        file: Box<dyn StorageFile>,
        footer: Footer,
        filter: Filter,
        first_ids: Box<[u128]>,
    ) -> Self {
        Self {
            file,
            name: footer.coverage.name(KIND),
            seal: page_seal(&footer.coverage),
            hasher: IdHasher::new(footer.coverage.end.id.0),
            footer,
            filter,
            first_ids,
            is_damaged: AtomicBool::new(false),
        }
    }

    pub(super) const fn coverage(&self) -> &Coverage {
        &self.footer.coverage
    }

    pub(super) const fn end(&self) -> &SegmentStart {
        &self.footer.coverage.end
    }

    /// The segments that it covers.
    pub(crate) fn segments(&self) -> std::ops::Range<u64> {
        self.footer.coverage.first..self.footer.coverage.end.number
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Entries of each space.
    pub(crate) const fn counts(&self) -> [u64; Space::ALL.len()] {
        self.footer.counts
    }

    /// Whether a page was met that does not check.
    pub(super) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    /// What it takes in memory, in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let first_ids = (self.first_ids.len() * FIRST_ID_BYTES) as u64;
        self.filter.blocks_count() * BLOCK_BYTES as u64 + first_ids
    }

    /// How many different ids and lists are in its filter.
    pub(super) const fn filter_keys(&self) -> u64 {
        self.footer.filter_keys
    }

    /// Whether it may have the id: `false` is certain. Asks memory only.
    fn may_have(&self, space: Space, id: u128) -> bool {
        let range = self.range_of(space);
        range.is_some_and(|range| range.contains(&id))
            && self.filter.may_have(&self.probe(space, id))
    }

    /// What the filters of all tables of the journal are asked for.
    pub(super) fn probe(&self, space: Space, id: u128) -> Probe {
        Probe::of(self.hasher.hash(space as u8, space.filtered(id)))
    }

    /// Sets `may_have` of each id that it may have; `probes` are of the same ids. Asks memory only.
    pub(super) fn may_have_each(
        &self,
        space: Space,
        ids: &[u128],
        probes: &[Probe],
        may_have: &mut [bool],
    ) {
        let Some(range) = self.range_of(space) else {
            return;
        };
        for ((id, probe), may_have) in ids.iter().zip(probes).zip(may_have) {
            *may_have |= range.contains(id) && self.filter.may_have(probe);
        }
    }

    /// From the first to the last id of a space, if it has any.
    fn range_of(&self, space: Space) -> Option<RangeInclusive<u128>> {
        let pages = self.pages_of(space);
        let last = self.footer.last_ids.get(space as usize);
        // Of the spaces whose last id is not kept every id may be in range.
        let last = last.copied().unwrap_or(u128::MAX);
        (!pages.is_empty()).then(|| self.first_ids[pages.start]..=last)
    }

    /// Where the newest record about the id is, in the segments that the table covers.
    pub(crate) fn find(
        &self,
        space: Space,
        id: u128,
        waiting: Waiting,
    ) -> Result<Option<Address>, TableError> {
        if !self.may_have(space, id) {
            return Ok(None);
        }
        let pages = self.pages_of(space);
        let first_ids = &self.first_ids[pages.clone()];
        // The first page's first id is not above it.
        let place = first_ids.partition_point(|first| *first <= id) - 1;
        let number = pages.start + place;
        let mut page = [0; PAGE_BYTES];
        self.read_page(number as u64, &mut page, waiting)?;
        let entries_count = self.entries_in(space, place);
        let (mut low, mut high) = (0, entries_count);
        while low < high {
            let middle = low.midpoint(high);
            let (found, address) = entry(&page, middle);
            match found.cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let address = Address::from_u64(address);
                    return address.map(Some).ok_or_else(|| self.no_address());
                }
            }
        }
        Ok(None)
    }

    /// Adds the places of a list that are asked for.
    pub(super) fn places(
        &self,
        wanted: &mut PlacesPage,
        waiting: Waiting,
    ) -> Result<(), TableError> {
        let PlacesQuery {
            keys: (first, last),
            newest_first,
            limit: _,
        } = wanted.query;
        let pages = self.pages_of(Space::Lists);
        let first_ids = &self.first_ids[pages.clone()];
        let end = first_ids.partition_point(|id| *id <= last);
        if end == 0 || !self.filter.may_have(&self.probe(Space::Lists, first)) {
            return Ok(());
        }
        // What is at or behind the first key begins in this page at the earliest.
        let begin = first_ids.partition_point(|id| *id <= first).max(1) - 1;
        let mut page = [0; PAGE_BYTES];
        for offset in 0..end.saturating_sub(begin) {
            let place = if newest_first {
                end - 1 - offset
            } else {
                begin + offset
            };
            // Another page that begins behind all that is wanted has nothing for it.
            if !newest_first && first_ids[place] >= first && !wanted.wants(first_ids[place]) {
                break;
            }
            self.read_page((pages.start + place) as u64, &mut page, waiting)?;
            let count = self.entries_in(Space::Lists, place);
            let mut is_over = false;
            let mut add = |index: usize| {
                let (key, address) = entry(&page, index);
                let address = Address::from_u64(address).ok_or_else(|| self.no_address())?;
                if wanted.wants(key) {
                    wanted.add(key, address);
                } else {
                    // One before the first that is asked for says nothing of those behind it.
                    let is_before = if newest_first {
                        key > last
                    } else {
                        key < first
                    };
                    is_over |= !is_before;
                }
                Ok(())
            };
            if newest_first {
                (0..count).rev().try_for_each(&mut add)?;
            } else {
                (0..count).try_for_each(&mut add)?;
            }
            if is_over {
                break;
            }
        }
        Ok(())
    }

    /// All entries of a space, in order; pages are read a few at a time.
    pub(super) fn entries(&self, space: Space) -> Entries<'_> {
        Entries {
            table: self,
            pages: self.pages_of(space),
            space,
            buffer: Vec::new(),
            place: 0,
            pages_read: 0,
        }
    }

    fn pages_of(&self, space: Space) -> std::ops::Range<usize> {
        let pages = self.footer.pages();
        let before: u64 = pages[..space as usize].iter().sum();
        let (from, count) = (before, pages[space as usize]);
        // They have a first id each, in memory.
        let number = |page: u64| usize::try_from(page).unwrap_or_else(|_| panic!("64-bit only"));
        number(from)..number(from + count)
    }

    /// How many entries the space's page at this place has.
    fn entries_in(&self, space: Space, place: usize) -> usize {
        let before = (place * ENTRIES_PER_PAGE) as u64;
        let left = self.footer.counts[space as usize] - before;
        usize::try_from(left).map_or(ENTRIES_PER_PAGE, |left| left.min(ENTRIES_PER_PAGE))
    }

    fn read_page(
        &self,
        number: u64,
        page: &mut [u8; PAGE_BYTES],
        waiting: Waiting,
    ) -> Result<(), TableError> {
        let at = number * PAGE_BYTES as u64;
        let read = match waiting {
            Waiting::Allowed => read_all(&*self.file, page, at),
            Waiting::Refused => read_at_hand(&*self.file, page, at),
        };
        read.map_err(|source| self.not_read(number, source))?;
        self.check(number, page)
    }

    fn check(&self, number: u64, page: &[u8; PAGE_BYTES]) -> Result<(), TableError> {
        if self.seal.checks(page, number) {
            Ok(())
        } else {
            Err(self.damaged(number))
        }
    }

    /// What has to be fetched from the disk, or read another time, is as it was; everything else is
    /// made anew from the journal.
    fn not_read(&self, number: u64, source: io::Error) -> TableError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.damaged(number);
        }
        let file = self.name.clone();
        let error = TableError::Io { file, source };
        if !error.has_to_wait() && !error.is_shortage() {
            self.is_damaged.store(true, Ordering::Relaxed);
        }
        error
    }

    fn damaged(&self, page: u64) -> TableError {
        self.is_damaged.store(true, Ordering::Relaxed);
        let file = self.name.clone();
        TableError::Damaged { file, page }
    }

    fn no_address(&self) -> TableError {
        self.is_damaged.store(true, Ordering::Relaxed);
        let file = self.name.clone();
        TableError::NoAddress { file }
    }
}

/// Lengths of the filter and of the first ids in bytes, if they can be.
fn index_lengths(footer: &Footer, pages: u64) -> Option<(usize, usize)> {
    let filter = usize::try_from(footer.filter_blocks).ok()?;
    let first_ids = usize::try_from(pages).ok()?;
    let filter = filter.checked_mul(BLOCK_BYTES)?;
    Some((filter, first_ids.checked_mul(FIRST_ID_BYTES)?))
}

/// How many pages a walk reads at once.
const PAGES_AT_ONCE: usize = 16;

/// The entries of a space of a table, in order.
pub(super) struct Entries<'a> {
    table: &'a Table,
    space: Space,
    /// Those that are not read yet.
    pages: std::ops::Range<usize>,
    buffer: Vec<u8>,
    /// The next entry, counted over the pages in the buffer.
    place: usize,
    /// How many pages of the space came before the buffer's.
    pages_read: usize,
}

impl Entries<'_> {
    /// The next entry; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<(u128, Address)>, TableError> {
        if self.place / ENTRIES_PER_PAGE * PAGE_BYTES >= self.buffer.len() && !self.fill()? {
            return Ok(None);
        }
        let (page, place) = (self.place / ENTRIES_PER_PAGE, self.place % ENTRIES_PER_PAGE);
        if place >= self.table.entries_in(self.space, self.pages_read + page) {
            return Ok(None);
        }
        let (pages, _) = self.buffer.as_chunks::<PAGE_BYTES>();
        let (id, address) = entry(&pages[page], place);
        self.place += 1;
        let address = Address::from_u64(address).ok_or_else(|| self.table.no_address())?;
        Ok(Some((id, address)))
    }

    fn fill(&mut self) -> Result<bool, TableError> {
        if self.pages.is_empty() {
            return Ok(false);
        }
        self.pages_read += self.buffer.len() / PAGE_BYTES;
        let count = self.pages.len().min(PAGES_AT_ONCE);
        let first = self.pages.start as u64;
        self.buffer.resize(count * PAGE_BYTES, 0);
        let at = first * PAGE_BYTES as u64;
        read_all(&*self.table.file, &mut self.buffer, at)
            .map_err(|source| self.table.not_read(first, source))?;
        let (pages, _) = self.buffer.as_chunks::<PAGE_BYTES>();
        for (number, page) in (first..).zip(pages) {
            self.table.check(number, page)?;
        }
        self.pages.start += count;
        self.place = 0;
        Ok(true)
    }
}
