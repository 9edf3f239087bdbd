//! What the dispatcher is told, and what it says is to be done.

use std::time::Duration;

use ledger::{
    Command, Currency, DueQuery, HealthReport, Millis, Outcome, Payment, PaymentId, Unavailable,
};

use super::conflicts::Conflict;
use crate::answer::{AttemptAnswer, Found};
use crate::policy::ProcessorIndex;

/// The time, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// A clock that never steps: since whenever. Leases and waiting are measured with it.
    pub at: Duration,
    /// The time of day that processors are told. It may step; the dispatcher holds it when it
    /// steps back, also behind the ledger's.
    pub wall: Millis,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Time has passed, or the dispatcher begins.
    Tick,
    /// New due payments may exist, after the last page or from another node.
    Accepted,
    /// Somebody else changed this payment: an operator, or a purge. On another node nobody hears of
    /// it: there it is missed when the list has been walked.
    Changed(PaymentId),
    /// A page of the payments due.
    Due(Result<Vec<Payment>, Unavailable>),
    /// What the ledger answered to a command.
    Outcome {
        /// The payment that the command was about.
        id: PaymentId,
        /// The answer.
        result: Result<Box<Outcome>, Unavailable>,
    },
    /// What became of a request.
    Answered {
        /// The request.
        request: SendRequest,
        /// What its answer means.
        answer: AttemptAnswer,
    },
    /// What the processor said about a payment.
    Asked {
        /// The question.
        question: Question,
        /// The answer.
        found: Found,
    },
    /// What the processor said when it was asked whether it is back.
    Probed {
        /// The question.
        question: Question,
        /// The answer.
        found: Found,
    },
    /// A payment as the ledger has it.
    Looked {
        /// Its id.
        id: PaymentId,
        /// `None` where the ledger has no payment of this id.
        payment: Result<Option<Box<Payment>>, Unavailable>,
    },
    /// A processor's health.
    Health {
        /// The processor.
        processor: ProcessorIndex,
        /// `None` when it did not say.
        report: Option<HealthReport>,
    },
    /// A processor says by itself that it has decided something about a payment.
    CalledBack {
        /// The payment.
        id: PaymentId,
        /// The processor.
        processor: ProcessorIndex,
    },
    /// Nothing new is to be begun.
    Stop,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give the ledger a command about this payment.
    Submit {
        /// The payment.
        id: PaymentId,
        /// The command.
        command: Command,
    },
    /// Send a payment to its processor.
    Send(SendRequest),
    /// Ask the processor whether it has the payment.
    Ask(Question),
    /// Ask the processor for a payment that it is not known to have, to find out whether it is back.
    Probe(Question),
    /// Read a payment from the ledger.
    Look(PaymentId),
    /// Report to an operator that a processor has a payment that cannot be settled there any more.
    Report(Conflict),
    /// Ask this processor for its health.
    PollHealth(ProcessorIndex),
    /// Read a page of the payments due.
    ReadDue(DueQuery),
}

/// A question to a processor about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The payment.
    pub id: PaymentId,
    /// Its amount's currency.
    pub currency: Currency,
    /// The processor.
    pub processor: ProcessorIndex,
    /// The question's own: of two about one payment the later has the higher.
    pub number: u64,
}

/// One request to a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendRequest {
    /// The payment.
    pub id: PaymentId,
    /// Which attempt it is.
    pub attempt: u32,
    /// The processor.
    pub processor: ProcessorIndex,
    /// Minor units.
    pub amount: u64,
    /// Of which currency.
    pub currency: Currency,
    /// The time the processor is told.
    pub requested_at: Millis,
    /// Bytes may leave only while the request's timeout ends before this: to be checked right
    /// before the write. After it, the answer is that the lease was over.
    pub lease_until: Duration,
}
