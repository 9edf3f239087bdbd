//! What is in a folder: a ledger's journal, or a backup.

use std::path::Path;

/// The file that a backup's folder has, and no other.
pub(crate) const MANIFEST: &str = "backup.json";

/// Whether there is a journal. Opening would make one where there is none.
pub(crate) fn has_journal(data_dir: &Path) -> bool {
    let names = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    names
        .into_iter()
        .any(|entry| Path::new(&entry.file_name()).extension() == Some("segment".as_ref()))
}

/// Whether the folder is a backup's: nothing may be written to its journal.
pub(crate) fn is_backup(folder: &Path) -> bool {
    folder.join(MANIFEST).exists()
}
