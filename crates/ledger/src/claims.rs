//! The port of those who dispatch payments: which payments are whose, where several nodes dispatch
//! over one ledger.

use std::time::{Duration, Instant};

use crate::engine::{Answer, DueQuery};
use crate::id::ProcessorName;
use crate::payment::Payment;

/// The claims of one node.
///
/// # Guarantees
///
/// - A payment is claimed by one node at a time. Nobody else claims it before that node's lease is
///   over, or the node has left.
/// - A lease that was told lasts at least as long as it was told, by the clock of the node that asked.
pub trait Claims: Send + Sync + 'static {
    /// Renews this node's lease. Where it has none, or lost it to somebody who found it over, it
    /// gets another one, under which nothing is claimed yet.
    fn renew(&self, deadline: Instant) -> Answer<'_, ClaimsLease>;

    /// A page of the payments due that this node has claimed, in the order of their places; where
    /// the page has room, the oldest that nobody has claimed are claimed and told with them,
    /// wherever their places are. One that cannot be read is left out. A page that is not full is the
    /// last.
    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>>;

    /// Lets go of the lease and of all that was claimed under it.
    fn leave(&self, deadline: Instant) -> Answer<'_, ()>;

    /// Whether it is this node's turn to ask a processor for its health, which one node does once
    /// in an interval.
    fn health_turn(
        &self,
        processor: ProcessorName,
        interval: Duration,
        deadline: Instant,
    ) -> Answer<'_, HealthTurn>;

    /// Tells the other nodes what the processor said.
    fn report_health(
        &self,
        processor: ProcessorName,
        report: HealthReport,
        deadline: Instant,
    ) -> Answer<'_, ()>;
}

/// How long what a node has claimed stays its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimsLease {
    /// Which of this node's leases it is. Under another one than before nothing is claimed.
    pub number: u64,
    /// Until when; `None` where nobody else dispatches.
    pub until: Option<Instant>,
}

impl ClaimsLease {
    /// The lease of a node that has the ledger to itself.
    pub const ALONE: Self = Self {
        number: 0,
        until: None,
    };

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// Who asks a processor for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTurn {
    /// This node does.
    Ours,
    /// Another one does; what it was told last.
    Theirs(Option<HealthReport>),
}

/// A processor's own word about its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether payments fail.
    pub failing: bool,
    /// The least that a payment takes.
    pub delay_min: Duration,
    /// How long ago another node asked for it; nothing where this node did.
    pub age: Duration,
}
