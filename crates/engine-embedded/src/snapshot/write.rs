//! Writing a snapshot.

use std::io;

use journal::{SegmentStart, Storage};

use super::Block;
use super::layout::{BLOCK_BYTES_MAX, BlockSeal, PARTIAL, file_name, header};
use crate::beside::{NewFile, Stop};

/// A snapshot that is being written, block by block.
pub(super) struct SnapshotWriter<'a, S: Storage> {
    file: NewFile<'a, S>,
    start: SegmentStart,
    seal: BlockSeal,
    blocks_count: u64,
    hasher: blake3::Hasher,
}

impl<'a, S: Storage> SnapshotWriter<'a, S> {
    pub(super) fn begin(storage: &'a S, stop: &'a Stop, start: SegmentStart) -> io::Result<Self> {
        let mut writer = Self {
            file: NewFile::create(storage, stop, PARTIAL, 0)?,
            start,
            seal: BlockSeal::new(&start),
            blocks_count: 0,
            hasher: blake3::Hasher::new(),
        };
        writer.append(&header(&start))?;
        Ok(writer)
    }

    pub(super) fn block(&mut self, block: &Block) -> io::Result<()> {
        let payload = postcard::to_allocvec(block).map_err(io::Error::other)?;
        if payload.len() > BLOCK_BYTES_MAX {
            return Err(io::Error::other(
                "a block of a snapshot is longer than a reader takes",
            ));
        }
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let crc = self.seal.crc(self.blocks_count, &payload);
        self.blocks_count += 1;
        self.append(&length.to_le_bytes())?;
        self.append(&crc.to_le_bytes())?;
        self.append(&payload)
    }

    /// Makes the snapshot durable under its own name. Returns its length in bytes.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.append(&[0; 8])?;
        let hash = self.hasher.finalize();
        self.file.append(hash.as_bytes())?;
        let length = self.file.length();
        self.file.finish(&file_name(self.start.number))?;
        Ok(length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.append(bytes)
    }
}
