//! What operators are told.

use std::time::Duration;

use ledger::{Payment, PaymentId, PaymentState};

use super::Dispatcher;
use super::payment::{Pin, Stage};
use super::window::Held;

/// How the dispatcher stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Payments held that wait to be sent; the ledger may have more.
    pub waiting_count: usize,
    /// Whether the ledger has payments that are not held.
    pub has_more: bool,
    /// Payments that their processor has with another amount.
    pub conflicts_count: usize,
    /// How often a processor had recorded a payment that could not be settled there any more, or had one
    /// with another amount than that under which it is settled there.
    pub late_count: u64,
    /// Payments that were sent to a processor that is not configured.
    pub orphans_count: usize,
    /// Payments that every processor refused.
    pub refused_count: u64,
    /// Each processor, in the policy's order.
    pub processors: Vec<ProcessorStanding>,
}

/// How a processor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorStanding {
    /// Requests under way.
    pub sent_count: usize,
    /// How many may be under way at once, now.
    pub limit: usize,
    /// Payments of which nobody knows whether they were recorded.
    pub unknown_count: usize,
    /// Since when the oldest of these is unknown, and which it is.
    pub unknown_oldest: Option<(Duration, PaymentId)>,
    /// Payments settled, and their sum in minor units.
    pub settled_count: u64,
    /// See `settled_count`.
    pub settled_amount: u128,
    /// Payments that the processor refused.
    pub refusals_count: u64,
    /// `closed`, `open` or `probing`.
    pub breaker: &'static str,
    /// What the next request is expected to take.
    pub delay_expected: Duration,
}

impl Dispatcher {
    /// How it stands.
    #[must_use]
    pub fn standing(&self, now: Duration) -> Standing {
        let mut processors: Vec<ProcessorStanding> = self
            .processors
            .iter()
            .map(|processor| ProcessorStanding {
                sent_count: processor.under_way_count(),
                limit: processor.limit(),
                unknown_count: 0,
                unknown_oldest: None,
                settled_count: processor.counted().settled_count,
                settled_amount: processor.counted().settled_amount,
                refusals_count: processor.counted().refusals_count,
                breaker: processor.breaker_name(),
                delay_expected: processor.delay_expected(now),
            })
            .collect();
        let all = self.window.all();
        for (id, pin) in all.filter_map(|(id, held)| Some((id, unknown(held)?))) {
            let standing = &mut processors[pin.processor.get()];
            standing.unknown_count += 1;
            let this = (pin.unclear_since, id);
            let oldest = standing
                .unknown_oldest
                .map_or(this, |other| other.min(this));
            standing.unknown_oldest = Some(oldest);
        }
        Standing {
            waiting_count: self.window.waiting_count(),
            has_more: self.window.has_more(),
            conflicts_count: self.window.conflicts_count(),
            late_count: self.conflicts.late_count(),
            orphans_count: self.window.orphans_count(),
            refused_count: self.refused_count,
            processors,
        }
    }

    /// Counts what ended.
    pub(super) fn count(&mut self, payment: &Payment, was_settlement: bool, was_refusal: bool) {
        match &payment.state {
            PaymentState::Settled { processor, .. } if was_settlement => {
                if let Some(processor) = self.processors.named(processor) {
                    self.processors[processor].count_settled(payment.amount);
                }
            }
            PaymentState::Refused { .. } if was_refusal => self.refused_count += 1,
            PaymentState::Accepted
            | PaymentState::Sent { .. }
            | PaymentState::Settled { .. }
            | PaymentState::Refused { .. } => {}
        }
    }
}

fn unknown(held: &Held) -> Option<&Pin> {
    // What its processor has and has not decided is known.
    let pin = held.stage().pin();
    let pin = pin.filter(|pin| pin.is_unclear && !pin.is_pending)?;
    (!matches!(held.stage(), Stage::Ending(_))).then_some(pin)
}
