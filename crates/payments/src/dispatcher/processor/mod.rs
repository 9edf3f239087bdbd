//! One processor as the dispatcher sees it: a circuit breaker, a limit that adapts, a delay.

mod answers;
mod health;

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::PaymentId;

use super::delay::Delay;
use crate::policy::ProcessorPolicy;

/// How long an open breaker waits for its first probe; doubled after each that fails.
const PROBE_WAIT_MIN: Duration = Duration::from_millis(100);
const PROBE_WAIT_MAX: Duration = Duration::from_millis(800);
/// The longest wait where the answers are about the caller or the way, which somebody has to mend.
pub(super) const MISDIRECTED_WAIT_MAX: Duration = Duration::from_secs(30);
/// What the limit starts with, and never falls below.
const LIMIT_MIN: usize = 16;
/// How much of a second's payments may be sent at once.
const BURST: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Processor {
    policy: ProcessorPolicy,
    delay: Delay,
    breaker: Breaker,
    failures_count: u32,
    probe_wait: Duration,
    /// How many requests may be under way.
    limit: usize,
    busy_until: Duration,
    /// When all that was sent would have been sent at the highest rate.
    sent_until: Duration,
    /// How many payments are pinned to it, in every stage.
    pinned_count: usize,
    /// Payments of unknown outcome whose requests may still be under way there, by when their leases
    /// end. Afterwards they count for nothing: they may never end.
    leases: BTreeSet<(Duration, PaymentId)>,
    /// Until when its own report that it fails is taken for true.
    failing_until: Duration,
    misdirected_count: u32,
    /// Whether it has recorded anything since its breaker was last opened, or since it has long taken
    /// nothing.
    is_working: bool,
    /// How often it took nothing since it last recorded something, and since when.
    denials_count: u32,
    denied_since: Duration,
    /// When its breaker last closed, it recorded something after it had long taken nothing, or its
    /// report was good while it was open; whether that is news.
    recovered_at: Option<Duration>,
    has_recovered: bool,
    /// Since when it has been unable to take payments.
    broken_since: Option<Duration>,
    /// When the health report under way was asked for.
    health_asked_at: Option<Duration>,
    health_due_at: Duration,
    counted: Counted,
}

/// What a processor has settled, in number and in minor units, and how many payments it refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) settled_count: u64,
    pub(super) settled_amount: u128,
    pub(super) refusals_count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    Closed,
    Open {
        probe_at: Duration,
        /// It was opened by silence, and nothing was heard since: a question finds out.
        is_silent: bool,
    },
    Probing,
}

/// Whether a processor takes a payment now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It does.
    Free,
    /// One, to find out.
    Probe,
    /// None before a question was answered.
    Ask,
    /// It works, and has enough to do.
    Saturated,
    /// It fails, is too slow, or nobody knows what became of too many.
    Broken,
}

impl Processor {
    pub(super) fn new(policy: ProcessorPolicy) -> Self {
        Self {
            limit: LIMIT_MIN.min(policy.concurrency_max),
            policy,
            delay: Delay::default(),
            breaker: Breaker::Closed,
            failures_count: 0,
            probe_wait: PROBE_WAIT_MIN,
            busy_until: Duration::ZERO,
            sent_until: Duration::ZERO,
            pinned_count: 0,
            leases: BTreeSet::new(),
            failing_until: Duration::ZERO,
            misdirected_count: 0,
            is_working: false,
            denials_count: 0,
            denied_since: Duration::ZERO,
            recovered_at: None,
            has_recovered: false,
            broken_since: None,
            health_asked_at: None,
            health_due_at: Duration::ZERO,
            counted: Counted::default(),
        }
    }

    /// The same as [`Self::room`]; keeps since when it has been unable to take payments.
    pub(super) fn look_for_room(&mut self, now: Duration, delay_max: Duration) -> Room {
        let room = self.room(now, delay_max);
        match room {
            Room::Broken => self.broken_since = self.broken_since.or(Some(now)),
            Room::Probe | Room::Ask => {}
            Room::Free | Room::Saturated => self.broken_since = None,
        }
        room
    }

