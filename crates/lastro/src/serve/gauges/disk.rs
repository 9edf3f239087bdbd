//! What the data folder takes on the disk, and what is free there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metrics::{Gauge, gauge};
use rustix::fs::statvfs;
use stdx::{Metric, Throttle};

use super::figure::figure;
use crate::last_done::Done;

const JOURNAL: Metric = Metric::gauge(
    "lastro_journal_disk_bytes",
    "Size of the journal's segments",
)
.in_bytes();
const TABLES: Metric = Metric::gauge(
    "lastro_tables_disk_bytes",
    "Size of the tables beside the journal",
)
.in_bytes();
const SNAPSHOTS: Metric = Metric::gauge(
    "lastro_snapshots_disk_bytes",
    "Size of the snapshots beside the journal",
)
.in_bytes();
const OTHERS: Metric = Metric::gauge(
    "lastro_other_disk_bytes",
    "Size of the other files in the data folder, such as torn ends that were cut and kept; without \
     the outbox",
)
.in_bytes();
const FREE: Metric = Metric::gauge(
    "lastro_disk_free_bytes",
    "Space that this process can still use on the file system of the data folder",
)
.in_bytes();
const TOTAL: Metric = Metric::gauge(
    "lastro_disk_size_bytes",
    "Size of the file system of the data folder",
)
.in_bytes();

const BACKUP_AGE: Metric = Metric::gauge(
    "lastro_backup_age_seconds",
    "Time since `lastro backup` last copied the data folder; missing if it never did",
)
.in_seconds();
const VERIFY_AGE: Metric = Metric::gauge(
    "lastro_verify_age_seconds",
    "Time since `lastro verify` last read all of the data folder and found it clean; missing if it never did",
)
.in_seconds();

pub(crate) const METRICS: &[Metric] = &[
    JOURNAL, TABLES, SNAPSHOTS, OTHERS, FREE, TOTAL, BACKUP_AGE, VERIFY_AGE,
];

/// How often a folder that cannot be read is reported.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// Handles that are looked up once, and the folder.
pub(super) struct Disk {
    folder: PathBuf,
    /// Of a ledger; a folder with an outbox alone has none.
    ledger: Option<LedgerGauges>,
    free: Gauge,
    total: Gauge,
    unreadable: Throttle,
}

struct LedgerGauges {
    journal: Gauge,
    tables: Gauge,
    snapshots: Gauge,
    others: Gauge,
}

/// What files of each kind take.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes {
    journal: u64,
    tables: u64,
    snapshots: u64,
    others: u64,
}

impl Disk {
    pub(super) fn new(folder: PathBuf, has_ledger: bool) -> Self {
        stdx::describe_metrics!(METRICS);
        Self {
            folder,
            ledger: has_ledger.then(|| LedgerGauges {
                journal: gauge!(JOURNAL.name),
                tables: gauge!(TABLES.name),
                snapshots: gauge!(SNAPSHOTS.name),
                others: gauge!(OTHERS.name),
            }),
            free: gauge!(FREE.name),
            total: gauge!(TOTAL.name),
            unreadable: Throttle::new(WARNING_INTERVAL),
        }
    }

    pub(super) fn look(&self) {
        match statvfs(&self.folder) {
            Ok(found) => {
                self.free.set(figure(found.f_bavail * found.f_frsize));
                self.total.set(figure(found.f_blocks * found.f_frsize));
            }
            Err(error) => self.warn(&error.into()),
        }
        for (metric, done) in [(BACKUP_AGE, Done::Backup), (VERIFY_AGE, Done::Verify)] {
            match done.age(&self.folder) {
                Ok(Some(age)) => gauge!(metric.name).set(age.as_secs_f64()),
                Ok(None) => {}
                Err(error) => self.warn(&error),
            }
        }
        let Some(ledger) = &self.ledger else {
            return;
        };
        match sizes(&self.folder) {
            Ok(sizes) => {
                ledger.journal.set(figure(sizes.journal));
                ledger.tables.set(figure(sizes.tables));
                ledger.snapshots.set(figure(sizes.snapshots));
                ledger.others.set(figure(sizes.others));
            }
            Err(error) => self.warn(&error),
        }
    }

    fn warn(&self, error: &io::Error) {
        // A new ledger's folder is made a moment after the first look.
        if error.kind() == io::ErrorKind::NotFound {
            return;
        }
        if self.unreadable.pass().is_some() {
            let folder = self.folder.display();
            tracing::warn!(
                %error,
                "cannot look at {folder}: {error}. The metrics of its sizes stay as they are; is the \
                 disk mounted?"
            );
        }
    }
}

fn sizes(folder: &Path) -> io::Result<Sizes> {
    let mut sizes = Sizes::default();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let found = match entry.metadata() {
            Ok(found) => found,
            // It was renamed or removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !found.is_file() {
            continue;
        }
        let name = entry.file_name();
        let kind = match Path::new(&name).extension().and_then(|kind| kind.to_str()) {
            Some("segment") => &mut sizes.journal,
            Some("table") => &mut sizes.tables,
            Some("snapshot") => &mut sizes.snapshots,
            Some(_) | None => &mut sizes.others,
        };
        *kind += found.len();
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_their_kind_and_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("0000000000.segment", 5),
            ("0000000001.segment", 7),
            ("ids-0000000000-0000000004.table", 11),
            ("books-0000000004.snapshot", 13),
            ("0000000001.segment.cut", 17),
            ("lock", 0),
        ] {
            std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
        }
        let outbox = folder.path().join("outbox");
        std::fs::create_dir(&outbox).unwrap();
        std::fs::write(outbox.join("0000000000.segment"), [0; 100]).unwrap();
        let expected = Sizes {
            journal: 12,
            tables: 11,
            snapshots: 13,
            others: 17,
        };
        assert_eq!(sizes(folder.path()).unwrap(), expected);
        assert!(sizes(&folder.path().join("nothing")).is_err());
    }
}
