//! What the dispatcher is told about its processors, and how it chooses among them.

use std::num::NonZeroU32;
use std::time::Duration;

use ledger::{Currency, ProcessorName};

/// The most processors of a policy.
pub const PROCESSORS_MAX: usize = 64;

/// How payments are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The processors in order of preference, the cheapest first; at most [`PROCESSORS_MAX`].
    pub processors: Vec<ProcessorPolicy>,
    /// The currency that processors take the amounts for: what they are sent does not name one. No payment in
    /// another currency is accepted, and none that was accepted before is sent.
    pub currency: Currency,
    /// Nothing new is sent to a processor that is expected to take longer.
    pub delay_max: Duration,
    /// How long a backlog waits for a preferred processor that cannot take it, before it goes to
    /// the next. Counted from the payment's acceptance or from the processor's failure, whichever
    /// was earlier: nobody waits for one that has been down for this long.
    pub preferred_wait: Duration,
    /// A payment that has waited so long goes to the first processor that works, however slow.
    pub deadline: Duration,
    /// How many accepted payments are held in memory; the ledger keeps the others.
    pub window: usize,
    /// How often the ledger's list is walked from its beginning.
    pub rescan_interval: Duration,
}

/// What the configuration states about one processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorPolicy {
    /// Its name: the label in summaries, and part of its accounts' ids.
    pub name: ProcessorName,
    /// How many payments may be on their way to it or unresolved there at once.
    pub concurrency_max: usize,
    /// How many payments may be sent to it in a second; `None` where it has no such limit.
    pub rate_max: Option<NonZeroU32>,
    /// How long bytes may leave after a payment was decided to be sent: at least the request's
    /// timeout.
    pub lease: Duration,
    /// The processor records a request within this time after its last byte left, or never.
    /// `None` where nothing is promised: only an answer, or an operator, ends an unknown attempt.
    pub recorded_within: Option<Duration>,
    /// How often it is asked for its health; `None` where it has no such report.
    pub health_interval: Option<Duration>,
}

/// A processor's index in [`Policy::processors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessorIndex(usize);

impl ProcessorIndex {
    /// The lowest and the highest there can be.
    pub(crate) const MIN: Self = Self(0);
    pub(crate) const MAX: Self = Self(usize::MAX);

    /// The processor at this place of the policy's list.
    #[must_use]
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// The place in the policy's list.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}