    /// Whether a payment that is free to go elsewhere may be sent to it.
    pub(super) fn room(&self, now: Duration, delay_max: Duration) -> Room {
        let is_idle = self.under_way_count() == 0;
        let is_slow = self.delay.expected(now) > delay_max;
        match self.breaker {
            Breaker::Open { probe_at, .. } if now < probe_at => Room::Broken,
            Breaker::Open {
                is_silent: true, ..
            } => Room::Ask,
            _ if is_slow && !(is_idle && self.delay.is_stale(now)) => Room::Broken,
            Breaker::Open { .. } => Room::Probe,
            Breaker::Probing => Room::Broken,
            Breaker::Closed if self.leases.len() >= self.policy.concurrency_max => Room::Broken,
            Breaker::Closed if is_slow => Room::Probe,
            Breaker::Closed if self.is_full(now) => Room::Saturated,
            Breaker::Closed => Room::Free,
        }
    }

    /// Whether a payment that is bound to it may be sent to it again. It finds out whether the
    /// processor is back only where no other does: it may be what the processor never takes.
    pub(super) fn has_room_again(&self, now: Duration, is_probed_by_others: bool) -> bool {
        match self.breaker {
            Breaker::Open {
                probe_at,
                is_silent,
            } => now >= probe_at && !is_silent && !is_probed_by_others,
            Breaker::Probing => false,
            Breaker::Closed => !self.is_full(now),
        }
    }

    /// A payment is bound to it.
    pub(super) const fn pin(&mut self) {
        self.pinned_count += 1;
    }

    /// A payment is bound to it no more.
    pub(super) fn unpin(&mut self, lease_until: Duration, id: PaymentId) {
        self.pinned_count -= 1;
        self.lease_counts_no_more(lease_until, id);
    }

    /// The request of a payment of unknown outcome may be under way there until its lease ends.
    pub(super) fn lease_counts(&mut self, lease_until: Duration, id: PaymentId) {
        self.leases.insert((lease_until, id));
    }

    /// The outcome is known, or another request is under way.
    pub(super) fn lease_counts_no_more(&mut self, lease_until: Duration, id: PaymentId) {
        self.leases.remove(&(lease_until, id));
    }

    /// Requests that may be under way no more count no more.
    pub(super) fn end_leases(&mut self, now: Duration) {
        while self.leases.first().is_some_and(|(until, _)| *until <= now) {
            self.leases.pop_first();
        }
    }

    /// Whether it says of itself that it fails.
    pub(super) fn says_failing(&self, now: Duration) -> bool {
        now < self.failing_until
    }

    fn is_full(&self, now: Duration) -> bool {
        now < self.no_room_until() || self.under_way_count() >= self.limit
    }

    /// It said so, or its rate does.
    fn no_room_until(&self) -> Duration {
        self.busy_until.max(self.sent_until.saturating_sub(BURST))
    }

    pub(super) fn under_way_count(&self) -> usize {
        self.delay.under_way_count()
    }

    /// A request is to leave once the ledger has it: the only one if the breaker is open.
    pub(super) fn start(&mut self, id: PaymentId, now: Duration) {
        if let Breaker::Open { .. } = self.breaker {
            self.breaker = Breaker::Probing;
        }
        self.delay.start(now, id);
        if let Some(rate) = self.policy.rate_max {
            let each = Duration::from_secs(1) / rate.get();
            self.sent_until = self.sent_until.max(now) + each;
        }
    }

    /// A request never left, or nobody waits for its answer any more.
    pub(super) fn cancel(&mut self, id: PaymentId, sent_at: Duration, now: Duration) {
        self.delay.cancel(sent_at, id);
        if self.breaker == Breaker::Probing {
            self.open(now, false);
        }
    }

