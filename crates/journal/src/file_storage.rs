//! A real directory.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

use crate::storage::{LockAttempt, Storage, StorageFile};

/// The file that carries the lock and its holder's process id. It is never removed.
const LOCK: &str = "lock";

/// A directory of the file system. Files are synced with `fdatasync`, names by syncing the
/// directory; the lock is an advisory `flock` of the file `lock`, freed by the system when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    directory: File,
}

impl FileStorage {
    /// Opens the directory; makes it (and its parents) if it is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let missing = missing_directories(path);
        fs::create_dir_all(path)?;
        // The name of each one that was made must be durable, or the journal below it is not.
        for directory in missing {
            if let Some(parent) = directory.canonicalize()?.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        Self::open_existing(path)
    }

    /// Opens the directory, which must be there; changes nothing.
    pub fn open_existing(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let directory = File::open(&path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path, directory })
    }
}

/// The directory and those of its parents that are not there, the deepest first.
fn missing_directories(path: &Path) -> Vec<&Path> {
    path.ancestors()
        .take_while(|directory| !directory.is_dir() && !directory.as_os_str().is_empty())
        .collect()
}

/// The lock of a [`FileStorage`]; dropping it frees the directory.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl Storage for FileStorage {
    type File = File;
    type Lock = FileLock;

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of the journal's.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name))
    }

    fn open_read_only(&self, name: &str) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn try_lock(&self) -> io::Result<LockAttempt<FileLock>> {
        let path = self.path.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Ok(LockAttempt::Taken { pid });
            }
            Err(error) => return Err(error.into()),
        }
        // The process id only helps whoever meets the lock: a full disk must not keep us out.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", process::id()));
        Ok(LockAttempt::Held(FileLock { _file: file }))
    }

    fn draw_id(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        // The standard library seeds this from the system's randomness.
        for word in 0..4_u64 {
            hasher.update(&RandomState::new().hash_one(word).to_le_bytes());
        }
        hasher.update(&process::id().to_le_bytes());
        if let Ok(since) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            hasher.update(&since.as_nanos().to_le_bytes());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        id
    }
}

impl StorageFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::KEEP_SIZE, 0, bytes) {
            // Not every file system can: the writes that follow will tell.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_that_is_made_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, c) = (
            folder.path().join("a"),
            folder.path().join("a/b"),
            folder.path().join("a/b/c"),
        );
        assert_eq!(missing_directories(&c), [&*c, &*b, &*a]);
        FileStorage::open(&c).unwrap();
        assert!(missing_directories(&c).is_empty());
        let relative = Path::new("no-such-directory/below");
        assert_eq!(missing_directories(relative).len(), 2);
    }
}
