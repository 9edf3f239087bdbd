//! What is in a folder: a ledger's journal, a backup, or what a beginning leaves that was cut short.

use std::io;
use std::path::Path;

use anyhow::{Context, ensure};
use engine_embedded::{OfflineLedger, OfflineLists};
use journal::{FileStorage, segment_number};

/// The file that a backup's folder has, and no other.
pub(crate) const MANIFEST: &str = "backup.json";

/// What may lie in a folder in which no ledger was ever begun, or in which the beginning was cut
/// short: `lost+found` is the file system's own.
const OF_A_BEGINNING: [&str; 4] = ["lock", "lost+found", "spare", "spare.partial"];

/// Whether there is a journal. Opening could make one where there is none.
pub(crate) fn has_journal(data_dir: &Path) -> bool {
    let names = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    names
        .into_iter()
        .any(|entry| Path::new(&entry.file_name()).extension() == Some("segment".as_ref()))
}

/// The ledger in the folder as it is, read without its lock and without a change.
///
/// # Errors
///
/// If there is none, or it cannot be read.
pub(crate) fn read_ledger(data_dir: &Path) -> anyhow::Result<OfflineLedger> {
    read_ledger_at(data_dir, ledger::Timestamp::from_nanos(u64::MAX))
}

/// Likewise, as it was right after this time.
///
/// # Errors
///
/// If there is none, or it cannot be read.
pub(crate) fn read_ledger_at(
    data_dir: &Path,
    at: ledger::Timestamp,
) -> anyhow::Result<OfflineLedger> {
    let place = data_dir.display();
    let storage = storage_of(data_dir)?;
    OfflineLedger::read_at(&storage, at)
        .with_context(|| format!("cannot read the ledger in {place}"))
}

/// The lists of the ledger in the folder, read without its lock and without a change.
///
/// # Errors
///
/// If there is none, or it cannot be read.
pub(crate) fn read_lists(data_dir: &Path) -> anyhow::Result<OfflineLists<FileStorage>> {
    let place = data_dir.display();
    let storage = storage_of(data_dir)?;
    OfflineLists::read(storage).with_context(|| format!("cannot read the ledger in {place}"))
}

/// The files of the ledger in the folder.
fn storage_of(data_dir: &Path) -> anyhow::Result<FileStorage> {
    let place = data_dir.display();
    ensure!(has_journal(data_dir), "there is no ledger in {place}");
    let storage =
        FileStorage::open_existing(data_dir).with_context(|| format!("cannot open {place}"))?;
    ensure!(
        !outbox::is_outbox(&storage),
        "there is no ledger in {place}, only an outbox"
    );
    Ok(storage)
}

/// Whether the folder is a backup's: nothing may be written to its journal.
pub(crate) fn is_backup(folder: &Path) -> bool {
    folder.join(MANIFEST).exists()
}

/// Whether a restore into the folder was not finished: opening it says so.
pub(crate) fn is_half_restored(data_dir: &Path) -> bool {
    data_dir.join("0000000000.segment.partial").exists()
}

/// The name of something in the folder for which no ledger is begun there; `None` where the folder
/// is not there, is empty, or has no more in it than a beginning that was cut short. Whether its first
/// segment has a ledger is not looked at: opening it decides.
///
/// # Errors
///
/// If the folder cannot be listed, for example because it is a file.
pub(crate) fn obstacle(folder: &Path) -> anyhow::Result<Option<String>> {
    let listed = || format!("cannot open {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.with_context(listed)?,
    };
    for entry in entries {
        let name = entry.with_context(listed)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if segment_number(&name) != Some(0) && !OF_A_BEGINNING.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_beginning_leaves_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data");
        assert_eq!(obstacle(&place).unwrap(), None);
        std::fs::create_dir_all(place.join("lost+found")).unwrap();
        for name in ["lock", "spare", "0000000000.segment"] {
            std::fs::write(place.join(name), "").unwrap();
        }
        assert_eq!(obstacle(&place).unwrap(), None);
        for name in ["outbox", "0000000001.segment", "notes.txt"] {
            std::fs::write(place.join(name), "").unwrap();
            assert_eq!(obstacle(&place).unwrap().as_deref(), Some(name));
            std::fs::remove_file(place.join(name)).unwrap();
        }
        let error = obstacle(&place.join("lock")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open "), "{error}");
    }
}
