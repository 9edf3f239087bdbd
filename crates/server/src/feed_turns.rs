//! Turns of those who follow the feed: however many they are, they do not take the processors from those who write.
//!
//! A stream takes its turn for each piece. While there are many streams and commands are given, a turn rests after its
//! piece for [`REST`] times as long as the piece kept a processor busy: all streams together then take about a tenth of
//! one processor, fall behind, and catch up when less is written.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How many pieces are made at the same time.
const TURNS: usize = 2;
/// From how many streams on turns rest.
const CROWD: usize = 8;
/// How many times as long as it worked a turn rests.
const REST: u32 = 10 * TURNS as u32 - 1;

/// No turn rests for longer: a process that stood still was not busy.
const REST_MAX: Duration = Duration::from_secs(1);

/// The turns of a face.
#[derive(Debug, Clone)]
pub(crate) struct FeedTurns(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    turns: Semaphore,
    /// Whether a command was given since a turn looked last.
    is_written: AtomicBool,
}

impl Default for FeedTurns {
    fn default() -> Self {
        Self(Arc::new(Inside {
            turns: Semaphore::new(TURNS),
            is_written: AtomicBool::new(false),
        }))
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

    /// Makes a piece when it is this stream's turn, as one of so many. Turns come in the order in which they are waited
    /// for.
    pub(crate) async fn take<T>(&self, streams_count: usize, piece: impl Future<Output = T>) -> T {
        let inside = &*self.0;
        let turn = inside.turns.acquire().await;
        stdx::invariant!(turn.is_ok(), "the turns of a face are never closed");
        let mut busy = Duration::ZERO;
        let mut piece = pin!(piece);
        let made = std::future::poll_fn(|context| {
            let begun = Instant::now();
            let polled: Poll<T> = piece.as_mut().poll(context);
            busy += begun.elapsed();
            polled
        })
        .await;
        if streams_count >= CROWD && inside.is_written.swap(false, Ordering::Relaxed) {
            tokio::time::sleep((busy * REST).min(REST_MAX)).await;
        }
        drop(turn);
        made
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_immediate;

    use super::*;

    /// Pieces that each keep a processor busy for 2 ms, made by so many streams at once; how long they rested together,
    /// by the runtime's clock, which stands still while they are made.
    async fn rested(streams_count: usize, is_written: bool) -> Duration {
        let (turns, begun) = (FeedTurns::default(), tokio::time::Instant::now());
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..streams_count {
            let turns = turns.clone();
            all.spawn(async move {
                let piece = async { std::thread::sleep(Duration::from_millis(2)) };
                if is_written {
                    turns.note_write();
                }
                turns.take(streams_count, piece).await;
            });
        }
        all.join_all().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn many_streams_rest_while_commands_are_given_and_few_never() {
        assert_eq!(rested(CROWD - 1, true).await, Duration::ZERO);
        assert_eq!(rested(40, false).await, Duration::ZERO);
        // A command was given between any two pieces at first: the first of each turn rests.
        let rest = rested(40, true).await;
        assert!(rest >= Duration::from_millis(2) * REST, "{rest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_gives_its_turn_up_leaves_it_to_others() {
        let turns = FeedTurns::default();
        {
            let never = || turns.take(1, std::future::pending::<()>());
            let (mut one, mut other) = (pin!(never()), pin!(never()));
            let mut third = pin!(turns.take(1, async {}));
            assert_eq!(poll_immediate(&mut one).await, None);
            assert_eq!(poll_immediate(&mut other).await, None);
            assert_eq!(poll_immediate(&mut third).await, None, "both are taken");
        }
        turns.take(1, async {}).await;
    }
}
