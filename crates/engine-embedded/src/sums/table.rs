//! One sum table: what is kept of it in memory, and reading its pages.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{Storage, StorageFile};
use ledger::ProcessorName;

use super::layout::{ENTRIES_PER_PAGE, Entry, Footer, Indexed, KIND, page_seal};
use super::{Range, Sum, TableError, Totals, Waiting};
use crate::beside::{Coverage, FOOTER_BYTES, PAGE_BYTES, PageSeal, read_all, read_at_hand};

/// See the [module](self).
pub(crate) struct SumTable {
    file: Box<dyn StorageFile>,
    name: String,
    coverage: Coverage,
    seal: PageSeal,
    processors: Box<[Placed]>,
    is_damaged: AtomicBool,
}

/// A processor, and where its pages are.
struct Placed {
    indexed: Indexed,
    first_page: u64,
}

impl std::fmt::Debug for SumTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SumTable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SumTable {
    pub(super) fn new(file: Box<dyn StorageFile>, coverage: Coverage, index: Vec<Indexed>) -> Self {
        let mut first_page = 0;
        let place = |indexed: Indexed| {
            let placed = Placed {
                first_page,
                indexed,
            };
            first_page += placed.indexed.pages();
            placed
        };
        Self {
            file,
            name: coverage.name(KIND),
            seal: page_seal(&coverage),
            coverage,
            processors: index.into_iter().map(place).collect(),
            is_damaged: AtomicBool::new(false),
        }
    }

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
        let Some(index_at) = footer_at.checked_sub(footer.index_length) else {
            return Ok(None);
        };
        let index_length = usize::try_from(footer.index_length).map_err(io::Error::other)?;
        let mut index = vec![0; index_length];
        read_all(&file, &mut index, index_at)?;
        if blake3::hash(&index).as_bytes() != &footer.index_hash {
            return Ok(None);
        }
        let Ok(index) = postcard::from_bytes::<Vec<Indexed>>(&index) else {
            return Ok(None);
        };
        let mut pages = Some(0_u64);
        for indexed in &index {
            pages = pages.and_then(|pages| pages.checked_add(indexed.pages()));
        }
        let pages_bytes = pages.and_then(|pages| pages.checked_mul(PAGE_BYTES as u64));
        let is_sorted = index.is_sorted_by(|one, next| one.processor < next.processor);
        let is_sound = is_sorted && index.iter().all(Indexed::is_sound);
        if pages_bytes != Some(index_at) || !is_sound || footer.coverage.name(KIND) != name {
            return Ok(None);
        }
        Ok(Some(Self::new(Box::new(file), footer.coverage, index)))
    }

    pub(super) const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The segments that it covers.
    pub(crate) fn segments(&self) -> std::ops::Range<u64> {
        self.coverage.first..self.coverage.end.number
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many milliseconds have a sum, those of each processor for themselves.
    pub(super) fn entries_count(&self) -> u64 {
        let placed = self.processors.iter();
        placed.map(|placed| placed.indexed.entries_count).sum()
    }

    /// Whether a page was met that does not check.
    pub(super) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    /// Adds what lies in the range.
    pub(super) fn add_between(
        &self,
        range: Range,
        waiting: Waiting,
        totals: &mut Totals,
    ) -> Result<(), TableError> {
        if range.is_empty() {
            return Ok(());
        }
        for placed in &self.processors {
            let to = self.until(placed, range.to, waiting)?;
            let before = match range.from.checked_sub(1) {
                Some(before) => self.until(placed, before, waiting)?,
                None => Sum::default(),
            };
            let between = to.checked_sub(before);
            let between = between.ok_or_else(|| self.damaged(placed.first_page))?;
            totals.add(&placed.indexed.processor, between);
        }
        Ok(())
    }

    /// What everything up to and with this millisecond sums to.
    fn until(&self, placed: &Placed, millis: u64, waiting: Waiting) -> Result<Sum, TableError> {
        let indexed = &placed.indexed;
        if millis >= indexed.last {
            return Ok(indexed.total());
        }
        let Some(guided) = indexed
            .guide
            .partition_point(|first| *first <= millis)
            .checked_sub(1)
        else {
            return Ok(Sum::default());
        };
        // The first page of these begins at or before it, and the one behind them does not.
        let stride = indexed.stride();
        let mut low = guided as u64 * stride;
        let mut high = indexed.pages().min(low + stride);
        let mut page = [0; PAGE_BYTES];
        let mut held = None;
        while high - low > 1 {
            let middle = low.midpoint(high);
            self.read_page(placed.first_page + middle, &mut page, waiting)?;
            if Entry::read(&page, 0).millis <= millis {
                (low, held) = (middle, Some(middle));
            } else {
                (high, held) = (middle, None);
            }
        }
        if held != Some(low) {
            self.read_page(placed.first_page + low, &mut page, waiting)?;
        }
        let (mut first, mut end) = (0, entries_in(indexed, low));
        while first < end {
            let middle = first.midpoint(end);
            if Entry::read(&page, middle).millis <= millis {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        let place = first.checked_sub(1);
        let place = place.ok_or_else(|| self.damaged(placed.first_page + low))?;
        Ok(Entry::read(&page, place).until)
    }

    /// The processors, by name, and how they are asked for in [`entries`](Self::entries).
    pub(super) fn processors(&self) -> impl Iterator<Item = (usize, &ProcessorName)> {
        let names = self
            .processors
            .iter()
            .map(|placed| &placed.indexed.processor);
        names.enumerate()
    }

    /// All milliseconds of a processor with their sums, in order; pages are read a few at a time.
    pub(super) fn entries(&self, processor: usize) -> Entries<'_> {
        let placed = &self.processors[processor];
        Entries {
            table: self,
            placed,
            pages: 0..placed.indexed.pages(),
            buffer: Vec::new(),
            place: 0,
            pages_read: 0,
            last: None,
        }
    }

    /// Visits the sum of each millisecond, the processors by name.
    ///
    /// # Errors
    ///
    /// When a page cannot be read.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(&ProcessorName, u64, Sum),
    ) -> Result<(), TableError> {
        for (number, processor) in self.processors() {
            let mut entries = self.entries(number);
            while let Some((millis, sum)) = entries.next()? {
                visit(processor, millis, sum);
            }
        }
        Ok(())
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
}

/// How many entries this page of the processor's has.
fn entries_in(indexed: &Indexed, page: u64) -> usize {
    let left = indexed.entries_count - page * ENTRIES_PER_PAGE as u64;
    usize::try_from(left).map_or(ENTRIES_PER_PAGE, |left| left.min(ENTRIES_PER_PAGE))
}

/// How many pages a walk reads at once.
const PAGES_AT_ONCE: u64 = 16;

/// The sums of a processor's milliseconds, in order.
pub(super) struct Entries<'a> {
    table: &'a SumTable,
    placed: &'a Placed,
    /// Those that are not read yet.
    pages: std::ops::Range<u64>,
    buffer: Vec<u8>,
    /// The next entry, counted over the pages in the buffer.
    place: usize,
    /// How many pages of the processor's came before the buffer's.
    pages_read: u64,
    last: Option<Entry>,
}

