//! Starts arrivals when they are due.
//!
//! The runtime's own timer has a resolution of 1 ms, longer than most answers take. So the pacer
//! sleeps on a `timerfd`, which the same event loop waits for: what is left is the loop's own
//! business, and that is measured (see [`crate::recorder`]).

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// A clock to wait by, precise to some tens of microseconds.
#[derive(Debug)]
pub(crate) struct PreciseTimer {
    timer: AsyncFd<OwnedFd>,
}

impl PreciseTimer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            unsafe_code,
            reason = "the safe constructors are deprecated as unsound"
        )]
        // SAFETY: the descriptor is open, and the `AsyncFd` owns it until it is dropped.
        let timer = unsafe { AsyncFd::register(timer)? };
        Ok(Self { timer })
    }

    /// Returns at `at`, or at once when that has passed.
    pub(crate) async fn wait_until(&self, at: Instant) -> io::Result<()> {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once_after(left))?;
            // Set anew, the timer forgets earlier expiries; a stale readiness only makes one more
            // round.
            self.timer.readable().await?.clear_ready();
        }
    }
}

fn once_after(left: Duration) -> Itimerspec {
    Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        },
    }
}

/// Counts what is in flight, bounds it, and tells when nothing is.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: Cell<usize>,
    max: usize,
    ended: Notify,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Rc<Self> {
        Rc::new(Self {
            count: Cell::new(0),
            max,
            ended: Notify::new(),
        })
    }

    pub(crate) const fn count(&self) -> usize {
        self.count.get()
    }

    /// Starts a task on this thread, once there is room for it.
    pub(crate) async fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        while self.count.get() >= self.max {
            self.ended.notified().await;
        }
        self.count.set(self.count.get() + 1);
        let ticket = Ticket(Rc::clone(self));
        tokio::task::spawn_local(async move {
            let _ticket = ticket;
            task.await;
        });
    }

    /// Returns when everything has ended.
    pub(crate) async fn drain(&self) {
        while self.count.get() > 0 {
            self.ended.notified().await;
        }
    }
}

/// Ends with its task, a panicking one too.
struct Ticket(Rc<InFlight>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.ended.notify_one();
    }
}

/// Starts `user` for each arrival when it is due, and never waits for one to end, unless more are
/// in flight than the bound allows. `go_on` is asked before each with how late it is; `false` ends
/// the load there. Returns how many were started.
pub(crate) async fn pace<T, User>(
    origin: Instant,
    arrivals: impl Iterator<Item = (Duration, T)>,
    in_flight: &Rc<InFlight>,
    mut go_on: impl FnMut(Duration) -> bool,
    mut user: impl FnMut(Instant, T) -> User,
) -> io::Result<u64>
where
    User: Future<Output = ()> + 'static,
{
    let timer = PreciseTimer::new()?;
    let mut started = 0;
    let mut now = Instant::now();
    for (at, what) in arrivals {
        let planned = origin + at;
        if planned > now {
            timer.wait_until(planned).await?;
            now = Instant::now();
        } else if started % 64 == 0 {
            // Far behind: let the answers in, too.
            tokio::task::yield_now().await;
            now = Instant::now();
        }
        if !go_on(now.saturating_duration_since(planned)) {
            break;
        }
        in_flight.spawn(user(planned, what)).await;
        started += 1;
    }
    Ok(started)
}
