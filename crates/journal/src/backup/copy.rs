//! Copying the bytes of one file.

use std::io;

use crate::storage::{StorageFile, read_full};
use crate::tail::last_non_zero;

/// Bytes copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// On which side copying failed.
#[derive(Debug)]
pub(super) enum CopyFailed {
    Read(io::Error),
    Write(io::Error),
}

/// Copies the first `bytes` of a file into a new one of `size` bytes: zeros follow. Zeros are not
/// written where a whole piece of them is: the new file has holes there.
pub(super) fn copy(
    from: &impl StorageFile,
    to: &impl StorageFile,
    bytes: u64,
    size: u64,
    mut copied: impl FnMut(u64),
) -> Result<(), CopyFailed> {
    let mut piece = Vec::new();
    let (mut at, mut end) = (0, 0);
    while at < bytes {
        let length = PIECE_BYTES.min(bytes - at);
        let room = usize::try_from(length).map_err(io::Error::other);
        piece.resize(room.map_err(CopyFailed::Read)?, 0);
        if read_full(from, &mut piece, at).map_err(CopyFailed::Read)? < piece.len() {
            return Err(CopyFailed::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        if last_non_zero(&piece).is_some() {
            to.write_at(&piece, at).map_err(CopyFailed::Write)?;
            end = at + length;
        }
        at += length;
        copied(length);
    }
    if end < size {
        to.write_at(&[0], size - 1).map_err(CopyFailed::Write)?;
    }
    Ok(())
}

/// Writes zeros from `offset` to the end of a file of `size` bytes.
pub(super) fn fill_with_zeros(to: &impl StorageFile, offset: u64, size: u64) -> io::Result<()> {
    let zeros = vec![0; usize::try_from(PIECE_BYTES.min(size - offset)).map_err(io::Error::other)?];
    let mut at = offset;
    while at < size {
        let length = (zeros.len() as u64).min(size - at);
        let count = usize::try_from(length).map_err(io::Error::other)?;
        to.write_at(&zeros[..count], at)?;
        at += length;
    }
    Ok(())
}
