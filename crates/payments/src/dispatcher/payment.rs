//! One payment in the dispatcher's hands.

use std::time::Duration;

use ledger::{Command, Currency, DuePlace, Millis, Payment, PaymentExpected, PaymentStateName};

/// What is held of a payment that is due.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) place: DuePlace,
    pub(super) amount: u64,
    pub(super) currency: Currency,
    /// How often it was sent, as the ledger has it.
    pub(super) attempt: u32,
    /// When it came into these hands: its waiting counts from here.
    pub(super) since: Duration,
    /// Which processors refused it, a bit for each.
    pub(super) refused_by: u64,
    pub(super) stage: Stage,
    /// The newest walk of the ledger's list that told of it.
    pub(super) walk: u64,
    /// The command given to the ledger and not answered, and how often it was.
    pub(super) pending: Option<(Command, u32)>,
}

/// Where a payment is. All but the first are pinned to a processor.
#[derive(Debug)]
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
    /// The processor's place in the policy.
    pub(super) processor: usize,
    /// The time the processor is told, the same in every request while the pin lasts.
    pub(super) requested_at: Millis,
    /// When the request under way was given out.
    pub(super) sent_at: Duration,
    /// Until when bytes of any attempt under this pin may leave.
    pub(super) lease_until: Duration,
    /// Whether some attempt under this pin may have been recorded.
    pub(super) is_unclear: bool,
    /// Whether the processor has said that it has it: absence is no proof then.
    pub(super) is_claimed: bool,
    /// Since when it is unclear.
    pub(super) unclear_since: Duration,
    /// When the processor was last asked, and how often.
    pub(super) asked_at: Duration,
    pub(super) asks_count: u32,
    /// How often it was sent again under this pin.
    pub(super) resends_count: u32,
}

impl Held {
    pub(super) fn new(payment: &Payment, since: Duration, stage: Stage, walk: u64) -> Self {
        Self {
            place: payment.place(),
            amount: payment.amount,
            currency: payment.currency,
            attempt: payment.attempt,
            since,
            refused_by: 0,
            stage,
            walk,
            pending: None,
        }
    }

    /// Whether nothing is under way whose end will show what the payment is now.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending.is_none() && !matches!(self.stage, Stage::Sent(_) | Stage::Asking(_))
    }

    /// What a command expects of the payment now.
    pub(super) const fn expected(&self, state: PaymentStateName) -> PaymentExpected {
        PaymentExpected {
            state,
            attempt: self.attempt,
        }
    }
}

impl Stage {
    pub(super) const fn pin(&self) -> Option<&Pin> {
        match self {
            Self::Waiting | Self::Orphan => None,
            Self::Sending(pin)
            | Self::Sent(pin)
            | Self::Unknown(pin)
            | Self::Asking(pin)
            | Self::Ending(pin)
            | Self::Conflict(pin) => Some(pin),
        }
    }
}

impl Pin {
    /// Binds a payment that is sent for the first time.
    pub(super) const fn fresh(
        processor: usize,
        requested_at: Millis,
        now: Duration,
        lease_until: Duration,
    ) -> Self {
        Self {
            processor,
            requested_at,
            sent_at: now,
            lease_until,
            is_unclear: false,
            is_claimed: false,
            unclear_since: Duration::ZERO,
            asked_at: Duration::ZERO,
            asks_count: 0,
            resends_count: 0,
        }
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
