//! The limit of health questions: one in five seconds, two more held until their turn.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One question is answered in each.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);
/// Questions that are held until the next windows.
const HELD: u64 = 2;

/// Windows of time, one after the other since the start.
#[derive(Debug)]
pub(crate) struct Windows {
    start: Instant,
    /// The first window whose question was not taken yet.
    free: Mutex<u64>,
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            free: Mutex::new(0),
        }
    }

    /// Takes the question of the first free window and waits for it; `false` at once when too many
    /// wait already. Who leaves meanwhile leaves its window unused.
    pub(crate) async fn enter(&self) -> bool {
        let Some(opens) = self.take() else {
            return false;
        };
        tokio::time::sleep_until(opens).await;
        true
    }

    /// When the window opens whose question this is.
    fn take(&self) -> Option<Instant> {
        let current = self.start.elapsed().as_secs() / WINDOW.as_secs();
        let mut free = self.free.lock();
        let window = (*free).max(current);
        if window - current > HELD {
            return None;
        }
        *free = window + 1;
        Some(self.start + Duration::from_secs(WINDOW.as_secs() * window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_per_window_two_are_held_the_next_refused() {
        let windows = Windows::new();
        let start = Instant::now();
        assert!(windows.enter().await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let opened: Vec<Option<Duration>> = (0..4)
            .map(|_| windows.take().map(|opens| opens - start))
            .collect();
        assert_eq!(opened, [Some(WINDOW), Some(2 * WINDOW), None, None]);
        // A window later one of the two has been answered, and one more may wait.
        tokio::time::advance(WINDOW).await;
        assert_eq!(windows.take().map(|opens| opens - start), Some(3 * WINDOW));
        assert_eq!(windows.take(), None);
        // Unused windows are not saved up.
        tokio::time::advance(WINDOW * 100).await;
        let current = start + WINDOW * 101;
        assert_eq!(windows.take(), Some(current));
        assert_eq!(windows.take(), Some(current + WINDOW));
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        assert!(windows.enter().await);
        assert_eq!(start.elapsed(), WINDOW * 103);
    }
}
