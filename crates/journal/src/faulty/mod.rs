//! A storage in memory that fails the way disks do, for tests (cargo feature `testing`).
//!
//! - **Power cut.** [`FaultyStorage::crash`] gives what a restart would find: what was synced, and
//!   of the rest a seeded choice. Each un-synced write is lost, whole, or torn (at a byte, or by
//!   512-byte sectors in any order), whatever came before or after it; un-synced creations,
//!   renames and removals are kept or lost too.
//! - **`kill -9`.** [`FaultyStorage::kill`] gives what another process would find: all that was
//!   written, synced or not. A later power cut may still take the un-synced part.
//! - **At any point.** Every call that changes something is an operation, counted from 1.
//!   [`FaultyStorage::crash_after_operation`] stops the machine after the n-th: every later call
//!   fails. Run a workload once, ask for [`FaultyStorage::operations`], then run it again for each
//!   number.
//! - **Failing.** [`FaultyStorage::fail_operation`] makes the n-th operation fail: a write is done
//!   in part; a sync leaves the writes before it in the page cache for good, and no later sync
//!   makes them durable, as on Linux.
//! - **Lying.** [`FaultyStorage::misdirect_operation`] sends a write elsewhere,
//!   [`FaultyStorage::flip_bit`] and [`FaultyStorage::alter`] change what is there.
//! - **Full.** [`FaultyStorage::set_capacity`] bounds the bytes of all files together.
//! - **Short.** While [`FaultyStorage::set_shortage`] is on, no file can be created or opened, as
//!   where a process has no descriptor left.
//!
//! The same seed and the same calls give the same faults. So that the calls are the same, a journal
//! over this storage prepares its segments without a thread, unless
//! [`FaultyStorage::with_helper_thread`] asks for it.
//!
//! ```
//! use std::convert::Infallible;
//! use journal::faulty::FaultyStorage;
//! use journal::{Durability, Journal, JournalOptions};
//!
//! let options = JournalOptions { segment_bytes: 8192, frame_bytes_max: 4096, ..JournalOptions::default() };
//! let storage = FaultyStorage::new(7);
//! let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
//! let (mut journal, _) = Journal::open(storage.clone(), options.clone(), nothing)?;
//! journal.begin(5, 1)?;
//! journal.push(|buffer| buffer.extend_from_slice(b"money"));
//! journal.commit(1)?;
//!
//! let (journal, opened) = Journal::open(storage.crash(), options, nothing)?;
//! assert_eq!(opened.head.records, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod names;
mod operation;
mod random;
mod state;

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{LockAttempt, Storage, StorageFile};

pub use operation::{Operation, OperationKind};
use state::State;

/// See the [module](self). Clones share the state: a test keeps one while the journal has another.
#[derive(Clone)]
pub struct FaultyStorage {
    state: Arc<Mutex<State>>,
    background: bool,
}

impl fmt::Debug for FaultyStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place())
    }
}

