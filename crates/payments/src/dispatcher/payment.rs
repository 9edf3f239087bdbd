//! One payment in the dispatcher's hands.

use std::time::Duration;

use ledger::{
    Command, Currency, DuePlace, Millis, Payment, PaymentExpected, PaymentState, PaymentStateName,
};

use super::queue::Line;
use super::waits::Denial;

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
    /// Which processors it cannot go to.
    pub(super) line: Line,
    /// The processors that did not take it.
    pub(super) denials: Vec<Denial>,
    pub(super) stage: Stage,
    /// The newest walk of the ledger's list that told of it.
    pub(super) walk: u64,
    /// The command given to the ledger and not answered.
    pub(super) pending: Option<Pending>,
    /// Which processors did not say what became of an attempt of it, a bit for each.
    pub(super) held_up_at: u64,
    /// What says that a processor has it, and came while something else was under way: the first that
    /// came.
    pub(super) proof: Option<Proof>,
}

/// A command that the ledger has not answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) command: Command,
    /// How often it was given without an answer.
    pub(super) tries: u32,
    /// Whether a try before may have been carried out.
    pub(super) may_be_done: bool,
}

/// A processor's word that it has recorded an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    /// The processor's place in the policy.
    pub(super) processor: usize,
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
    /// The processor's place in the policy.
    pub(super) processor: usize,
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
    /// Since when it is unclear.
    pub(super) unclear_since: Duration,
    /// When the processor was last asked, by which question, and how often.
    pub(super) asked_at: Duration,
    pub(super) question: u64,
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
            line: Line::default(),
            denials: Vec::new(),
            stage,
            walk,
            pending: None,
            held_up_at: 0,
            proof: None,
        }
    }

    /// The processor's word on which the command that the ledger has not answered stands: it settles
    /// the payment, or binds it to the processor that has it.
    pub(super) fn proof_of_command(&self) -> Option<Proof> {
        self.proof_of(&self.pending.as_ref()?.command)
    }

    /// The same for a command that was answered.
    pub(super) fn proof_of(&self, command: &Command) -> Option<Proof> {
        let pin = self.stage.pin()?;
        let (requested_at, is_other_amount) = match (command, &self.stage) {
            (Command::SettlePayment { requested_at, .. }, _) => (*requested_at, false),
            (_, Stage::Binding(pin)) => (pin.requested_at, pin.is_other_amount),
            _ => return None,
        };
        Some(Proof {
            processor: pin.processor,
            requested_at,
            attempt: self.attempt,
            amount: (!is_other_amount).then_some(self.amount),
        })
    }

    /// Keeps a processor's word that it has the payment: the first processor's, where several say so.
    /// Returns the one that is kept.
    pub(super) fn keep_proof(&mut self, proof: Proof) -> Proof {
        let kept = self.proof.get_or_insert(proof);
        if kept.processor == proof.processor {
            kept.confirm(&proof);
        }
        *kept
    }

    /// Whether nothing is under way whose end will show what the payment is now.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending.is_none() && !matches!(self.stage, Stage::Sent(_) | Stage::Asking(_))
    }

    /// Whether the ledger has gone on with the payment since it was last heard of. A page may be
    /// older than what is held.
    pub(super) fn is_behind(&self, payment: &Payment) -> bool {
        // An attempt is sent, and then released.
        let is_released = matches!(self.stage, Stage::Waiting);
        let was_released = payment.state == PaymentState::Accepted;
        (payment.attempt, was_released) > (self.attempt, is_released)
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
            | Self::Binding(pin)
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
            is_denied: false,
            is_unclear: false,
            is_claimed: false,
            is_other_amount: false,
            unclear_since: Duration::ZERO,
            asked_at: Duration::ZERO,
            question: 0,
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
