//! Writing a snapshot.

use std::io;

use journal::{SegmentStart, Storage, StorageFile};

use super::Block;
use super::layout::{BLOCK_BYTES_MAX, BlockSeal, PARTIAL, file_name, header};
use crate::beside::{PIECE_BYTES, remove_if_there};

/// A snapshot that is being written, block by block.
pub(super) struct SnapshotWriter<'a, S: Storage> {
    storage: &'a S,
    file: S::File,
    start: SegmentStart,
    seal: BlockSeal,
    blocks_count: u64,
    hasher: blake3::Hasher,
    piece: Vec<u8>,
    offset: u64,
}

impl<'a, S: Storage> SnapshotWriter<'a, S> {
    pub(super) fn begin(storage: &'a S, start: SegmentStart) -> io::Result<Self> {
        remove_if_there(storage, PARTIAL)?;
        let mut writer = Self {
            storage,
            file: storage.create(PARTIAL)?,
            start,
            seal: BlockSeal::new(&start),
            blocks_count: 0,
            hasher: blake3::Hasher::new(),
            piece: Vec::with_capacity(PIECE_BYTES),
            offset: 0,
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
        self.append(hash.as_bytes())?;
        self.write_piece()?;
        self.storage
            .rename(PARTIAL, &file_name(self.start.number))?;
        self.storage.sync_directory()?;
        Ok(self.offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
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
