//! Turns of those who read the feed: however many they are, they do not take the processors from those who write.
//!
//! A reading takes its turn for each piece. While many wait for theirs and commands are given, a turn rests after its
//! piece for [`REST`] times as long as the piece kept a processor busy: all readings together then take about a tenth of
//! one processor, fall behind, and catch up when less is written.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use ledger::Unavailable;
use tokio::sync::Semaphore;

/// How many pieces are made at the same time.
const TURNS: usize = 2;
/// How many readings wait for their turns before these rest.
const CROWD: usize = 8;
/// How many times as long as it worked a turn rests.
const REST: u32 = 10 * TURNS as u32 - 1;

/// The turns of a face.
#[derive(Debug, Clone)]
pub(crate) struct FeedTurns(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    turns: Semaphore,
    waiting: AtomicUsize,
    /// Whether a command was given since a turn looked last.
    is_written: AtomicBool,
}

impl Default for FeedTurns {
    fn default() -> Self {
        Self(Arc::new(Inside {
            turns: Semaphore::new(TURNS),
            waiting: AtomicUsize::new(0),
            is_written: AtomicBool::new(false),
        }))
    }
}

/// Counts a reading among those that wait, as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FeedTurns {
    /// Says that a command is given.
    pub(crate) fn note_write(&self) {
        // Most of the time it was said already: a look is cheaper than a write.
        if !self.0.is_written.load(Ordering::Relaxed) {
            self.0.is_written.store(true, Ordering::Relaxed);
        }
    }

    /// Makes a piece when it is this reading's turn.
    ///
    /// # Errors
    ///
    /// `overloaded` if that is not until the deadline; nothing was done.
    pub(crate) async fn take<T>(
        &self,
        deadline: Instant,
        piece: impl Future<Output = T>,
    ) -> Result<T, Unavailable> {
        let inside = &*self.0;
        let turn = {
            let _waiting = Waiting::new(&inside.waiting);
            let turn = tokio::time::timeout_at(deadline.into(), inside.turns.acquire()).await;
            let turn = turn.map_err(|_| Unavailable::Overloaded)?;
            stdx::invariant!(turn.is_ok(), "the turns of a face are never closed");
            turn
        };
        let mut busy = Duration::ZERO;
        let mut piece = pin!(piece);
        let made = std::future::poll_fn(|context| {
            let begun = Instant::now();
            let polled: Poll<T> = piece.as_mut().poll(context);
            busy += begun.elapsed();
            polled
        })
        .await;
        let is_crowd = inside.waiting.load(Ordering::Relaxed) >= CROWD;
        if is_crowd && inside.is_written.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(busy * REST).await;
        }
        drop(turn);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces that each keep a processor busy for so long, made by so many readings at once; how long that took.
    async fn made(turns: &FeedTurns, readings: usize, writes: bool) -> Duration {
        let begun = tokio::time::Instant::now();
        let deadline = Instant::now() + Duration::from_secs(600);
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..readings {
            let turns = turns.clone();
            all.spawn(async move {
                if writes {
                    turns.note_write();
                }
                let piece = async {
                    std::thread::sleep(Duration::from_millis(2));
                    // Others come meanwhile, and find no turn free.
                    tokio::task::yield_now().await;
                };
                turns.take(deadline, piece).await
            });
        }
        assert!(all.join_all().await.iter().all(Result::is_ok));
        begun.elapsed()
    }

    /// The runtime's clock stands still while pieces are made, and moves over rests.
    #[tokio::test(start_paused = true)]
    async fn many_readings_rest_while_commands_are_given_and_few_never() {
        let turns = FeedTurns::default();
        assert_eq!(made(&turns, CROWD, true).await, Duration::ZERO);
        assert_eq!(made(&turns, 40, false).await, Duration::ZERO);
        let rested = made(&turns, 40, true).await;
        assert!(rested >= Duration::from_millis(2) * REST, "{rested:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_in_time_is_overload_and_one_that_is_given_up_is_free() {
        let turns = FeedTurns::default();
        let soon = || Instant::now() + Duration::from_millis(50);
        let never = || turns.take(soon(), std::future::pending::<()>());
        {
            let (mut one, mut other) = (pin!(never()), pin!(never()));
            let both = futures_util::future::poll_immediate(&mut one).await;
            assert!(both.is_none());
            assert!(
                futures_util::future::poll_immediate(&mut other)
                    .await
                    .is_none()
            );
            let third = turns.take(soon(), async {}).await;
            assert_eq!(third, Err(Unavailable::Overloaded));
        }
        assert_eq!(turns.take(soon(), async {}).await, Ok(()));
        assert_eq!(turns.0.waiting.load(Ordering::Relaxed), 0);
    }
}
