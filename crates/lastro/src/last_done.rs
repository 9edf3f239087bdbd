//! When a data folder was last backed up and last verified: small files beside the data, whose time of change
//! says so. Both are done by other processes than the server, whose metrics show their age.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was done with a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was backed up.
    Backup,
    /// All of it was verified, and found clean.
    Verify,
}

impl Done {
    const fn file(self) -> &'static str {
        match self {
            Self::Backup => "last-backup",
            Self::Verify => "last-verify",
        }
    }

    /// Leaves the note, with what an operator may want to read in it. Where that cannot be done it is only
    /// reported: what was done is done.
    pub(crate) fn note(self, data_dir: &Path, content: &str) {
        let path = data_dir.join(self.file());
        if let Err(error) = replace(&path, content) {
            eprintln!(
                "warning: cannot write {}: {error}. The metrics of the server do not show that this was done",
                path.display()
            );
        }
    }

    /// How long ago it was done; `None` if it never was.
    pub(crate) fn age(self, data_dir: &Path) -> io::Result<Option<Duration>> {
        let done_at = match fs::metadata(data_dir.join(self.file())) {
            Ok(found) => found.modified()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A clock that was set back makes it no older than now.
        let age = SystemTime::now().duration_since(done_at);
        Ok(Some(age.unwrap_or(Duration::ZERO)))
    }
}

/// Another user may have written the one before.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, content)?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_known_by_its_age() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Done::Backup.age(folder.path()).unwrap(), None);
        for _ in 0..2 {
            Done::Backup.note(folder.path(), "5:abc\n");
        }
        let age = Done::Backup.age(folder.path()).unwrap().unwrap();
        assert!(age < Duration::from_secs(3600), "{age:?}");
        assert_eq!(Done::Verify.age(folder.path()).unwrap(), None);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing else is left");
        // Where it cannot be written nothing else happens.
        Done::Backup.note(&folder.path().join("missing"), "");
    }
}
