//! Reading a snapshot.

use std::io;

use journal::{SegmentStart, Storage, StorageFile, read_segment_start};
use ledger::{Expiries, Timestamp};

use super::layout::{
    BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockSeal, HASH_BYTES, HEADER_BYTES, PARTIAL, file_name,
    numbered, start_of,
};
use super::{Block, Rest, SnapshotSums};
use crate::beside::read_all;
use crate::books::Books;

/// A snapshot as it was read: whole, and of this journal.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The segment before whose first record it is.
    pub(crate) start: SegmentStart,
    /// Without ids and sums.
    pub(crate) books: Books,
    pub(crate) sums: SnapshotSums,
    pub(crate) expiries: Expiries,
    /// The newest event's time.
    pub(crate) newest: Timestamp,
    /// Length of the file in bytes.
    pub(crate) length: u64,
    pub(super) rest: Option<Rest>,
}

/// The newest snapshot that is whole and of this journal, if there is one. Returns the names of newer
/// ones that are not, too, and of one that was never finished: they can be removed once the journal
/// is open.
///
/// # Errors
///
/// When the storage cannot list files.
pub(crate) fn newest<S: Storage>(storage: &S) -> io::Result<(Option<Snapshot>, Vec<String>)> {
    let mut useless = storage.list()?;
    useless.retain(|name| name == PARTIAL);
    for segment in numbers(storage)?.into_iter().rev() {
        let name = file_name(segment);
        match load(storage, segment) {
            Ok(Some(snapshot)) => return Ok((Some(snapshot), useless)),
            Ok(None) => {
                tracing::warn!(
                    file = name,
                    "the snapshot {name} is damaged, or not of this journal or version. The ledger \
                     is opened from an older one, or from the journal's beginning"
                );
                useless.push(name);
            }
            // What cannot be read now may be read another time.
            Err(error) => tracing::warn!(
                file = name,
                %error,
                "the snapshot {name} cannot be read and is passed over: {error}"
            ),
        }
    }
    Ok((None, useless))
}

/// All snapshots that are whole and of this journal, the oldest first, and the names of the others.
/// Changes nothing.
///
/// # Errors
///
/// When the storage cannot list or read.
pub(crate) fn of_journal<S: Storage>(storage: &S) -> io::Result<(Vec<Snapshot>, Vec<String>)> {
    let (mut snapshots, mut others) = (Vec::new(), Vec::new());
    for segment in numbers(storage)? {
        match load(storage, segment) {
            Ok(Some(snapshot)) => snapshots.push(snapshot),
            Ok(None) => others.push(file_name(segment)),
            // A running ledger has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((snapshots, others))
}

/// The segments that there are snapshots of, the oldest first.
pub(super) fn numbers<S: Storage>(storage: &S) -> io::Result<Vec<u64>> {
    let names = storage.list()?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| numbered(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The snapshot of the state before this segment; `None` if it is not whole, or not of this journal
/// as it is.
///
/// # Errors
///
/// When the storage cannot read it, or the segment's header.
pub(super) fn load<S: Storage>(storage: &S, segment: u64) -> io::Result<Option<Snapshot>> {
    let file = storage.open_read_only(&file_name(segment))?;
    let size = file.size()?;
    let mut reader = SnapshotReader {
        file: &file,
        offset: 0,
        end: size,
        buffer: Vec::new(),
        taken: 0,
        hasher: blake3::Hasher::new(),
    };
    let Some(header) = reader.take(HEADER_BYTES)? else {
        return Ok(None);
    };
    let header: &[u8; HEADER_BYTES] = header.try_into().map_err(io::Error::other)?;
    let Some((version, start)) = start_of(header) else {
        return Ok(None);
    };
    if start.number != segment || read_segment_start(storage, segment)? != Some(start) {
        return Ok(None);
    }
    let mut snapshot = Snapshot {
        start,
        books: Books::default(),
        sums: SnapshotSums::default(),
        expiries: Expiries::default(),
        newest: Timestamp::default(),
        length: size,
        rest: None,
    };
    let is_whole =
        reader.blocks(BlockSeal::new(&start), &mut snapshot)? && snapshot.is_complete(version);
    Ok(is_whole.then_some(snapshot))
}

impl Snapshot {
    fn is_complete(&self, version: u32) -> bool {
        let has_sums = matches!(self.sums, SnapshotSums::Whole(_));
        let accounts_count = self.books.accounts.len() as u64;
        let rest = self.rest.as_ref();
        let is_complete = rest.is_some_and(|rest| rest.accounts_count == accounts_count);
        is_complete && has_sums == (version == 1)
    }
}

/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

struct SnapshotReader<'a, F> {
    file: &'a F,
    /// What comes next from the file.
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    taken: usize,
    /// Over what was taken.
    hasher: blake3::Hasher,
}

impl<F: StorageFile> SnapshotReader<'_, F> {
    /// Takes in all blocks. `false` where something is not as it was written.
    fn blocks(&mut self, seal: BlockSeal, snapshot: &mut Snapshot) -> io::Result<bool> {
        for number in 0.. {
            let Some(header) = self.take(BLOCK_HEADER_BYTES)? else {
                return Ok(false);
            };
            let (length, crc) = header.split_at(4);
            let word = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes);
            let (Ok(length), Ok(crc)) = (word(length), word(crc)) else {
                return Ok(false);
            };
            if length == 0 {
                return Ok(crc == 0 && self.ends_here()?);
            }
            let length = usize::try_from(length).map_err(io::Error::other)?;
            if length > BLOCK_BYTES_MAX {
                return Ok(false);
            }
            let Some(payload) = self.take(length)? else {
                return Ok(false);
            };
            if seal.crc(number, payload) != crc {
                return Ok(false);
            }
            let Ok(block) = postcard::from_bytes::<Block>(payload) else {
                return Ok(false);
            };
            if !block.take_in(snapshot) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Whether the hash of all before comes, and then nothing.
    fn ends_here(&mut self) -> io::Result<bool> {
        let hash = self.hasher.finalize();
        let is_right = self
            .take(HASH_BYTES)?
            .is_some_and(|stored| stored == hash.as_bytes());
        Ok(is_right && self.taken == self.buffer.len() && self.offset == self.end)
    }

    /// The next so many bytes; `None` if the file has no more.
    fn take(&mut self, length: usize) -> io::Result<Option<&[u8]>> {
        if self.buffer.len() - self.taken < length {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            let wanted = length.max(READ_BYTES) - self.buffer.len();
            let left = self.end - self.offset;
            let more = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
            let held = self.buffer.len();
            if held + more < length {
                return Ok(None);
            }
            self.buffer.resize(held + more, 0);
            read_all(self.file, &mut self.buffer[held..], self.offset)?;
            self.offset += more as u64;
        }
        let bytes = &self.buffer[self.taken..self.taken + length];
        self.taken += length;
        self.hasher.update(bytes);
        Ok(Some(bytes))
    }
}