    fn open(&mut self, now: Duration, is_silent: bool) {
        let probe_at = now + self.probe_wait;
        self.probe_wait = (self.probe_wait * 2).min(PROBE_WAIT_MAX);
        self.breaker = Breaker::Open {
            probe_at,
            is_silent,
        };
        self.limit = LIMIT_MIN.min(self.policy.concurrency_max);
        self.is_working = false;
    }

    fn close(&mut self, now: Duration) {
        if self.breaker != Breaker::Closed {
            self.recover(now);
        }
        self.breaker = Breaker::Closed;
        self.failures_count = 0;
        self.misdirected_count = 0;
        self.probe_wait = PROBE_WAIT_MIN;
    }

    fn recover(&mut self, now: Duration) {
        self.recovered_at = Some(now);
        self.has_recovered = true;
    }

    /// A question goes out that finds out whether it is back: the next one does not wait for its
    /// answer.
    pub(super) fn probe(&mut self, now: Duration) {
        self.open(now, true);
    }

    /// It has answered a question: whatever silence there was is over.
    pub(super) fn is_heard(&mut self, now: Duration) {
        if let Breaker::Open {
            is_silent: true, ..
        } = self.breaker
        {
            self.breaker = Breaker::Open {
                probe_at: now,
                is_silent: false,
            };
        }
    }

    /// When a breaker that is open lets the next one through.
    pub(super) const fn probe_at(&self) -> Option<Duration> {
        match self.breaker {
            Breaker::Open { probe_at, .. } => Some(probe_at),
            _ => None,
        }
    }

    /// When a processor that had no room is tried again.
    pub(super) fn busy_until(&self, now: Duration) -> Option<Duration> {
        Some(self.no_room_until()).filter(|until| *until > now)
    }

    pub(super) const fn breaker_name(&self) -> &'static str {
        match self.breaker {
            Breaker::Closed => "closed",
            Breaker::Open { .. } => "open",
            Breaker::Probing => "probing",
        }
    }

    pub(super) const fn policy(&self) -> &ProcessorPolicy {
        &self.policy
    }

    /// Whether it has recorded anything since its breaker was last opened, or since it has long taken
    /// nothing.
    pub(super) const fn is_working(&self) -> bool {
        self.is_working
    }

    /// Since when it has been unable to take payments.
    pub(super) const fn broken_since(&self) -> Option<Duration> {
        self.broken_since
    }

    /// When its breaker last closed, or it recovered in another way.
    pub(super) const fn recovered_at(&self) -> Option<Duration> {
        self.recovered_at
    }

    /// Whether it has recovered since this was last asked.
    pub(super) const fn take_recovery(&mut self) -> bool {
        std::mem::replace(&mut self.has_recovered, false)
    }

    /// What the next request is expected to take.
    pub(super) fn delay_expected(&self, now: Duration) -> Duration {
        self.delay.expected(now)
    }

    /// A request that was begun leaves now.
    pub(super) fn leave(&mut self, started_at: Duration, id: PaymentId, now: Duration) {
        self.delay.leave(started_at, id, now);
    }

    pub(super) const fn counted(&self) -> Counted {
        self.counted
    }

    /// Goes on counting where another left off.
    pub(super) const fn count_on(&mut self, before: Counted) {
        self.counted = before;
    }

    /// A payment was settled there.
    pub(super) fn count_settled(&mut self, amount: u64) {
        self.counted.settled_count += 1;
        self.counted.settled_amount += u128::from(amount);
    }

    /// It refused a payment.
    pub(super) const fn count_refusal(&mut self) {
        self.counted.refusals_count += 1;
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
impl Processor {
    pub(super) const fn policy_mut(&mut self) -> &mut ProcessorPolicy {
        &mut self.policy
    }

    /// As if its health had been asked for then.
    pub(super) const fn pretend_to_poll(&mut self, asked_at: Option<Duration>) {
        self.health_asked_at = asked_at;
    }

    pub(super) const fn pinned_count(&self) -> usize {
        self.pinned_count
    }
}
