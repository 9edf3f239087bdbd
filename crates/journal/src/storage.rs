//! What the journal asks of a place to keep files in.
//!
//! Everything the journal does to the outside goes through these two traits, so that a test can
//! put a double in between that loses, tears and fails.

use std::io;

use rustix::io::Errno;

/// One directory of files, with a lock. Names are plain file names, without a folder.
pub trait Storage: Send + Sync + 'static {
    /// An open file.
    type File: StorageFile;
    /// The lock: held while it lives.
    type Lock: Send + Sync + 'static;

    /// What an operator calls this place, such as the directory's path.
    fn place(&self) -> String;

    /// The names of the files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new empty file to read and write; one of that name must not exist. The file's name
    /// is durable only after [`Storage::sync_directory`].
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file to read and write.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file to read only.
    fn open_read_only(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, atomically; durable only after [`Storage::sync_directory`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; durable only after [`Storage::sync_directory`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all creations, renames and removals so far durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes the lock, without waiting.
    fn try_lock(&self) -> io::Result<LockAttempt<Self::Lock>>;

    /// Sixteen bytes that no other journal has.
    fn draw_id(&self) -> [u8; 16];

    /// Whether the next segment may be prepared by a thread of its own. A double answers no where
    /// the order of operations must be the same in every run: then it is prepared by the writer,
    /// right after each roll.
    fn prepares_in_background(&self) -> bool {
        true
    }
}

/// The answer to [`Storage::try_lock`].
#[derive(Debug)]
pub enum LockAttempt<L> {
    /// The lock is ours until the value is dropped.
    Held(L),
    /// Somebody else has it.
    Taken {
        /// The holder's process id, if known.
        pid: Option<u32>,
    },
}

/// One open file, shared between threads.
pub trait StorageFile: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes from `offset`; 0 at or past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// As [`StorageFile::read_at`], but fails with [`io::ErrorKind::WouldBlock`] where the bytes are
    /// not in memory and would have to be waited for. A storage that never waits need not tell.
    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    /// Writes all the bytes at `offset`; durable only after [`StorageFile::sync`]. After an error
    /// any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all writes to this file so far durable. After an error nothing is known of them, and
    /// a second call proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Sets the space for that many bytes aside where the storage can, so that a full disk shows
    /// before anything is written. The size and the bytes stay as they are.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
}

/// Fills the buffer from `offset` as far as the file goes, and tells how far that was.
pub(crate) fn read_full(
    file: &impl StorageFile,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    read_full_by(
        |buffer, offset| file.read_at(buffer, offset),
        buffer,
        offset,
    )
}

/// Reads as [`read_full`] does, by this way of reading.
pub(crate) fn read_full_by(
    read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether the error says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether the error says that there is no descriptor or memory left at the moment, in the process
/// or in the system. Nothing was done, and it may be tried again.
pub fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// The name of a segment file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:010}.segment")
}

/// The number in a segment file's name; `None` for any other file.
pub fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".segment")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// The next segment, zero-filled and synced.
pub(crate) const SPARE: &str = "spare";

/// The next segment while it is being filled.
pub(crate) const SPARE_PARTIAL: &str = "spare.partial";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_go_round() {
        assert_eq!(segment_name(7), "0000000007.segment");
        for number in [0, 7, 9_999_999_999, u64::MAX] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        let others = [
            "7.segment",
            "0000000007.segment.cut",
            "+000000007.segment",
            "spare",
            "lock",
        ];
        for name in others {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
