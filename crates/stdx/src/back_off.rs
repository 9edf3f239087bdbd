//! Pauses between attempts.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone)]
pub struct BackOff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl BackOff {
    /// Pauses of `first`, twice that, and so on, none longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The pause before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = pause.saturating_mul(2);
        pause
    }

    /// After an attempt that succeeded: the next pause is the first again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again() {
        let ms = Duration::from_millis;
        let mut back_off = BackOff::new(ms(10), ms(50));
        let pauses: Vec<_> = (0..5).map(|_| back_off.pause()).collect();
        assert_eq!(pauses, [ms(10), ms(20), ms(40), ms(50), ms(50)]);
        back_off.reset();
        assert_eq!(back_off.pause(), ms(10));
    }

    #[test]
    fn a_first_pause_longer_than_the_longest_is_cut() {
        let ms = Duration::from_millis;
        assert_eq!(BackOff::new(ms(90), ms(50)).pause(), ms(50));
    }
}
