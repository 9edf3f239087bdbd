//! Where a payment is, and what binds it to a processor.

use std::time::Duration;

use ledger::Millis;

use crate::policy::ProcessorIndex;

/// A processor's word that it has recorded an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) processor: ProcessorIndex,
    pub(super) requested_at: Millis,
    pub(super) attempt: u32,
    /// What it has recorded, in minor units; `None` where that could not be read, or is not the
    /// payment's amount.
    pub(super) amount: Option<u64>,
}

impl Proof {
    /// Whether the processor has recorded another amount than that of the payment.
    pub(super) fn is_other_amount(&self, amount: u64) -> bool {
        self.amount != Some(amount)
    }

    /// The same processor's next word: two amounts that differ are no amount.
    pub(super) fn confirm(&mut self, next: &Self) {
        if self.amount != next.amount {
            self.amount = None;
        }
    }
}

/// Where a payment is. All but the first are pinned to a processor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Accepted, in the queue.
    Waiting,
    /// The ledger was told to record it as sent; no byte leaves before it has.
    Sending(Pin),
    /// A request may be under way.
    Sent(Pin),
    /// Nobody knows whether it was recorded; the next question is in the timetable.
    Unknown(Pin),
    /// The processor is being asked.
    Asking(Pin),
    /// It is known to be recorded, and the ledger is told that it is there before it is settled: no
    /// byte leaves.
    Binding(Pin),
    /// The ledger was told how it ends, or that it goes back to the queue.
    Ending(Pin),
    /// Its processor has it with another amount: for an operator.
    Conflict(Pin),
    /// Sent to a processor that is not configured: for an operator.
    Orphan,
}

/// What binds a payment to a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) processor: ProcessorIndex,
    /// The time the processor is told, the same in every request while the pin lasts.
    pub(super) requested_at: Millis,
    /// When the request under way was given out.
    pub(super) sent_at: Duration,
    /// Until when bytes of any attempt under this pin may leave.
    pub(super) lease_until: Duration,
    /// Whether the processor answered that its only attempt is not recorded: it is asked by id
    /// before the payment may go elsewhere.
    pub(super) is_denied: bool,
    /// Whether some attempt under this pin may have been recorded.
    pub(super) is_unclear: bool,
    /// Whether the processor has said that it has it: absence is no proof then.
    pub(super) is_claimed: bool,
    /// Whether it has said so with another amount.
    pub(super) is_other_amount: bool,
    /// Whether it has said last that it has not decided yet.
    pub(super) is_pending: bool,
    /// Since when it is unclear.
    pub(super) unclear_since: Duration,
    /// When the processor was last asked, by which question, and how often.
    pub(super) asked_at: Duration,
    pub(super) question: u64,
    pub(super) asks_count: u32,
    /// How often it was sent again under this pin.
    pub(super) resends_count: u32,
}

impl Stage {
    pub(super) const fn pin(&self) -> Option<&Pin> {
        match self {
            Self::Waiting | Self::Orphan => None,
            Self::Sending(pin)
            | Self::Sent(pin)
            | Self::Unknown(pin)
            | Self::Asking(pin)
            | Self::Binding(pin)
            | Self::Ending(pin)
            | Self::Conflict(pin) => Some(pin),
        }
    }
}

impl Pin {
    /// Binds a payment that is sent for the first time.
    pub(super) const fn fresh(
        processor: ProcessorIndex,
        requested_at: Millis,
        now: Duration,
        lease_until: Duration,
    ) -> Self {
        Self {
            processor,
            requested_at,
            sent_at: now,
            lease_until,
            is_denied: false,
            is_unclear: false,
            is_claimed: false,
            is_other_amount: false,
            is_pending: false,
            unclear_since: Duration::ZERO,
            asked_at: Duration::ZERO,
            question: 0,
            asks_count: 0,
            resends_count: 0,
        }
    }

    /// The pin once the processor has the payment and has not decided: its absence would be no proof any more.
    pub(super) const fn pending(self, now: Duration) -> Self {
        let mut pin = self.unclear(now);
        pin.is_claimed = true;
        pin.is_pending = true;
        pin
    }

    /// The pin once an attempt may have been recorded.
    pub(super) const fn unclear(mut self, now: Duration) -> Self {
        if !self.is_unclear {
            self.is_unclear = true;
            self.unclear_since = now;
        }
        self
    }
}
