//! What lies after the last whole frame: nothing, a tear, or proof that more was there.

use std::io;

use memchr::memmem;

use crate::format::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameInfo, Seal, frame_is_whole};
use crate::storage::{StorageFile, read_full};
use crate::window::PIECE_BYTES;

/// What was found from an offset to the end of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// One past the last byte that is not zero; `None` if all are zero.
    pub(crate) content_end: Option<u64>,
    /// The first whole frame of the sequence asked for, or of a higher one: its offset and
    /// sequence.
    pub(crate) frame: Option<(u64, u64)>,
}

/// Looks through the file from `offset` for bytes that are not zero and for any whole frame of
/// `sequence_min` or above, wherever it begins.
pub(crate) fn search<F: StorageFile>(
    file: &F,
    seal: &Seal,
    offset: u64,
    sequence_min: u64,
) -> io::Result<Rest> {
    let size = file.size()?;
    let finder = memmem::Finder::new(&FRAME_MAGIC);
    let overlap = FRAME_MAGIC.len() as u64 - 1;
    let mut rest = Rest::default();
    let mut piece = Vec::new();
    let mut at = offset;
    while at < size {
        let length = (PIECE_BYTES + overlap).min(size - at);
        piece.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        let filled = read_full(file, &mut piece, at)?;
        let bytes = &piece[..filled];
        if let Some(last) = last_non_zero(bytes) {
            rest.content_end = Some(at + last as u64 + 1);
            for found in finder.find_iter(bytes) {
                let position = at + found as u64;
                if rest.frame.is_none()
                    && let Some(sequence) = whole_frame(file, seal, position, size)?
                    && sequence >= sequence_min
                {
                    rest.frame = Some((position, sequence));
                }
            }
        }
        at += PIECE_BYTES;
    }
    Ok(rest)
}

/// The sequence of the frame at `position`, if it is whole.
fn whole_frame<F: StorageFile>(
    file: &F,
    seal: &Seal,
    position: u64,
    size: u64,
) -> io::Result<Option<u64>> {
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    if read_full(file, &mut frame, position)? < FRAME_HEADER_BYTES {
        return Ok(None);
    }
    let Some(info) = FrameInfo::decode(seal, &frame) else {
        return Ok(None);
    };
    if info.frame_bytes() > size - position {
        return Ok(None);
    }
    frame.resize(
        usize::try_from(info.frame_bytes()).map_err(io::Error::other)?,
        0,
    );
    let filled = read_full(file, &mut frame, position)?;
    Ok((filled == frame.len() && frame_is_whole(seal, &frame)).then_some(info.sequence))
}

/// Whether the whole file is zeros; stops early, with no, when `stopped`.
pub(crate) fn all_zero<F: StorageFile>(file: &F, stopped: impl Fn() -> bool) -> io::Result<bool> {
    let size = file.size()?;
    let mut piece = vec![0; usize::try_from(PIECE_BYTES.min(size)).map_err(io::Error::other)?];
    let mut at = 0;
    while at < size {
        let filled = read_full(file, &mut piece, at)?;
        if filled == 0 || stopped() || last_non_zero(&piece[..filled]).is_some() {
            return Ok(false);
        }
        at += filled as u64;
    }
    Ok(true)
}

/// The index of the last byte that is not zero.
pub(crate) fn last_non_zero(bytes: &[u8]) -> Option<usize> {
    // In blocks: the inner loop has no early exit, so it runs on whole vectors.
    const BLOCK: usize = 4096;
    let blocks = bytes.len().div_ceil(BLOCK);
    (0..blocks).rev().find_map(|block| {
        let start = block * BLOCK;
        let block = &bytes[start..bytes.len().min(start + BLOCK)];
        if block.iter().fold(0, |all, byte| all | byte) == 0 {
            return None;
        }
        block
            .iter()
            .rposition(|byte| *byte != 0)
            .map(|index| start + index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_found_anywhere() {
        assert_eq!(last_non_zero(&[]), None);
        assert_eq!(last_non_zero(&[0; 9000]), None);
        for index in [0, 1, 4095, 4096, 8191, 8999] {
            let mut bytes = [0; 9000];
            bytes[index] = 1;
            bytes[0] = 1;
            assert_eq!(last_non_zero(&bytes), Some(index));
        }
    }
}
