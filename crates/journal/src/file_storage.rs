//! A real directory.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::BuildHasher;
use std::io::{self, IoSliceMut, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::storage::{LockAttempt, Storage, StorageFile, is_shortage};

/// What is opened must not be a symbolic link.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// The file that carries the lock and its holder's process id. It is never removed.
const LOCK: &str = "lock";

/// A directory of the file system. Files are synced with `fdatasync`, names by syncing the
/// directory; the lock is an advisory `flock` of the file `lock`, freed by the system when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    directory: File,
    /// Descriptors that are given up where there is none left for a file.
    kept_back: Mutex<Vec<File>>,
}

impl FileStorage {
    /// Opens the directory; makes it (and its parents) if it is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let missing = missing_directories(path);
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path)?;
        // The name of each one that was made must be durable, or the journal below it is not.
        for directory in missing {
            if let Some(parent) = directory.canonicalize()?.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        let storage = Self::open_existing(path)?;
        storage.shut_others_out()?;
        Ok(storage)
    }

    /// A directory that everybody may enter was made so by default, not by choice: others would
    /// read the ledger, and could hold its lock. One that only a group may enter is left to it.
    fn shut_others_out(&self) -> io::Result<()> {
        let mode = self.directory.metadata()?.permissions().mode();
        if mode & OTHERS_MODE != 0 {
            let private = Permissions::from_mode(DIRECTORY_MODE);
            match self.directory.set_permissions(private) {
                Ok(()) => tracing::warn!(
                    "{} could be read by every user of this machine (mode {:o}); it is now its \
                     owner's alone (mode {DIRECTORY_MODE:o})",
                    self.place(),
                    mode & 0o777,
                ),
                // A volume may be lent to this process and belong to somebody else.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => tracing::warn!(
                    "{} can be read by every user of this machine (mode {:o}), and this process \
                     may not change that: the folder belongs to another user. Ask its owner for \
                     mode {DIRECTORY_MODE:o}",
                    self.place(),
                    mode & 0o777,
                ),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens the directory, which must be there; changes nothing.
    pub fn open_existing(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let directory = File::open(&path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let kept_back = Mutex::new(Vec::with_capacity(KEPT_BACK));
        let storage = Self {
            path,
            directory,
            kept_back,
        };
        storage.keep_back(&mut storage.kept_back.lock());
        Ok(storage)
    }

    /// Opens the file that carries the lock: a plain file of this directory and of no other, since
    /// it is written to.
    fn open_lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(FILE_MODE).custom_flags(NO_LINK);
        let opened = options.open(self.path.join(LOCK));
        let is_link = |error: &io::Error| {
            error.raw_os_error().map(Errno::from_raw_os_error) == Some(Errno::LOOP)
        };
        let not_plain = || {
            let place = self.place();
            io::Error::other(format!(
                "{place}/{LOCK} is not a plain file of this folder: look where it leads, and remove \
                 it"
            ))
        };
        let file = opened.map_err(|error| if is_link(&error) { not_plain() } else { error })?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.nlink() == 1 {
            Ok(file)
        } else {
            Err(not_plain())
        }
    }

    /// Opens something, with a descriptor that was kept back where there is no other.
    fn opened<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut kept_back = self.kept_back.lock();
        loop {
            match open() {
                Err(error) if is_shortage(&error) => {
                    if kept_back.pop().is_none() {
                        return Err(error);
                    }
                }
                opened => {
                    self.keep_back(&mut kept_back);
                    return opened;
                }
            }
        }
    }

    /// As far as there are descriptors left.
    fn keep_back(&self, kept_back: &mut Vec<File>) {
        while kept_back.len() < KEPT_BACK
            && let Ok(one) = self.directory.try_clone()
        {
            kept_back.push(one);
        }
    }
}

/// Whatever is made is its owner's alone.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS_MODE: u32 = 0o007;

/// For the next segment, its directory's listing, and a reader or two.
const KEPT_BACK: usize = 4;

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
        for entry in self.opened(|| fs::read_dir(&self.path))? {
            // A name that is not UTF-8 does not belong to the journal.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.mode(FILE_MODE);
        self.opened(|| options.open(self.path.join(name)))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        self.opened(|| options.open(self.path.join(name)))
    }

    fn open_read_only(&self, name: &str) -> io::Result<File> {
        self.opened(|| File::open(self.path.join(name)))
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
        let mut file = self.open_lock()?;
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
        // The process id only helps the person who meets the lock: a full disk must not keep us out.
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

    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let flags = ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(self, &mut [IoSliceMut::new(buffer)], offset, flags) {
            // Linux 5.9 and 5.10 may return 0 before the end. A true end is found by waiting, too.
            Ok(0) if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            Ok(count) => Ok(count),
            // Not every file system knows what it has at hand.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
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

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data/outbox");
        let storage = FileStorage::open(&place).unwrap();
        let LockAttempt::Held(_lock) = storage.try_lock().unwrap() else {
            panic!("nobody else has it");
        };
        storage.create("0000000000.segment").unwrap();
        assert_eq!(mode(&folder.path().join("data")), 0o700);
        assert_eq!(mode(&place), 0o700);
        assert_eq!(mode(&place.join("lock")), 0o600);
        assert_eq!(mode(&place.join("0000000000.segment")), 0o600);
    }

    #[test]
    fn a_folder_that_everybody_could_read_is_shut() {
        for (found, expected) in [
            (0o755, 0o700),
            (0o777, 0o700),
            (0o750, 0o750),
            (0o700, 0o700),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let set = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode));
            set(found).unwrap();
            FileStorage::open(folder.path()).unwrap();
            assert_eq!(mode(folder.path()), expected, "{found:o}");
            // A reader changes nothing.
            set(found).unwrap();
            FileStorage::open_existing(folder.path()).unwrap();
            assert_eq!(mode(folder.path()), found);
        }
    }

    #[test]
    fn a_lock_that_leads_elsewhere_is_refused_and_nothing_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let (data, target) = (folder.path().join("data"), folder.path().join("target"));
        let storage = FileStorage::open(&data).unwrap();
        let lock = data.join("lock");
        for link in [
            |target: &Path, lock: &Path| std::os::unix::fs::symlink(target, lock),
            |target: &Path, lock: &Path| fs::hard_link(target, lock),
        ] {
            fs::write(&target, "precious").unwrap();
            link(&target, &lock).unwrap();
            let refused = storage.try_lock().unwrap_err().to_string();
            assert!(refused.contains("is not a plain file"), "{refused}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
            fs::remove_file(&lock).unwrap();
        }
        // Neither is a file made where a link leads to none.
        fs::remove_file(&target).unwrap();
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        assert!(storage.try_lock().is_err());
        assert!(!target.exists());
    }

    /// Whatever takes the last descriptors of the process, the journal's next files can be made.
    #[test]
    fn descriptors_are_kept_back_for_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path()).unwrap();
        let tries = std::cell::Cell::new(0);
        let short = || -> io::Result<()> {
            tries.set(tries.get() + 1);
            Err(io::Error::from_raw_os_error(Errno::MFILE.raw_os_error()))
        };
        assert!(is_shortage(&storage.opened(short).unwrap_err()));
        assert_eq!(tries.get(), KEPT_BACK + 1);
        assert_eq!(storage.kept_back.lock().len(), 0);
        // They are kept back again as soon as there are some.
        storage.create("file").unwrap();
        assert_eq!(storage.kept_back.lock().len(), KEPT_BACK);
    }
}
