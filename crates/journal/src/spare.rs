//! The next segment, prepared ahead: zero-filled, synced, then renamed to `spare`.
//!
//! A file named `spare` was filled and synced before it got that name, so a short fill can never
//! be taken for a complete one. One left by an earlier run is used again if it is still all zeros.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use throttle::Throttle;

use crate::error::Failure;
use crate::storage::{SPARE, SPARE_PARTIAL, Storage, StorageFile, is_full};
use crate::tail::all_zero;

/// How long a roll waits for the spare. A disk that writes 32 MB/s fills 64 MiB in 2 s; whoever
/// waits longer is better told than held.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A full disk is asked again at most this often: each try may write up to the last free byte.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How often it is told that the disk is full.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Zeros are written in pieces of this size, so that a stop need not wait for a whole segment.
const PIECE_BYTES: usize = 1 << 20;

enum State<F> {
    /// A spare is asked for or being prepared.
    Wanted,
    Ready(F),
    /// It was taken; the next is prepared once that one has its segment's name.
    Taken,
    Full(Instant),
    Broken(Failure),
    Stopped,
}

/// Why there is no spare.
pub(crate) enum NoSpare {
    Full,
    Late,
    Broken(Failure),
}

struct Shared<S: Storage> {
    storage: Arc<S>,
    segment_bytes: u64,
    state: Mutex<State<S::File>>,
    changed: Condvar,
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
        *self.shared.state.lock() = State::Wanted;
        if self.thread.is_some() {
            self.shared.changed.notify_all();
        } else {
            let outcome = self.shared.prepare();
            *self.shared.state.lock() = outcome;
        }
    }

    /// Takes the spare, waiting for it within [`WAIT_MAX`].
    pub(crate) fn take(&self) -> Result<S::File, NoSpare> {
        let deadline = Instant::now() + WAIT_MAX;
        self.retry_if_full();
        let mut state = self.shared.state.lock();
        loop {
            match &*state {
                State::Ready(_) => break,
                State::Full(_) => return Err(NoSpare::Full),
                State::Broken(failure) => return Err(NoSpare::Broken(failure.clone())),
                State::Wanted | State::Taken | State::Stopped => {}
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

    fn retry_if_full(&self) {
        let due = match &*self.shared.state.lock() {
            State::Full(since) => self.thread.is_none() || since.elapsed() >= RETRY_AFTER,
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
            loop {
                match &*state {
                    State::Stopped => return,
                    State::Wanted => break,
                    _ => self.changed.wait(&mut state),
                }
            }
            drop(state);
            let outcome = self.prepare();
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

    fn prepare(&self) -> State<S::File> {
        match self
            .left_over()
            .and_then(|file| file.map_or_else(|| self.fill(), Ok))
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
                } else {
                    State::Broken(Failure::new("prepare", SPARE_PARTIAL, &error))
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

    fn fill(&self) -> io::Result<S::File> {
        let file = self.storage.create(SPARE_PARTIAL)?;
        file.reserve(self.segment_bytes)?;
        let piece =
            vec![0; PIECE_BYTES.min(usize::try_from(self.segment_bytes).unwrap_or(PIECE_BYTES))];
        let mut filled = 0;
        while filled < self.segment_bytes {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::FaultyStorage;

    #[test]
    fn a_spare_is_not_waited_for_for_ever() {
        let shared = Shared {
            storage: Arc::new(FaultyStorage::new(1)),
            segment_bytes: 4096,
            state: Mutex::new(State::Wanted),
            changed: Condvar::new(),
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
}
