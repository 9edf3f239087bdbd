//! Asking a processor for its health, and what follows from its report.

use std::time::Duration;

use ledger::HealthReport;

use super::{Breaker, Processor};

/// How long after it is due another node's report is looked for, and looked for again.
const REPORT_WAIT: Duration = Duration::from_millis(200);
/// A report is believed until the next one is overdue by this time.
const WORD_GRACE: Duration = Duration::from_secs(1);

impl Processor {
    /// Whether it is to be asked for its health now: then it is being asked.
    pub(in crate::dispatcher) fn poll(&mut self, now: Duration) -> bool {
        let Some(interval) = self.policy.health_interval else {
            return false;
        };
        let is_due = self.health_asked_at.is_none() && now >= self.health_due_at;
        if is_due {
            self.health_asked_at = Some(now);
            self.health_due_at = now + interval;
        }
        is_due
    }

    /// When it is to be asked for its health next.
    pub(in crate::dispatcher) fn next_poll(&self) -> Option<Duration> {
        let is_polled = self.policy.health_interval.is_some() && self.health_asked_at.is_none();
        is_polled.then_some(self.health_due_at)
    }

    /// The processor's own word; `None` when it said nothing. It counts only where its health is asked
    /// for: else nobody knows for how long it holds.
    pub(in crate::dispatcher) fn report(&mut self, report: Option<HealthReport>, now: Duration) {
        let asked_at = self.health_asked_at.take();
        let (Some(report), Some(asked_at), Some(interval)) =
            (report, asked_at, self.policy.health_interval)
        else {
            return;
        };
        let asked_at = asked_at.saturating_sub(report.age);
        if !report.age.is_zero() {
            self.health_due_at = now + interval.saturating_sub(report.age) + REPORT_WAIT;
            // What this node has seen since says more.
            if !self.delay.is_older_than(asked_at) {
                return;
            }
        }
        let overdue_at = asked_at + interval + WORD_GRACE;
        self.delay.report(asked_at, report.delay_min, overdue_at);
        self.failing_until = if report.failing {
            overdue_at
        } else {
            Duration::ZERO
        };
        match (report.failing, self.breaker) {
            (true, Breaker::Closed) => self.open(now, false),
            (false, Breaker::Open { .. }) => {
                self.recover(now);
                self.breaker = Breaker::Open {
                    probe_at: now,
                    is_silent: false,
                };
            }
            (true, Breaker::Open { .. } | Breaker::Probing)
            | (false, Breaker::Closed | Breaker::Probing) => {}
        }
    }
}
