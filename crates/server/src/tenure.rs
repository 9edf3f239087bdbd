//! Who has to leave when places for connections become scarce: those that have been without a request for the
//! longest, once they had a moment.
//!
//! So callers that connect and say nothing keep nobody else out, and neither do those that are done and stay. A connection
//! in the middle of a request, or whose answer is still being taken, is never closed for the sake of another one.
//!
//! A request costs two counts and one look at the clock. Connections are compared only when fewer than one in
//! [`SPARE_PARTS`] places is free, at most every [`LOOK_INTERVAL`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use stdx::whole_millis;
use tokio::sync::oneshot;

/// How long a connection may be without a request before it can have to leave. A node of ours asks its ledger node
/// something in each second.
const UNDISTURBED: Duration = Duration::from_secs(2);
/// Which part of the places is kept free.
const SPARE_PARTS: usize = 32;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Tenure {
    requests_count: AtomicUsize,
    is_writing: AtomicBool,
    /// Since when there is no request, in milliseconds of [`now_ms`].
    idle_since_ms: AtomicU64,
}

impl Default for Tenure {
    fn default() -> Self {
        Self {
            requests_count: AtomicUsize::new(0),
            is_writing: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(now_ms()),
        }
    }
}

impl Tenure {
    /// A request has begun.
    pub(crate) fn begin_request(&self) {
        self.requests_count.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has ended.
    pub(crate) fn end_request(&self) {
        self.idle_since_ms.store(now_ms(), Ordering::Relaxed);
        self.requests_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether something is being written that its caller has not taken.
    pub(crate) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Since when it is idle; `None` where it is not, or not for long enough.
    fn idle_since_ms(&self, now_ms: u64) -> Option<u64> {
        let is_idle = self.requests_count.load(Ordering::Relaxed) == 0
            && !self.is_writing.load(Ordering::Relaxed);
        let since_ms = self.idle_since_ms.load(Ordering::Relaxed);
        let is_old = since_ms + whole_millis(UNDISTURBED) <= now_ms;
        (is_idle && is_old).then_some(since_ms)
    }
}

/// Milliseconds since some moment.
fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    whole_millis(START.elapsed())
}

/// The connections of a face.
pub(crate) struct Tenures {
    /// How many places are kept free.
    spare: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    begun_count: u64,
    by_number: HashMap<u64, Entry>,
    /// When it was looked last who could leave.
    looked: Option<Instant>,
}

struct Entry {
    tenure: Arc<Tenure>,
    _cut_when_dropped: oneshot::Sender<()>,
}

/// A connection in its place, until it is dropped.
pub(crate) struct Held {
    of: Arc<Tenures>,
    number: u64,
    pub(crate) tenure: Arc<Tenure>,
    cut: oneshot::Receiver<()>,
}

impl Tenures {
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            spare: connections_max / SPARE_PARTS,
            open: Mutex::default(),
        })
    }

    /// A connection that has a place.
    pub(crate) fn begin(self: &Arc<Self>) -> Held {
        let tenure = Arc::new(Tenure::default());
        let (sender, cut) = oneshot::channel();
        let entry = Entry {
            tenure: Arc::clone(&tenure),
            _cut_when_dropped: sender,
        };
        let mut open = self.open.lock();
        let number = open.begun_count;
        open.begun_count += 1;
        open.by_number.insert(number, entry);
        Held {
            of: Arc::clone(self),
            number,
            tenure,
            cut,
        }
    }

    /// Has idle connections leave where so few places are free; returns how many.
    pub(crate) fn make_room(&self, free: usize) -> usize {
        if free > self.spare {
            return 0;
        }
        let mut open = self.open.lock();
        let now = Instant::now();
        let has_looked = |looked| now.duration_since(looked) < LOOK_INTERVAL;
        if open.looked.is_some_and(has_looked) {
            return 0;
        }
        open.looked = Some(now);
        let at_ms = now_ms();
        let idle = open.by_number.iter().filter_map(|(number, entry)| {
            let since_ms = entry.tenure.idle_since_ms(at_ms)?;
            Some((since_ms, *number))
        });
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable();
        // More than are missing, since others come meanwhile.
        idle.truncate((2 * self.spare).max(1));
        for (_, number) in &idle {
            open.by_number.remove(number);
        }
        idle.len()
    }
}

impl Held {
    /// Serves the connection; `None` if it had to leave before its end.
    pub(crate) async fn unless_cut<T>(&mut self, serving: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            served = serving => Some(served),
            _ = &mut self.cut => None,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.open.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(held: &mut Held) -> bool {
        held.cut.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[tokio::test]
    async fn idle_ones_leave_and_busy_ones_stay() {
        // Of 64 places two are kept free, and at most four are freed at once.
        let tenures = Tenures::new(64);
        let mut held: Vec<_> = (0..10).map(|_| tenures.begin()).collect();
        // The clock of the process may be younger than that.
        tokio::time::sleep(UNDISTURBED).await;
        let now = now_ms();
        for held in &held {
            held.tenure
                .idle_since_ms
                .store(now - whole_millis(UNDISTURBED), Ordering::Relaxed);
        }
        held[1].tenure.begin_request();
        held[2].tenure.set_writing(true);
        held[3].tenure.begin_request();
        held[3].tenure.end_request();
        assert_eq!(tenures.make_room(3), 0, "there is room");
        assert_eq!(tenures.make_room(2), 4);
        assert_eq!(tenures.make_room(2), 0, "it was looked a moment ago");
        let cut: Vec<_> = held.iter_mut().map(is_cut).collect();
        let expected = [0, 4, 5, 6];
        for (index, is_cut) in cut.into_iter().enumerate() {
            assert_eq!(is_cut, expected.contains(&index), "{index}");
        }
        drop(held);
        assert!(tenures.open.lock().by_number.is_empty());
    }

    #[tokio::test]
    async fn the_only_place_is_freed_too() {
        let tenures = Tenures::new(1);
        let mut held = tenures.begin();
        assert_eq!(tenures.make_room(0), 0, "it has not had its moment");
        tokio::time::sleep(UNDISTURBED + LOOK_INTERVAL).await;
        assert_eq!(tenures.make_room(0), 1);
        assert_eq!(held.unless_cut(std::future::pending::<()>()).await, None);
    }
}
