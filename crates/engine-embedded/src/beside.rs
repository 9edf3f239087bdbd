//! Files that are kept beside the journal's.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use journal::{Storage, StorageFile};

mod pages;

pub(crate) use pages::{
    Coverage, FOOTER_BODY_BYTES, FOOTER_BYTES, FooterKind, PAGE_BYTES, PageSeal, array_at, covered,
    file_name, next_merge, u64_at, u128_at,
};

/// They are written and synced in pieces of this size: a frame's sync waits for at most one.
const PIECE_BYTES: usize = 256 << 10;

/// Asks the threads that write beside the journal to end, because the ledger closes. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails once it was asked.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.is_asked() {
            return Err(io::Error::other("the ledger is closing"));
        }
        Ok(())
    }
}

/// At most how many bytes of a file are written in a second; everything by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace(Option<NonZeroU64>);

impl Pace {
    /// So many bytes a second; 0 for no bound.
    pub(crate) const fn of(bytes_per_s: u64) -> Self {
        Self(NonZeroU64::new(bytes_per_s))
    }

    /// How long to wait after so many bytes, which have taken `elapsed` until now.
    fn wait(self, bytes: usize, elapsed: Duration) -> Duration {
        let Some(bytes_per_s) = self.0 else {
            return Duration::ZERO;
        };
        // Pieces are small: the product has 50 bits.
        let nanos = bytes as u64 * 1_000_000_000 / bytes_per_s;
        Duration::from_nanos(nanos).saturating_sub(elapsed)
    }
}

/// A new file that is written from its beginning to its end, and gets its own name at the end.
pub(crate) struct NewFile<'a, S: Storage> {
    storage: &'a S,
    stop: &'a Stop,
    pace: Pace,
    /// When the piece in hand was begun.
    begun: Instant,
    partial: &'static str,
    file: S::File,
    /// What is not written yet.
    piece: Vec<u8>,
    /// How much is.
    offset: u64,
}

impl<'a, S: Storage> NewFile<'a, S> {
    /// Begins a file of this name, in the place of what an earlier try left; `reserved` bytes are set
    /// aside for it where the storage can. It fails between two pieces once `stop` was asked.
    pub(crate) fn create(
        storage: &'a S,
        stop: &'a Stop,
        partial: &'static str,
        reserved: u64,
    ) -> io::Result<Self> {
        remove_if_there(storage, partial)?;
        let file = storage.create(partial)?;
        file.reserve(reserved)?;
        Ok(Self {
            storage,
            stop,
            pace: Pace::default(),
            begun: Instant::now(),
            partial,
            file,
            piece: Vec::with_capacity(PIECE_BYTES),
            offset: 0,
        })
    }

    /// From now on it is written at this pace.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(PIECE_BYTES) {
            self.piece.extend_from_slice(part);
            if self.piece.len() >= PIECE_BYTES {
                self.write_piece()?;
            }
        }
        Ok(())
    }

    /// How many bytes were appended.
    pub(crate) const fn length(&self) -> u64 {
        self.offset + self.piece.len() as u64
    }

    /// Makes all of it durable under its own name.
    pub(crate) fn finish(mut self, name: &str) -> io::Result<()> {
        self.write_piece()?;
        self.storage.rename(self.partial, name)?;
        self.storage.sync_directory()
    }

    fn write_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.stop.check()?;
        self.file.write_at(&self.piece, self.offset)?;
        self.file.sync()?;
        self.offset += self.piece.len() as u64;
        let wait = self.pace.wait(self.piece.len(), self.begun.elapsed());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        self.begun = Instant::now();
        self.piece.clear();
        Ok(())
    }
}

/// Removes what an earlier try left behind.
pub(crate) fn remove_if_there<S: Storage>(storage: &S, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// What `made` says. Where the file could not be finished, what there is of it is removed: on a full
/// disk it would keep the journal's next segment from being made.
pub(crate) fn or_remove<S: Storage, T, E>(
    storage: &S,
    partial: &str,
    made: Result<T, E>,
) -> Result<T, E> {
    if made.is_err()
        && let Err(error) = remove_if_there(storage, partial)
    {
        tracing::warn!(file = partial, %error, "an unfinished file could not be removed: {error}");
    }
    made
}

/// Fills the buffer, or fails with [`io::ErrorKind::UnexpectedEof`].
pub(crate) fn read_all(
    file: &(impl StorageFile + ?Sized),
    buffer: &mut [u8],
    at: u64,
) -> io::Result<()> {
    fill(|buffer, offset| file.read_at(buffer, offset), buffer, at)
}

/// Likewise, but fails with [`io::ErrorKind::WouldBlock`] where the bytes are not in memory.
pub(crate) fn read_at_hand(
    file: &(impl StorageFile + ?Sized),
    buffer: &mut [u8],
    at: u64,
) -> io::Result<()> {
    fill(
        |buffer, offset| file.read_at_hand(buffer, offset),
        buffer,
        at,
    )
}

fn fill(
    read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut [u8],
    at: u64,
) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_bounds_the_bytes_of_a_second() {
        let pace = Pace::of(1 << 20);
        let quarter = Duration::from_millis(250);
        assert_eq!(pace.wait(PIECE_BYTES, Duration::ZERO), quarter);
        let elapsed = Duration::from_millis(100);
        assert_eq!(pace.wait(PIECE_BYTES, elapsed), quarter - elapsed);
        // What has taken longer by itself waits for nothing, and nothing is caught up.
        assert_eq!(pace.wait(PIECE_BYTES, 2 * quarter), Duration::ZERO);
        assert_eq!(pace.wait(1, Duration::ZERO), Duration::from_nanos(953));
        assert_eq!(
            Pace::of(u64::MAX).wait(PIECE_BYTES, Duration::ZERO),
            Duration::ZERO
        );
        assert_eq!(
            Pace::of(0).wait(PIECE_BYTES, Duration::ZERO),
            Duration::ZERO
        );
    }
}
