//! Small files that are replaced as a whole: who reads one finds the old content or the new one, also
//! after a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// The mode of a file that is new.
const MODE: u32 = 0o600;

/// Replaces the file at `path`, durably. A new one is its owner's alone; one that was there keeps its
/// owner, group and mode. Only one process at a time may do so for one path.
///
/// # Errors
///
/// If anything could not be done. The file then has its old content or the new one, and before the last step
/// (the sync of its folder) always the old one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = Path::new(&name);
    // What a process left that was killed.
    if let Err(error) = std::fs::remove_file(partial)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(partial)?;
    match std::fs::metadata(path) {
        Ok(before) => {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
            file.set_permissions(PermissionsExt::from_mode(before.mode() & 0o777))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(partial, path)?;
    folder_of(path)?.sync_all()
}

/// The folder that a file is in, opened.
///
/// # Errors
///
/// If it cannot be opened.
pub fn folder_of(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder),
        Some(_) | None => File::open("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mode = || std::fs::metadata(&path).unwrap().mode() & 0o777;
        replace(&path, b"one").unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        // What an earlier try left is in nobody's way.
        std::fs::write(folder.path().join("file.partial"), "half").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(), 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