impl FaultyStorage {
    /// An empty storage whose faults are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(seed))),
            background: false,
        }
    }

    /// Lets the journal prepare its segments in a thread of its own: the order of operations may
    /// then differ between runs.
    #[must_use]
    pub fn with_helper_thread(mut self) -> Self {
        self.background = true;
        self
    }

    /// Operations so far: creations, writes, syncs, renames, removals and directory syncs.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations()
    }

    /// What they were; the n-th operation is at index n - 1.
    pub fn operation_log(&self) -> Vec<Operation> {
        self.state.lock().log.clone()
    }

    /// Stops the machine once operation `number` is done: all later calls fail, until
    /// [`crash`](Self::crash) or [`kill`](Self::kill).
    pub fn crash_after_operation(&self, number: u64) {
        self.state.lock().stop_after = Some(number);
    }

    /// Whether the machine was stopped.
    pub fn is_stopped(&self) -> bool {
        self.state.lock().is_stopped()
    }

    /// Makes operation `number` fail with an input/output error, once.
    pub fn fail_operation(&self, number: u64) {
        self.state.lock().fail.insert(number);
    }

    /// Makes operation `number`, if it is a write, go to another place, once: to another offset
    /// or another file.
    pub fn misdirect_operation(&self, number: u64) {
        self.state.lock().misdirect.insert(number);
    }

    /// Bounds the bytes of all files together; `None` for no bound. What a write cannot extend a
    /// file by fails with [`io::ErrorKind::StorageFull`], after the part that fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Whether creating, opening and listing fail, as at the limit of open files.
    pub fn set_shortage(&self, is_short: bool) {
        self.state.lock().is_short = is_short;
    }

    /// The power goes: what a restart finds. This storage (and its clones) is dead from then on,
    /// the lock is free in the new one, and its operations count from 1 again.
    #[must_use]
    pub fn crash(&self) -> Self {
        let state = Arc::new(Mutex::new(self.state.lock().crash()));
        Self {
            state,
            background: self.background,
        }
    }

    /// The process goes: what another one finds. As for [`crash`](Self::crash), but nothing
    /// written is lost yet.
    #[must_use]
    pub fn kill(&self) -> Self {
        let state = Arc::new(Mutex::new(self.state.lock().kill()));
        Self {
            state,
            background: self.background,
        }
    }

    /// A copy of what is there now, with a life of its own and all of it durable: to try several
    /// faults upon.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = Arc::new(Mutex::new(self.state.lock().copy()));
        Self {
            state,
            background: self.background,
        }
    }

    /// The bytes of a file as a reader sees them now.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state.lock().bytes(name)
    }

    /// Changes a file behind everybody's back, durably.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    pub fn alter(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        self.state.lock().alter(name, &change);
    }

    /// Flips one bit of a file, durably; bit 0 is the lowest of the first byte.
    ///
    /// # Panics
    ///
    /// If there is no such file or bit.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        let index = usize::try_from(bit / 8).expect("a file in memory");
        self.alter(name, |bytes| bytes[index] ^= 1 << (bit % 8));
    }
}

/// The lock of a [`FaultyStorage`].
#[derive(Debug)]
pub struct FaultyLock {
    storage: FaultyStorage,
}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.storage.state.lock().locked = false;
    }
}

/// A file of a [`FaultyStorage`]; goes on meaning the same file when that is renamed.
pub struct FaultyFile {
    state: Arc<Mutex<State>>,
    id: u64,
}

impl fmt::Debug for FaultyFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FaultyFile")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl FaultyStorage {
    fn file(&self, id: u64) -> FaultyFile {
        FaultyFile {
            state: Arc::clone(&self.state),
            id,
        }
    }
}

impl Storage for FaultyStorage {
    type File = FaultyFile;
    type Lock = FaultyLock;

    fn place(&self) -> String {
        format!("memory (seed {})", self.state.lock().seed)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.state.lock().list()
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let id = self.state.lock().create(name)?;
        Ok(self.file(id))
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let id = self.state.lock().open(name)?;
        Ok(self.file(id))
    }

    fn open_read_only(&self, name: &str) -> io::Result<FaultyFile> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state.lock().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state.lock().remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.state.lock().sync_directory()
    }

    fn try_lock(&self) -> io::Result<LockAttempt<FaultyLock>> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(LockAttempt::Taken { pid: None });
        }
        Ok(LockAttempt::Held(FaultyLock {
            storage: self.clone(),
        }))
    }

    fn draw_id(&self) -> [u8; 16] {
        self.state.lock().draw_id()
    }

    fn prepares_in_background(&self) -> bool {
        self.background
    }
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.state.lock().read(self.id, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.state.lock().write(self.id, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.state.lock().sync(self.id)
    }

    fn size(&self) -> io::Result<u64> {
        self.state.lock().size(self.id)
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.state.lock().reserve(self.id, bytes)
    }
}
