//! How long a processor is expected to take, from its newest evidence.
//!
//! Evidence is as old as the request it comes from: an answer that took two seconds tells of the
//! processor two seconds ago, and does not overrule a faster one that was asked for later.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::PaymentId;

/// So long after a processor's own word it is taken for true; then one request may find out.
const REPORT_HOLDS: Duration = Duration::from_secs(5);
/// Likewise after an answer, which tells of one request alone.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Delay {
    estimate: Duration,
    evidence_at: Duration,
    holds_until: Duration,
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

    /// A request is over, answered or not.
    pub(super) fn end(&mut self, sent_at: Duration, id: PaymentId, now: Duration) {
        self.under_way.remove(&(sent_at, id));
        if sent_at >= self.evidence_at {
            let took = now.saturating_sub(sent_at);
            self.estimate = took.min((self.estimate + took) / 2);
            self.evidence_at = sent_at;
            self.holds_until = now + ANSWER_HOLDS;
        }
    }

    /// Whether what is known is older than what was asked for then.
    pub(super) fn is_older_than(&self, asked_at: Duration) -> bool {
        asked_at >= self.evidence_at
    }

    /// The processor's own word, asked for at `asked_at`.
    pub(super) fn report(&mut self, asked_at: Duration, delay_min: Duration) {
        if self.is_older_than(asked_at) {
            self.estimate = delay_min;
            self.evidence_at = asked_at;
            self.holds_until = asked_at + REPORT_HOLDS;
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
        delay.report(ms(3_000), ms(700));
        delay.report(ms(2_000), ms(1));
        assert_eq!(delay.expected(ms(3_000)), ms(700));
        assert!(!delay.is_stale(ms(7_999)) && delay.is_stale(ms(8_000)));
        delay.start(ms(8_000), id(3));
        delay.end(ms(8_000), id(3), ms(9_500));
        assert_eq!(delay.expected(ms(9_500)), ms(1_100));
        assert!(!delay.is_stale(ms(10_499)) && delay.is_stale(ms(10_500)));
        assert_eq!(delay.under_way_count(), 0);
    }
}
