//! Whether an id was used twice, whatever the number of ids, in bounded memory.
//!
//! What a record uses is noted with the record's address. A full buffer of notes is sorted and written
//! to a temporary file without a name; at the end the sorted runs are merged, and the uses of one
//! id come one after the other. It shares nothing with the engine's tables of ids.
//!
//! | what | cost |
//! |---|---|
//! | memory | 26 MB while records are read; at the end 64 KiB for each million ids |
//! | disk | 25 bytes an id in the folder for temporary files, only from the first million on |

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The kinds of ids that a record may use. The same id may be used in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IdKind {
    Transfer,
    Payment,
    Batch,
}

impl IdKind {
    const ALL: [Self; 3] = [Self::Transfer, Self::Payment, Self::Batch];
}

/// The uses could not be kept in the folder for temporary files.
#[derive(Debug, thiserror::Error)]
#[error(
    "the ids that were read could not be sorted in the folder for temporary files, {folder}: {cause}. \
     It needs 25 bytes for each id: free some room there, or set TMPDIR to a folder with more"
)]
pub struct SortError {
    /// The folder.
    pub folder: String,
    /// What the file system said.
    pub cause: io::Error,
}

impl From<io::Error> for SortError {
    fn from(cause: io::Error) -> Self {
        let folder = std::env::temp_dir().display().to_string();
        Self { folder, cause }
    }
}

/// So many uses are kept in memory.
const USES_MAX: usize = 1 << 20;
const USE_BYTES: usize = 25;
/// How much of a run is read at once, in uses: about 64 KiB.
const READ_USES: usize = (64 << 10) / USE_BYTES;

/// One use of an id: the kind, the id and the record's address, numbers big endian: as bytes they
/// are in the order of kinds, ids and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use([u8; USE_BYTES]);

impl Use {
    fn new(kind: IdKind, id: u128, address: u64) -> Self {
        let mut bytes = [0; USE_BYTES];
        bytes[0] = kind as u8;
        bytes[1..17].copy_from_slice(&id.to_be_bytes());
        bytes[17..].copy_from_slice(&address.to_be_bytes());
        Self(bytes)
    }

    fn is_of_same_id(&self, other: &Self) -> bool {
        self.0[..17] == other.0[..17]
    }

    fn kind(&self) -> IdKind {
        IdKind::ALL[usize::from(self.0[0])]
    }

    fn address(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[17..]);
        u64::from_be_bytes(bytes)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct UsedIds {
    uses: Vec<Use>,
    uses_max: usize,
    /// Where each sorted run is in the file, in bytes.
    runs: Vec<std::ops::Range<u64>>,
    file: Option<File>,
}

impl Default for UsedIds {
    fn default() -> Self {
        Self::keeping(USES_MAX)
    }
}

impl UsedIds {
    /// Keeps at most so many uses in memory, and those of one record more.
    fn keeping(uses_max: usize) -> Self {
        Self {
            uses: Vec::new(),
            uses_max,
            runs: Vec::new(),
            file: None,
        }
    }

    /// Notes that the record at `address` uses an id that must be new.
    pub(super) fn add(&mut self, kind: IdKind, id: u128, address: u64) {
        self.uses.push(Use::new(kind, id, address));
    }

    /// Makes room for the uses of another record.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be written.
    pub(super) fn make_room(&mut self) -> Result<(), SortError> {
        if self.uses.len() < self.uses_max {
            return Ok(());
        }
        Ok(self.write_run()?)
    }

