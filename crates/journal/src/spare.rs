//! The next segment, prepared ahead: zero-filled, synced, then renamed to `spare`.
//!
//! A file named `spare` was filled and synced before it got that name, so a short fill can never
//! be taken for a complete one. One left by an earlier run is used again if it is still all zeros.
//!
//! It is filled in pieces, each synced, over a part of the time that the segment before it lasted: a
//! whole segment handed to the disk at once would be in the way of every frame's sync meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use stdx::Throttle;

use crate::error::StorageFailure;
use crate::storage::{SPARE, SPARE_PARTIAL, Storage, StorageFile, is_full, is_shortage};
use crate::tail::all_zero;

/// How long a roll waits for the spare. A disk that writes 32 MB/s fills 64 MiB in 2 s; a call that
/// waits longer is better told than held.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What there was no room for is tried again at most this often: on a full disk each try may write
/// up to the last free byte.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How often it is told that the disk is full.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Zeros are written and synced in pieces of this size: a frame's sync waits for at most one,
/// and so does a stop.
const PIECE_BYTES: usize = 256 << 10;
/// Over which part of a segment's time the next one is filled, and for how long at most.
const SPREAD_SHARE: u32 = 4;
const SPREAD_MAX: Duration = Duration::from_secs(4);

enum State<F> {
    /// A spare is asked for or being prepared, over this time.
    Wanted(Duration),
    Ready(F),
    /// It was taken; the next is prepared once that one has its segment's name.
    Taken,
    Full(Instant),
    /// There was no descriptor or memory to make it with.
    Short(Instant, Arc<str>),
    Broken(StorageFailure),
    Stopped,
}

/// Why there is no spare.
pub(crate) enum NoSpare {
    Full,
    Late,
    Short(Arc<str>),
    Broken(StorageFailure),
}

struct Shared<S: Storage> {
    storage: Arc<S>,
    segment_bytes: u64,
    state: Mutex<State<S::File>>,
    changed: Condvar,
    /// Somebody waits for the spare that is being prepared.
    is_awaited: AtomicBool,
    wanted_at: Mutex<Option<Instant>>,
    warnings: Throttle,
}

/// Prepares spares until dropped, in a thread of its own or in the caller's
/// ([`Storage::prepares_in_background`]).
pub(crate) struct Spares<S: Storage> {
    shared: Arc<Shared<S>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Storage> Spares<S> {
    /// Starts to prepare the first spare.
    pub(crate) fn start(storage: &Arc<S>, segment_bytes: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            storage: Arc::clone(storage),
            segment_bytes,
            state: Mutex::new(State::Taken),
            changed: Condvar::new(),
            is_awaited: AtomicBool::new(false),
            wanted_at: Mutex::new(None),
            warnings: Throttle::new(WARNING_INTERVAL),
        });
        let thread = if storage.prepares_in_background() {
            let shared = Arc::clone(&shared);
            let builder = Builder::new().name("journal-spare".to_owned());
            Some(builder.spawn(move || shared.prepare_until_stopped())?)
        } else {
            None
        };
        let spares = Self { shared, thread };
        spares.want();
        Ok(spares)
    }

    /// Asks for a spare, once the one taken before has got its segment's name.
    pub(crate) fn want(&self) {
        self.shared.is_awaited.store(false, Ordering::Relaxed);
        if self.thread.is_some() {
            *self.shared.state.lock() = State::Wanted(self.spread());
            self.shared.changed.notify_all();
        } else {
            let outcome = self.shared.prepare(Duration::ZERO);
            *self.shared.state.lock() = outcome;
        }
    }

    /// How long filling may take: segments have lasted for a multiple of it. None at all at first,
    /// when nobody knows how long the first one will last.
    fn spread(&self) -> Duration {
        let now = Instant::now();
        let before = self.shared.wanted_at.lock().replace(now);
        let lasted = before.map_or(Duration::ZERO, |before| now - before);
        (lasted / SPREAD_SHARE).min(SPREAD_MAX)
    }

    /// Takes the spare, waiting for it within [`WAIT_MAX`].
    pub(crate) fn take(&self) -> Result<S::File, NoSpare> {
        let deadline = Instant::now() + WAIT_MAX;
        self.retry_if_due();
        let mut state = self.shared.state.lock();
        loop {
            match &*state {
                State::Ready(_) => break,
                State::Full(_) => return Err(NoSpare::Full),
                State::Short(_, cause) => return Err(NoSpare::Short(Arc::clone(cause))),
                State::Broken(failure) => return Err(NoSpare::Broken(failure.clone())),
                State::Wanted(_) | State::Taken | State::Stopped => {}
            }
            if !self.shared.is_awaited.swap(true, Ordering::Relaxed) {
                self.shared.changed.notify_all();
            }
            if self
                .shared
                .changed
                .wait_until(&mut state, deadline)
                .timed_out()
            {
                return Err(NoSpare::Late);
            }
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(file) => Ok(file),
            _ => Err(NoSpare::Late),
        }
    }

    /// Puts back a spare that could not get its segment's name.
    pub(crate) fn put_back(&self, file: S::File) {
        *self.shared.state.lock() = State::Ready(file);
    }

    fn retry_if_due(&self) {
        let due = match &*self.shared.state.lock() {
            State::Full(since) | State::Short(since, _) => {
                self.thread.is_none() || since.elapsed() >= RETRY_AFTER
            }
            _ => false,
        };
        if due {
            self.want();
        }
    }
}

