//! The metrics of payments, renewed once in a while.

use std::time::{Duration, Instant};

use ledger::{ClaimsLease, PaymentStateName};
use metrics::{Counter, Gauge, counter, gauge};

use crate::dispatcher::{Conflict, ConflictKind, Standing};
use crate::policy::Policy;

const INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Meters {
    next_at: Duration,
    waiting: Gauge,
    conflicts: Gauge,
    late: Counter,
    orphans: Gauge,
    refused: Counter,
    lease: Gauge,
    claims_lost: Counter,
    processors: Vec<ProcessorMeters>,
    /// So that an operator is told once.
    orphans_told: usize,
}

struct ProcessorMeters {
    name: String,
    sent: Gauge,
    limit: Gauge,
    unknown: Gauge,
    unknown_age: Gauge,
    settled: Counter,
    settled_amount: Counter,
    cost: Gauge,
    refusals: Counter,
    breaker_closed: Gauge,
    delay: Gauge,
    cost_basis_points: u32,
}

impl Meters {
    pub(super) fn new(policy: &Policy, cost_basis_points: &[u32]) -> Self {
        stdx::describe_metrics!(crate::metrics::METRICS);
        let processors = policy.processors.iter().zip(cost_basis_points);
        Self {
            next_at: Duration::ZERO,
            waiting: gauge!("lastro_payments_waiting"),
            conflicts: gauge!("lastro_payments_conflicts"),
            late: counter!("lastro_payments_recorded_late_total"),
            orphans: gauge!("lastro_payments_orphans"),
            refused: counter!("lastro_payments_refused_total"),
            lease: gauge!("lastro_payments_lease_seconds"),
            claims_lost: counter!("lastro_payments_claims_lost_total"),
            processors: processors
                .map(|(processor, cost)| ProcessorMeters::new(processor.name.as_str(), *cost))
                .collect(),
            orphans_told: 0,
        }
    }

    /// Renews them, where they are old; returns what they were renewed by.
    pub(super) fn renew(
        &mut self,
        at: Duration,
        lease: ClaimsLease,
        standing: impl FnOnce() -> Standing,
    ) -> Option<Standing> {
        if at < self.next_at {
            return None;
        }
        self.next_at = at + INTERVAL;
        let standing = standing();
        if let Some(until) = lease.until {
            let left = until.saturating_duration_since(Instant::now());
            self.lease.set(left.as_secs_f64());
        }
        self.waiting.set(count(standing.waiting_count));
        self.conflicts.set(count(standing.conflicts_count));
        self.late.absolute(standing.late_count);
        self.orphans.set(count(standing.orphans_count));
        self.refused.absolute(standing.refused_count);
        for (meters, standing) in self.processors.iter().zip(&standing.processors) {
            let age = standing
                .unknown_oldest
                .map(|(since, _)| at.saturating_sub(since));
            // 0 where none is unknown.
            let age_s = age.map_or(0.0, |age| age.as_secs_f64());
            meters.sent.set(count(standing.sent_count));
            meters.limit.set(count(standing.limit));
            meters.unknown.set(count(standing.unknown_count));
            meters.unknown_age.set(age_s);
            meters.settled.absolute(standing.settled_count);
            // A counter that is full stays full.
            let amount = standing.settled_amount.min(u128::from(u64::MAX));
            let Ok(amount) = u64::try_from(amount) else {
                unreachable!("it is at most the highest u64");
            };
            meters.settled_amount.absolute(amount);
            let cost = standing.settled_amount * u128::from(meters.cost_basis_points) / 10_000;
            meters.cost.set(minor_units(cost));
            meters.refusals.absolute(standing.refusals_count);
            meters
                .breaker_closed
                .set(count(usize::from(standing.breaker == "closed")));
            meters.delay.set(standing.delay_expected.as_secs_f64());
        }
        self.tell_operators(&standing);
        Some(standing)
    }

    pub(super) fn claims_lost(&self) {
        self.claims_lost.increment(1);
    }

    /// A processor has a payment that cannot be settled there.
    pub(super) fn report(&self, conflict: &Conflict) {
        let id = conflict.id;
        let processor = self.processors.get(conflict.processor.get());
        let processor = processor.map_or("", |processor| processor.name.as_str());
        let state = conflict
            .state
            .map_or("unknown to the ledger", PaymentStateName::as_str);
        let (attempt, requested_at_ms) = (conflict.attempt, conflict.requested_at.0);
        match conflict.kind {
            ConflictKind::Late => tracing::error!(
                payment_id = %id, processor, state, attempt, requested_at_ms,
                code = "payment_conflict",
                "payment {id} is recorded by processor {processor}, but it is {state} here and cannot \
                 be settled there: look at both, and have the processor refund it where it was paid twice"
            ),
            ConflictKind::SettledAmount => tracing::error!(
                payment_id = %id, processor, state, attempt, requested_at_ms,
                code = "payment_conflict",
                "payment {id} is settled here at processor {processor}, which has it with another amount: \
                 compare both, and have the difference corrected"
            ),
            ConflictKind::Amount => tracing::error!(
                payment_id = %id, processor, state, attempt, requested_at_ms,
                code = "payment_conflict",
                "payment {id} is recorded by processor {processor} with another amount: it stays there \
                 until an operator resolves it"
            ),
        }
    }

    fn tell_operators(&mut self, standing: &Standing) {
        if standing.orphans_count > self.orphans_told {
            tracing::error!(
                payments_count = standing.orphans_count,
                "payments were sent to a processor that is not configured any more"
            );
        }
        self.orphans_told = standing.orphans_count;
    }
}

impl ProcessorMeters {
    fn new(name: &str, cost_basis_points: u32) -> Self {
        let label = || [("processor", name.to_owned())];
        Self {
            name: name.to_owned(),
            sent: gauge!("lastro_payments_sent", &label()),
            limit: gauge!("lastro_payments_sent_limit", &label()),
            unknown: gauge!("lastro_payments_unknown", &label()),
            unknown_age: gauge!("lastro_payments_unknown_age_seconds", &label()),
            settled: counter!("lastro_payments_settled_total", &label()),
            settled_amount: counter!("lastro_payments_settled_minor_units_total", &label()),
            cost: gauge!("lastro_payments_cost_minor_units", &label()),
            refusals: counter!("lastro_payments_processor_refusals_total", &label()),
            breaker_closed: gauge!("lastro_payments_breaker_closed", &label()),
            delay: gauge!("lastro_payments_delay_expected_seconds", &label()),
            cost_basis_points,
        }
    }
}

/// A gauge's number. Gauges are for looking at, not for money that moves.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating point, and exact far beyond what is ever under way"
)]
const fn count(number: usize) -> f64 {
    number as f64
}

/// The same of an amount.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating point; the ledger has the exact amount"
)]
const fn minor_units(amount: u128) -> f64 {
    amount as f64
}