    /// Hands over each use of an id that a record before it had used: its kind and the later
    /// record's address.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be written or read.
    pub(super) fn each_repeated(
        mut self,
        mut visit: impl FnMut(IdKind, u64),
    ) -> Result<(), SortError> {
        let mut last: Option<Use> = None;
        let mut see = |next: Use| {
            if last.is_some_and(|last| last.is_of_same_id(&next)) {
                visit(next.kind(), next.address());
            }
            last = Some(next);
        };
        if self.runs.is_empty() {
            self.uses.sort_unstable();
            self.uses.into_iter().for_each(see);
            return Ok(());
        }
        self.write_run()?;
        let Self {
            uses, runs, file, ..
        } = self;
        drop(uses);
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut runs: Vec<_> = runs.into_iter().map(|at| Run::new(&file, at)).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|first| Reverse((first, number))));
        }
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((next, number)) = *head;
            see(next);
            match runs[number].next()? {
                Some(following) => head.0.0 = following,
                None => drop(PeekMut::pop(head)),
            }
        }
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.uses.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        let from = self.runs.last().map_or(0, |run| run.end);
        let mut end = from;
        let mut bytes = Vec::with_capacity(READ_USES * USE_BYTES);
        for uses in self.uses.chunks(READ_USES) {
            bytes.clear();
            bytes.extend(uses.iter().flat_map(|used| used.0));
            file.write_all_at(&bytes, end)?;
            end += bytes.len() as u64;
        }
        self.uses.clear();
        self.runs.push(from..end);
        self.file = Some(file);
        Ok(())
    }
}

/// A sorted run that is read from its beginning.
struct Run<'a> {
    file: &'a File,
    /// What is not read yet.
    at: std::ops::Range<u64>,
    buffer: Vec<u8>,
    taken: usize,
}

impl<'a> Run<'a> {
    const fn new(file: &'a File, at: std::ops::Range<u64>) -> Self {
        Self {
            file,
            at,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<Use>> {
        if self.taken == self.buffer.len() {
            let left = self.at.end - self.at.start;
            let most = READ_USES * USE_BYTES;
            let count = usize::try_from(left).map_or(most, |left| left.min(most));
            self.buffer.resize(count, 0);
            self.file.read_exact_at(&mut self.buffer, self.at.start)?;
            self.at.start += count as u64;
            self.taken = 0;
        }
        let rest = &self.buffer[self.taken..];
        let next = rest.first_chunk().map(|bytes| Use(*bytes));
        self.taken += next.map_or(0, |_| USE_BYTES);
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use testkit::Seeds;

    use super::*;

    /// What a set of all ids says, against runs of all lengths.
    #[test]
    fn every_repeated_use_is_found_and_no_other() {
        for seed in Seeds::from_env(6) {
            let mut random = StdRng::seed_from_u64(seed);
            for uses_max in [1, 7, 64, READ_USES + 1, 1_000_000] {
                let mut used = UsedIds::keeping(uses_max);
                let mut seen = HashSet::new();
                let mut expected = Vec::new();
                for address in 1..=6_000_u64 {
                    let kind = IdKind::ALL[random.random_range(0..3)];
                    let id: u128 = match random.random_range(0..3) {
                        0 => random.random_range(0..5_000),
                        1 => u128::from(address) << 80,
                        _ => random.random(),
                    };
                    used.make_room().unwrap();
                    used.add(kind, id, address);
                    if !seen.insert((kind as u8, id)) {
                        expected.push((kind, address));
                    }
                    assert!(used.uses.len() <= uses_max);
                }
                assert!(!expected.is_empty());
                assert_eq!(used.file.is_some(), uses_max < 6_000);
                let mut found = Vec::new();
                used.each_repeated(|kind, address| found.push((kind, address)))
                    .unwrap();
                found.sort_unstable_by_key(|(_, address)| *address);
                assert_eq!(found, expected, "seed {seed}, {uses_max} in memory");
            }
        }
    }

    #[test]
    fn each_use_after_the_first_is_told_once() {
        let mut used = UsedIds::keeping(2);
        for address in [5, 9, 3, 7] {
            used.add(IdKind::Batch, 42, address);
            used.make_room().unwrap();
        }
        used.add(IdKind::Payment, 42, 4);
        let mut found = Vec::new();
        used.each_repeated(|kind, address| found.push((kind, address)))
            .unwrap();
        assert_eq!(
            found,
            [(IdKind::Batch, 5), (IdKind::Batch, 7), (IdKind::Batch, 9)]
        );
    }
}
