//! Reading a file forward in large pieces.

use std::io;

use crate::storage::{StorageFile, read_full};

/// Bytes read at once.
pub(crate) const PIECE_BYTES: u64 = 1 << 20;

/// A part of a file in memory; moves forward on demand.
pub(crate) struct Window<'a, F> {
    file: &'a F,
    /// How far the file counts, in bytes.
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, F: StorageFile> Window<'a, F> {
    pub(crate) fn new(file: &'a F, size: u64) -> Self {
        Self {
            file,
            size,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The bytes from `offset`, `length` of them; `None` if they pass the file's end.
    pub(crate) fn get(&mut self, offset: u64, length: u64) -> io::Result<Option<&[u8]>> {
        if offset.checked_add(length).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        let held = self.start..self.start + self.bytes.len() as u64;
        if offset < held.start || offset + length > held.end {
            self.load(offset, length)?;
        }
        let at = usize::try_from(offset - self.start).map_err(io::Error::other)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        Ok(self.bytes.get(at..at + length))
    }

    /// Forgets what was read: the file may have changed.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    fn load(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let wanted = length.max(PIECE_BYTES).min(self.size - offset);
        self.start = offset;
        self.bytes
            .resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
        let filled = read_full(self.file, &mut self.bytes, offset)?;
        self.bytes.truncate(filled);
        Ok(())
    }
}