impl<S: Storage> Drop for Spares<S> {
    fn drop(&mut self) {
        *self.shared.state.lock() = State::Stopped;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed by the thread itself.
            let _ = thread.join();
        }
    }
}

impl<S: Storage> Shared<S> {
    fn prepare_until_stopped(&self) {
        loop {
            let mut state = self.state.lock();
            let spread = loop {
                match &*state {
                    State::Stopped => return,
                    State::Wanted(spread) => break *spread,
                    // It is made before anyone asks: it should be ready when it is needed.
                    State::Short(..) => {
                        let waited = self.changed.wait_for(&mut state, RETRY_AFTER);
                        if waited.timed_out() {
                            break Duration::ZERO;
                        }
                    }
                    _ => self.changed.wait(&mut state),
                }
            };
            drop(state);
            let outcome = self.prepare(spread);
            let mut state = self.state.lock();
            if !matches!(*state, State::Stopped) {
                *state = outcome;
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    fn stopped(&self) -> bool {
        matches!(*self.state.lock(), State::Stopped)
    }

    fn prepare(&self, spread: Duration) -> State<S::File> {
        match self
            .left_over()
            .and_then(|file| file.map_or_else(|| self.fill(spread), Ok))
        {
            Ok(file) => State::Ready(file),
            Err(error) => {
                // What is half filled only takes space; opening removes it too.
                let _ = self.storage.remove(SPARE_PARTIAL);
                if is_full(&error) {
                    if let Some(held_back) = self.warnings.pass() {
                        tracing::warn!(
                            held_back,
                            "the disk is full: no room for the journal's next segment"
                        );
                    }
                    State::Full(Instant::now())
                } else if is_shortage(&error) {
                    if let Some(held_back) = self.warnings.pass() {
                        tracing::warn!(
                            %error,
                            held_back,
                            "the journal's next segment cannot be created now: {error}. Writes \
                             are refused once the current segment is full; it is tried again. \
                             Close what this machine does not need, or raise the limit"
                        );
                    }
                    State::Short(Instant::now(), error.to_string().into())
                } else {
                    State::Broken(StorageFailure::new("prepare", SPARE_PARTIAL, &error))
                }
            }
        }
    }

    /// The spare of an earlier run, if it is whole; one that is not is removed.
    fn left_over(&self) -> io::Result<Option<S::File>> {
        let names = self.storage.list()?;
        if names.iter().any(|name| name == SPARE_PARTIAL) {
            self.storage.remove(SPARE_PARTIAL)?;
        }
        if !names.iter().any(|name| name == SPARE) {
            return Ok(None);
        }
        let file = self.storage.open(SPARE)?;
        if file.size()? == self.segment_bytes && all_zero(&file, || self.stopped())? {
            // It was synced before it got this name; the roll syncs the directory.
            return Ok(Some(file));
        }
        drop(file);
        self.storage.remove(SPARE)?;
        Ok(None)
    }

    fn fill(&self, spread: Duration) -> io::Result<S::File> {
        let file = self.storage.create(SPARE_PARTIAL)?;
        file.reserve(self.segment_bytes)?;
        let piece =
            vec![0; PIECE_BYTES.min(usize::try_from(self.segment_bytes).unwrap_or(PIECE_BYTES))];
        let pieces_count = self.segment_bytes.div_ceil(PIECE_BYTES as u64);
        let pause = spread / u32::try_from(pieces_count).unwrap_or(u32::MAX).max(1);
        let mut filled = 0;
        while filled < self.segment_bytes {
            if filled > 0 {
                file.sync()?;
                self.pause(pause);
            }
            if self.stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let left = usize::try_from(self.segment_bytes - filled).unwrap_or(PIECE_BYTES);
            let piece = &piece[..left.min(PIECE_BYTES)];
            file.write_at(piece, filled)?;
            filled += piece.len() as u64;
        }
        file.sync()?;
        self.storage.rename(SPARE_PARTIAL, SPARE)?;
        self.storage.sync_directory()?;
        Ok(file)
    }

    /// Leaves the disk to others, unless the spare is waited for.
    fn pause(&self, pause: Duration) {
        let mut state = self.state.lock();
        let is_hurried = self.is_awaited.load(Ordering::Relaxed);
        if !pause.is_zero() && !is_hurried && !matches!(*state, State::Stopped) {
            self.changed.wait_for(&mut state, pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::FaultyStorage;
    use crate::file_storage::FileStorage;

    #[test]
    fn a_spare_is_not_waited_for_for_ever() {
        let shared = Shared {
            storage: Arc::new(FaultyStorage::new(1)),
            segment_bytes: 4096,
            state: Mutex::new(State::Wanted(Duration::ZERO)),
            changed: Condvar::new(),
            is_awaited: AtomicBool::new(false),
            wanted_at: Mutex::new(None),
            warnings: Throttle::new(WARNING_INTERVAL),
        };
        // Nobody prepares it.
        let spares = Spares {
            shared: Arc::new(shared),
            thread: None,
        };
        let start = Instant::now();
        assert!(matches!(spares.take(), Err(NoSpare::Late)));
        assert!(start.elapsed() >= WAIT_MAX);
        spares.want();
        assert!(spares.take().is_ok());
    }

    #[test]
    fn a_roll_that_waits_is_not_held_by_the_pauses() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared {
            storage: Arc::new(FileStorage::open(folder.path()).unwrap()),
            segment_bytes: 4 * PIECE_BYTES as u64,
            state: Mutex::new(State::Wanted(Duration::from_secs(3_600))),
            changed: Condvar::new(),
            is_awaited: AtomicBool::new(false),
            wanted_at: Mutex::new(None),
            warnings: Throttle::new(WARNING_INTERVAL),
        });
        let preparing = Arc::clone(&shared);
        let thread = std::thread::spawn(move || preparing.prepare_until_stopped());
        // Time enough for the first piece, after which it pauses.
        std::thread::sleep(Duration::from_millis(100));
        assert!(matches!(*shared.state.lock(), State::Wanted(_)));
        let spares = Spares {
            shared,
            thread: Some(thread),
        };
        let Ok(spare) = spares.take() else {
            panic!("it did not come in time");
        };
        assert_eq!(spare.size().unwrap(), 4 * PIECE_BYTES as u64);
    }
}
