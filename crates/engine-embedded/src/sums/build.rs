//! Writing a sum table.

use std::io;

use journal::Storage;
use ledger::ProcessorName;

use super::Sum;
use super::layout::{ENTRIES_PER_PAGE, Entry, Footer, Indexed, KIND, page_seal};
use super::table::SumTable;
use crate::beside::{Coverage, NewFile, PAGE_BYTES, Pace, PageSeal, Stop};

/// A sum table that is being written: the processors by name, in each the milliseconds in order, each
/// once.
pub(super) struct SumTableWriter<'a, S: Storage> {
    storage: &'a S,
    file: NewFile<'a, S>,
    coverage: Coverage,
    seal: PageSeal,
    index: Vec<Indexed>,
    page: Box<[u8; PAGE_BYTES]>,
    /// Entries in the open page, which belong to the last processor of the index.
    entries: usize,
}

impl<'a, S: Storage> SumTableWriter<'a, S> {
    /// Begins a table of at most so many entries.
    pub(super) fn begin(
        storage: &'a S,
        stop: &'a Stop,
        partial: &'static str,
        coverage: Coverage,
        entries_max: u64,
    ) -> io::Result<Self> {
        let reserved = entries_max.div_ceil(ENTRIES_PER_PAGE as u64) * PAGE_BYTES as u64;
        Ok(Self {
            storage,
            file: NewFile::create(storage, stop, partial, reserved)?,
            coverage,
            seal: page_seal(&coverage),
            index: Vec::new(),
            page: Box::new([0; PAGE_BYTES]),
            entries: 0,
        })
    }

    /// Writes at this pace.
    pub(super) fn paced(mut self, pace: Pace) -> Self {
        self.file.set_pace(pace);
        self
    }

    /// The sum of one millisecond.
    pub(super) fn push(
        &mut self,
        processor: &ProcessorName,
        millis: u64,
        sum: Sum,
    ) -> io::Result<()> {
        let is_in_hand = |indexed: &Indexed| indexed.processor == *processor;
        if !self.index.last().is_some_and(is_in_hand) {
            self.end_page()?;
            self.index.push(Indexed {
                processor: processor.clone(),
                entries_count: 0,
                last: 0,
                payments_count: 0,
                amount: 0,
                guide: Vec::new(),
            });
        }
        let Some(indexed) = self.index.last_mut() else {
            unreachable!("it was pushed just now");
        };
        indexed.entries_count += 1;
        if self.entries == 0 {
            indexed.begin_page(millis);
        }
        indexed.last = millis;
        indexed.payments_count += sum.payments_count;
        indexed.amount += sum.amount;
        let until = indexed.total();
        Entry { millis, until }.write(&mut self.page, self.entries);
        self.entries += 1;
        if self.entries == ENTRIES_PER_PAGE {
            self.end_page()?;
        }
        Ok(())
    }

    /// Makes the table durable under its own name.
    pub(super) fn finish(mut self) -> io::Result<SumTable> {
        self.end_page()?;
        let index = postcard::to_allocvec(&self.index).map_err(io::Error::other)?;
        let footer = Footer {
            coverage: self.coverage,
            index_length: index.len() as u64,
            index_hash: blake3::hash(&index).into(),
        };
        self.file.append(&index)?;
        self.file.append(&footer.encode())?;
        let name = self.coverage.name(KIND);
        self.file.finish(&name)?;
        // Read only, as any other table: nothing writes to it any more.
        let file = self.storage.open_read_only(&name)?;
        Ok(SumTable::new(Box::new(file), footer.coverage, self.index))
    }

    fn end_page(&mut self) -> io::Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        let number = self.file.length() / PAGE_BYTES as u64;
        self.seal.seal(&mut self.page, number);
        self.file.append(&*self.page)?;
        self.page.fill(0);
        self.entries = 0;
        Ok(())
    }
}
