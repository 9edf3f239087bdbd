//! `copy.json`: a data folder that holds an unfinished copy has it, and no server opens the folder.

use std::path::Path;

use anyhow::Context;
use journal::backup::replace_file;
use journal::{FileStorage, Storage};
use serde::{Deserialize, Serialize};

/// The file's name.
pub(super) const MARK: &str = "copy.json";
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Mark {
    format_version: u32,
    /// The version of the build that began the copy.
    lastro_version: String,
    /// Where the ledger is that is copied, for people.
    from: String,
}

/// Says of a folder that the ledger in it is an unfinished copy, and of what; `None` if it is not.
pub(crate) fn unfinished(folder: &Path) -> Option<String> {
    let bytes = match std::fs::read(folder.join(MARK)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => return Some("another ledger".to_owned()),
    };
    // The file being there is what counts.
    let mark: Result<Mark, _> = serde_json::from_slice(&bytes);
    Some(mark.map_or_else(|_| "another ledger".to_owned(), |mark| mark.from))
}

/// Marks the folder; durable when this returns.
pub(super) fn write(storage: &FileStorage, from: &str) -> anyhow::Result<()> {
    let mark = Mark {
        format_version: FORMAT_VERSION,
        lastro_version: env!("CARGO_PKG_VERSION").to_owned(),
        from: from.to_owned(),
    };
    let mut bytes = serde_json::to_vec_pretty(&mark)?;
    bytes.push(b'\n');
    replace_file(storage, MARK, &bytes).with_context(|| format!("cannot write {MARK}"))
}

/// The copy is whole.
pub(super) fn remove(storage: &FileStorage) -> anyhow::Result<()> {
    let removed = storage.remove(MARK).and_then(|()| storage.sync_directory());
    removed.with_context(|| format!("cannot remove {MARK}"))
}
