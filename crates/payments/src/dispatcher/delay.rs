//! How long a processor is expected to take, from its newest evidence.
//!
//! Evidence is as old as the request it comes from: an answer that took two seconds tells of the
//! processor two seconds ago, and does not overrule a faster one that was asked for later.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::PaymentId;

/// So long after an answer, which tells of one request alone, it is taken for true; then one
/// request may find out.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Delay {
    estimate: Duration,
    evidence_at: Duration,
    holds_until: Duration,
    /// What the processor said last, and how long that holds.
    word: Duration,
    word_until: Duration,
    /// The requests under way, oldest first.
    under_way: BTreeSet<(Duration, PaymentId)>,
}

impl Delay {
    pub(super) fn start(&mut self, sent_at: Duration, id: PaymentId) {
        self.under_way.insert((sent_at, id));
    }

    /// A request leaves now.
    pub(super) fn leave(&mut self, started_at: Duration, id: PaymentId, now: Duration) {
        self.under_way.remove(&(started_at, id));
        self.under_way.insert((now, id));
    }

    /// A request never left, or nobody waits for its answer any more: it says nothing of the speed.
    pub(super) fn cancel(&mut self, sent_at: Duration, id: PaymentId) {
        self.under_way.remove(&(sent_at, id));
    }

    /// A request is over, answered or not.
    pub(super) fn end(&mut self, sent_at: Duration, id: PaymentId, now: Duration) {
        self.under_way.remove(&(sent_at, id));
        if sent_at >= self.evidence_at {
            let took = now.saturating_sub(sent_at);
            self.estimate = took.min((self.estimate + took) / 2);
            self.evidence_at = sent_at;
            self.holds_until = now + ANSWER_HOLDS;
            if took / 2 <= self.word {
                // No slower than it said: its word stands.
                self.holds_until = self.holds_until.max(self.word_until);
            }
        }
    }

    /// Whether what is known is older than what was asked for then.
    pub(super) fn is_older_than(&self, asked_at: Duration) -> bool {
        asked_at >= self.evidence_at
    }

    /// The processor's own word, asked for at `asked_at`: taken for true until `holds_until`, when
    /// one request may find out.
    pub(super) fn report(
        &mut self,
        asked_at: Duration,
        delay_min: Duration,
        holds_until: Duration,
    ) {
        if self.is_older_than(asked_at) {
            self.estimate = delay_min;
            self.evidence_at = asked_at;
            self.holds_until = holds_until;
            (self.word, self.word_until) = (delay_min, holds_until);
        }
    }

    /// What the next request will take. Those under way that left since the newest evidence have
    /// taken that long already.
    pub(super) fn expected(&self, now: Duration) -> Duration {
        let unanswered = self
            .under_way
            .iter()
            .find(|(at, _)| *at >= self.evidence_at);
        let age = unanswered.map_or(Duration::ZERO, |(at, _)| now.saturating_sub(*at));
        self.estimate.max(age)
    }

    /// Whether nobody knows any more.
    pub(super) fn is_stale(&self, now: Duration) -> bool {
        now >= self.holds_until
    }

    pub(super) fn under_way_count(&self) -> usize {
        self.under_way.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn newer_evidence_overrules_older() {
        let mut delay = Delay::default();
        let id = PaymentId::from_u128;
        delay.start(ms(0), id(1));
        delay.start(ms(1_000), id(2));
        assert_eq!(delay.expected(ms(1_500)), ms(1_500));
        delay.end(ms(1_000), id(2), ms(1_020));
        // The one that left before the newest evidence no longer counts.
        assert_eq!(delay.expected(ms(1_500)), ms(10));
        delay.end(ms(0), id(1), ms(2_000));
        assert_eq!(delay.expected(ms(2_000)), ms(10));
        delay.report(ms(3_000), ms(700), ms(8_000));
        delay.report(ms(2_000), ms(1), ms(7_000));
        assert_eq!(delay.expected(ms(3_000)), ms(700));
        assert!(!delay.is_stale(ms(7_999)) && delay.is_stale(ms(8_000)));
        delay.start(ms(8_000), id(3));
        delay.end(ms(8_000), id(3), ms(9_500));
        assert_eq!(delay.expected(ms(9_500)), ms(1_100));
        assert!(!delay.is_stale(ms(10_499)) && delay.is_stale(ms(10_500)));
        assert_eq!(delay.under_way_count(), 0);
    }

    #[test]
    fn an_answer_as_slow_as_was_said_does_not_shorten_the_word() {
        let mut delay = Delay::default();
        let id = PaymentId::from_u128;
        delay.report(ms(0), ms(1_500), ms(6_000));
        delay.start(ms(10), id(1));
        delay.end(ms(10), id(1), ms(1_520));
        assert!(!delay.is_stale(ms(5_999)) && delay.is_stale(ms(6_000)));
        // A request slower than reported says something about itself only.
        delay.report(ms(6_100), ms(0), ms(12_100));
        delay.start(ms(6_200), id(2));
        delay.end(ms(6_200), id(2), ms(8_200));
        assert!(!delay.is_stale(ms(9_199)) && delay.is_stale(ms(9_200)));
    }
}
