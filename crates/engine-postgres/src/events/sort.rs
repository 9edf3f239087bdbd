//! Sorts more than memory holds: sorted runs in one file without a name, then a merge of them.
//!
//! | what | bound |
//! |---|---|
//! | memory while items come | [`RUN_BYTES`] and one item more |
//! | memory while they go | [`WINDOW_BYTES`] a run |
//! | disk | the items once, until the file is closed, also by a kill |

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// About how many bytes of items are sorted at once.
const RUN_BYTES: usize = 64 << 20;
/// How much of a run is read at once.
const WINDOW_BYTES: usize = 64 << 10;
/// What an item takes in memory besides its bytes, about.
const ITEM_BYTES: usize = 64;

/// What is sorted: by time, then by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) time: u64,
    pub(super) bytes: Box<[u8]>,
}

/// Takes items in any order.
pub(super) struct Sorter {
    file: BufWriter<File>,
    written: u64,
    /// Where each run begins and ends in the file.
    runs: Vec<(u64, u64)>,
    run_bytes_max: usize,
    items: Vec<Item>,
    bytes: usize,
}

impl Sorter {
    /// Its file is in this folder, without a name.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Self::with_runs_of(folder, RUN_BYTES)
    }

    fn with_runs_of(folder: &Path, run_bytes_max: usize) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(folder)?),
            written: 0,
            runs: Vec::new(),
            run_bytes_max,
            items: Vec::new(),
            bytes: 0,
        })
    }

    pub(super) fn push(&mut self, item: Item) -> io::Result<()> {
        self.bytes += item.bytes.len() + ITEM_BYTES;
        self.items.push(item);
        if self.bytes >= self.run_bytes_max {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.items.sort_unstable();
        let begin = self.written;
        for item in self.items.drain(..) {
            let length = u32::try_from(item.bytes.len()).map_err(io::Error::other)?;
            self.file.write_all(&item.time.to_le_bytes())?;
            self.file.write_all(&length.to_le_bytes())?;
            self.file.write_all(&item.bytes)?;
            self.written += (HEADER_BYTES + item.bytes.len()) as u64;
        }
        self.runs.push((begin, self.written));
        self.bytes = 0;
        Ok(())
    }

    /// All items, to be taken in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if !self.items.is_empty() {
            self.write_run()?;
        }
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let runs = self.runs.into_iter().map(|(begin, end)| Run {
            offset: begin,
            end,
            window: Vec::new(),
            used: 0,
        });
        let mut sorted = Sorted {
            file,
            runs: runs.collect(),
            next: BinaryHeap::new(),
        };
        for run in 0..sorted.runs.len() {
            sorted.refill(run)?;
        }
        Ok(sorted)
    }
}

/// Time and length.
const HEADER_BYTES: usize = 8 + 4;

/// A part of the file, sorted.
struct Run {
    /// Where the window ends in the file.
    offset: u64,
    end: u64,
    window: Vec<u8>,
    used: usize,
}

impl Run {
    fn take(&mut self, file: &File) -> io::Result<Option<Item>> {
        if self.left() == 0 {
            return Ok(None);
        }
        let header = self.bytes(file, HEADER_BYTES)?;
        let (time, length) = header.split_at(8);
        let (time, length) = (array(time)?, array(length)?);
        let length = u32::from_le_bytes(length) as usize;
        let bytes = self.bytes(file, length)?.into();
        Ok(Some(Item {
            time: u64::from_le_bytes(time),
            bytes,
        }))
    }

    fn left(&self) -> u64 {
        self.end - self.offset + (self.window.len() - self.used) as u64
    }

    /// The next so many bytes of the run.
    fn bytes(&mut self, file: &File, count: usize) -> io::Result<&[u8]> {
        if self.window.len() - self.used < count {
            self.window.drain(..self.used);
            self.used = 0;
            let had = self.window.len();
            let on_disk = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
            let wanted = count.max(WINDOW_BYTES).min(had.saturating_add(on_disk));
            if wanted < count {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.window.resize(wanted, 0);
            file.read_exact_at(&mut self.window[had..], self.offset)?;
            self.offset += (wanted - had) as u64;
        }
        let begin = self.used;
        self.used += count;
        Ok(&self.window[begin..self.used])
    }
}

fn array<const LENGTH: usize>(bytes: &[u8]) -> io::Result<[u8; LENGTH]> {
    bytes.try_into().map_err(io::Error::other)
}

/// Gives items in their order.
pub(super) struct Sorted {
    file: File,
    runs: Vec<Run>,
    /// The next item of each run that has one.
    next: BinaryHeap<Reverse<(Item, usize)>>,
}

impl Sorted {
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        let Some(Reverse((item, run))) = self.next.pop() else {
            return Ok(None);
        };
        self.refill(run)?;
        Ok(Some(item))
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some(item) = self.runs[run].take(&self.file)? {
            self.next.push(Reverse((item, run)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_in_runs_of(run_bytes_max: usize, items: &[Item]) -> (Vec<Item>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_runs_of(folder.path(), run_bytes_max).unwrap();
        for item in items {
            sorter.push(item.clone()).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let runs_count = sorted.runs.len();
        let mut taken = Vec::new();
        while let Some(item) = sorted.next().unwrap() {
            taken.push(item);
        }
        (taken, runs_count)
    }

    #[test]
    fn many_runs_give_the_order_of_one() {
        let item = |number: u64| Item {
            time: number * 7_919 % 1_000,
            // Some are longer than a window.
            bytes: vec![number.to_le_bytes()[0]; usize::try_from(number * 271 % 90_000).unwrap()]
                .into(),
        };
        let items: Vec<Item> = (0..500).map(item).collect();
        let mut expected = items.clone();
        expected.sort();
        for (run_bytes_max, runs_min) in [(1, 500), (1 << 20, 5), (usize::MAX, 1)] {
            let (taken, runs_count) = sorted_in_runs_of(run_bytes_max, &items);
            assert!(taken == expected, "runs of {run_bytes_max} bytes");
            assert!(runs_count >= runs_min, "{runs_count} runs");
        }
        assert_eq!(sorted_in_runs_of(1, &[]), (Vec::new(), 0));
    }
}