impl Entries<'_> {
    /// The next millisecond and its sum; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Sum)>, TableError> {
        if self.place / ENTRIES_PER_PAGE * PAGE_BYTES >= self.buffer.len() && !self.fill()? {
            return Ok(None);
        }
        let (page, place) = (self.place / ENTRIES_PER_PAGE, self.place % ENTRIES_PER_PAGE);
        let number = self.pages_read + page as u64;
        if place >= entries_in(&self.placed.indexed, number) {
            return Ok(None);
        }
        let (pages, _) = self.buffer.as_chunks::<PAGE_BYTES>();
        let entry = Entry::read(&pages[page], place);
        self.place += 1;
        let last = self.last.replace(entry);
        let is_later = last.is_none_or(|last| last.millis < entry.millis);
        let before = last.map_or(Sum::default(), |last| last.until);
        match entry.until.checked_sub(before) {
            Some(sum) if is_later => Ok(Some((entry.millis, sum))),
            Some(_) | None => Err(self.table.damaged(self.placed.first_page + number)),
        }
    }

    fn fill(&mut self) -> Result<bool, TableError> {
        if self.pages.is_empty() {
            return Ok(false);
        }
        self.pages_read += (self.buffer.len() / PAGE_BYTES) as u64;
        let count = (self.pages.end - self.pages.start).min(PAGES_AT_ONCE);
        let first = self.placed.first_page + self.pages.start;
        let bytes = PAGE_BYTES * usize::try_from(count).unwrap_or(1);
        self.buffer.resize(bytes, 0);
        read_all(
            &*self.table.file,
            &mut self.buffer,
            first * PAGE_BYTES as u64,
        )
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
