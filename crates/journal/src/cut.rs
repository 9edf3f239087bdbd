//! Cutting a torn end: its bytes are kept first, durably, and zeroed only then.

use std::io;

use crate::storage::{Storage, StorageFile, read_full};

/// Bytes copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Saves the bytes `offset .. offset + length` of a segment as a file of its own, then zeroes
/// them. Each step is durable before the next begins, so a crash anywhere leaves either the tear
/// or its saved copy. Returns the saved file's name.
pub(crate) fn cut<S: Storage>(
    storage: &S,
    segment: &str,
    offset: u64,
    length: u64,
) -> io::Result<String> {
    let file = storage.open(segment)?;
    let saved_as = free_name(&storage.list()?, segment);
    let saved = storage.create(&saved_as)?;
    for_pieces(length, |at, piece| {
        let filled = read_full(&file, piece, offset + at)?;
        saved.write_at(&piece[..filled], at)
    })?;
    saved.sync()?;
    storage.sync_directory()?;
    for_pieces(length, |at, piece| {
        piece.fill(0);
        file.write_at(piece, offset + at)
    })?;
    file.sync()?;
    Ok(saved_as)
}

fn for_pieces(
    length: u64,
    mut each: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(PIECE_BYTES.min(length)).map_err(io::Error::other)?];
    let mut at = 0;
    while at < length {
        let count = PIECE_BYTES.min(length - at);
        let piece = usize::try_from(count).map_err(io::Error::other)?;
        each(at, &mut buffer[..piece])?;
        at += count;
    }
    Ok(())
}

/// `<segment>.cut`, or the first of `<segment>.cut.1`, `.2` … that is not taken.
pub(crate) fn free_name(names: &[String], segment: &str) -> String {
    let first = format!("{segment}.cut");
    let numbered = (1_u64..).map(|number| format!("{first}.{number}"));
    std::iter::once(first.clone())
        .chain(numbered)
        .find(|name| !names.contains(name))
        .unwrap_or(first)
}
