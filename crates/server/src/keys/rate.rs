//! How much a key may do in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// A bound on how many things are done in a second, of which a second's worth may come at once.
///
/// What is kept is the time at which all that was done would be over if it were done one after the
/// other, evenly: one number, and no lock.
#[derive(Debug)]
pub(super) struct Rate {
    per_s: u32,
    done_at_ns: AtomicU64,
}

impl Rate {
    pub(super) const fn new(per_s: u32) -> Self {
        Self {
            per_s,
            done_at_ns: AtomicU64::new(0),
        }
    }

    pub(super) const fn per_s(&self) -> u32 {
        self.per_s
    }

    /// Takes so many at a time of a clock that only runs forward; or says after how long to ask again.
    /// More at once than a second's worth are taken where nothing was taken for a second, and
    /// what follows waits accordingly longer.
    pub(super) fn take(&self, count: u64, now_ns: u64) -> Result<(), Duration> {
        let per_s = u64::from(self.per_s).max(1);
        let cost_ns = count.saturating_mul(SECOND_NS) / per_s;
        let mut done_at_ns = self.done_at_ns.load(Ordering::Relaxed);
        loop {
            let begins_ns = done_at_ns.max(now_ns);
            let after_ns = begins_ns.saturating_add(cost_ns);
            let bound_ns = now_ns.saturating_add(SECOND_NS);
            if after_ns > bound_ns && begins_ns > now_ns {
                let wait_ns = (after_ns - bound_ns).min(begins_ns - now_ns);
                return Err(Duration::from_nanos(wait_ns));
            }
            match self.done_at_ns.compare_exchange_weak(
                done_at_ns,
                after_ns,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(found) => done_at_ns = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 77 * SECOND_NS;

    #[test]
    fn a_seconds_worth_comes_at_once_and_the_rest_evenly() {
        let rate = Rate::new(10);
        for _ in 0..10 {
            assert_eq!(rate.take(1, START_NS), Ok(()));
        }
        assert_eq!(rate.take(1, START_NS), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(1, START_NS + SECOND_NS / 10), Ok(()));
        let wait = rate.take(5, START_NS + SECOND_NS / 10).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(rate.take(5, START_NS + 6 * SECOND_NS / 10), Ok(()));
    }

    #[test]
    fn more_than_a_seconds_worth_is_paid_for_afterwards() {
        let rate = Rate::new(1_000);
        assert_eq!(rate.take(8_000, START_NS), Ok(()));
        let wait = rate.take(1, START_NS).unwrap_err();
        assert!(wait >= Duration::from_secs(7), "{wait:?}");
        assert_eq!(rate.take(1, START_NS + 8 * SECOND_NS), Ok(()));
        // As much again only when nothing is owed.
        let wait = rate.take(8_000, START_NS + 8 * SECOND_NS).unwrap_err();
        assert!(
            !wait.is_zero() && wait <= Duration::from_millis(1),
            "{wait:?}"
        );
    }

    /// Whatever the threads do, no more is taken than the bound allows.
    #[test]
    fn threads_together_take_no_more() {
        let rate = Rate::new(100);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1_000)
                            .filter(|_| rate.take(1, START_NS).is_ok())
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(taken, 100);
    }
}
