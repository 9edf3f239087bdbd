//! A storage whose syncs wait at a gate while it is closed, whose reads wait at another one, and that
//! counts reads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::faulty::{FaultyFile, FaultyLock, FaultyStorage};
use journal::{LockAttempt, Storage, StorageFile};
use parking_lot::{Condvar, Mutex};

/// See the module. Clones share the gate.
#[derive(Clone)]
pub(crate) struct Gated {
    pub(crate) inner: FaultyStorage,
    gate: Arc<Gate>,
}

pub(crate) struct GatedFile {
    inner: FaultyFile,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    reads: AtomicU64,
    is_slow: Mutex<bool>,
    is_fast: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    /// How many may pass though it is closed.
    passes: usize,
    waiting: usize,
    /// The thread that came last.
    last_thread: Option<String>,
}

impl Gated {
    pub(crate) fn new(inner: FaultyStorage) -> Self {
        let gate = Arc::default();
        Self { inner, gate }
    }

    /// From now on syncs wait.
    pub(crate) fn close(&self) {
        self.gate.state.lock().is_closed = true;
    }

    /// Syncs go on.
    pub(crate) fn open_gate(&self) {
        self.gate.state.lock().is_closed = false;
        self.gate.changed.notify_all();
    }

    /// Lets one sync through.
    pub(crate) fn let_one_through(&self) {
        self.gate.state.lock().passes += 1;
        self.gate.changed.notify_all();
    }

    /// Returns once a sync waits at the gate.
    pub(crate) fn wait_for_a_sync(&self) {
        let mut state = self.gate.state.lock();
        while state.waiting == 0 {
            self.gate.changed.wait(&mut state);
        }
    }

    /// Returns once a sync of this thread's waits at the gate.
    pub(crate) fn wait_for_a_sync_of(&self, thread: &str) {
        let mut state = self.gate.state.lock();
        while state.waiting == 0 || state.last_thread.as_deref() != Some(thread) {
            self.gate.changed.wait(&mut state);
        }
    }

    /// From now on nothing is in memory, and reads wait until it is over.
    pub(crate) fn stall_reads(&self) {
        *self.gate.is_slow.lock() = true;
    }

    /// Reads go on.
    pub(crate) fn end_stall(&self) {
        *self.gate.is_slow.lock() = false;
        self.gate.is_fast.notify_all();
    }

    /// How often files were read.
    pub(crate) fn reads(&self) -> u64 {
        self.gate.reads.load(Ordering::SeqCst)
    }

    fn file(&self, inner: io::Result<FaultyFile>) -> io::Result<GatedFile> {
        let gate = Arc::clone(&self.gate);
        inner.map(|inner| GatedFile { inner, gate })
    }
}

impl Gate {
    fn pass(&self) {
        let thread = std::thread::current();
        if thread.name() == Some("journal-spare") {
            // No frame's.
            return;
        }
        let mut state = self.state.lock();
        state.waiting += 1;
        state.last_thread = thread.name().map(ToOwned::to_owned);
        self.changed.notify_all();
        while state.is_closed && state.passes == 0 {
            self.changed.wait(&mut state);
        }
        state.passes = state.passes.saturating_sub(1);
        state.waiting -= 1;
    }
}

impl Storage for Gated {
    type File = GatedFile;
    type Lock = FaultyLock;

    fn place(&self) -> String {
        self.inner.place()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<GatedFile> {
        self.file(self.inner.create(name))
    }

    fn open(&self, name: &str) -> io::Result<GatedFile> {
        self.file(self.inner.open(name))
    }

    fn open_read_only(&self, name: &str) -> io::Result<GatedFile> {
        self.file(self.inner.open_read_only(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn try_lock(&self) -> io::Result<LockAttempt<FaultyLock>> {
        self.inner.try_lock()
    }

    fn draw_id(&self) -> [u8; 16] {
        self.inner.draw_id()
    }

    fn prepares_in_background(&self) -> bool {
        self.inner.prepares_in_background()
    }
}

impl StorageFile for GatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut is_slow = self.gate.is_slow.lock();
        while *is_slow {
            self.gate.is_fast.wait(&mut is_slow);
        }
        drop(is_slow);
        self.gate.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read_at(buffer, offset)
    }

    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if *self.gate.is_slow.lock() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.inner.reserve(bytes)
    }
}
