//! The dispatcher: a state machine that is told what happened and says what to do.
//!
//! It does no I/O and reads no clock. Whoever drives it carries out each [`Effect`] and reports
//! with an [`Input`]; each effect is reported once, in any order. All it must not forget is in the
//! ledger: a new dispatcher begins with the payments that are due there.
//!
//! - No request leaves before the ledger has `sent(processor, attempt, requested_at)`.
//! - From then on the payment is pinned: nothing but "recorded", "not recorded" of an only attempt,
//!   or proven absence ends that.
//! - A processor's "recorded" is proof whenever it comes: where it cannot be settled any more, it is
//!   a conflict.
//! - Whether a processor is used never depends on a payment that may never end.
//! - A payment that a processor does not take waits for itself before it goes there again.
//! - Memory holds a window of the payments that wait, another of those that some processor refused,
//!   and those that are pinned: of these a processor gets no new ones while as many as its
//!   concurrency may still be under way there, and one at a time while its breaker is open.

mod adopt;
mod answers;
mod commands;
mod conflicts;
mod delay;
mod late;
mod payment;
mod processor;
mod queue;
mod route;
mod standing;
mod unsettled;
mod waits;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use ledger::{
    Command, Currency, DuePlace, DueQuery, HealthReport, Millis, Outcome, Payment, PaymentId,
    Unavailable,
};

use crate::answer::{Answer, Found};
use crate::policy::Policy;
use payment::{Held, Proof, Stage};
use processor::Processor;
use queue::Queue;

use conflicts::Conflicts;
pub use conflicts::{Conflict, ConflictKind};
pub use standing::{ProcessorStanding, Standing};
pub use unsettled::Seen;

/// The dispatcher looks at itself this often while it holds anything.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How much later than its lease's end a request without a report counts as unknown.
const REPORT_GRACE: Duration = Duration::from_secs(1);

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
    /// There may be something new to be had, behind the last page or from another node.
    Accepted,
    /// Somebody else changed this payment: an operator, or a purge. On another node nobody hears of
    /// it: there it is missed when the list has been walked.
    Changed(PaymentId),
    /// A page of the payments due.
    Due(Result<Vec<Payment>, Unavailable>),
    /// What the ledger answered to a command.
    Outcome(PaymentId, Result<Box<Outcome>, Unavailable>),
    /// What became of a request.
    Answered(SendRequest, Answer),
    /// What the processor said about a payment.
    Asked(Question, Found),
    /// What the processor said when it was asked whether it is back.
    Probed(Question, Found),
    /// A payment as the ledger has it; `None` where it has none of this id.
    Looked(PaymentId, Result<Option<Box<Payment>>, Unavailable>),
    /// A processor's health; `None` when it did not say.
    Health(usize, Option<HealthReport>),
    /// Nothing new is to be begun.
    Stop,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give the ledger a command about this payment.
    Submit(PaymentId, Command),
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
    /// Ask the processor at this place for its health.
    PollHealth(usize),
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
    /// The processor's place in the policy.
    pub processor: usize,
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
    /// The processor's place in the policy.
    pub processor: usize,
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

/// The dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    policy: Policy,
    processors: Vec<Processor>,
    held: HashMap<PaymentId, Held>,
    queue: Queue,
    pages: Pages,
    /// Commands that the ledger could not take, by when to try again.
    retries: BTreeSet<(Duration, PaymentId)>,
    /// Payments that wait before they go to a processor again, by when that ends.
    waits: BTreeSet<(Duration, PaymentId)>,
    /// Requests by when a report is overdue.
    overdue: BTreeSet<(Duration, PaymentId)>,
    /// Processors' words that came for payments that are not held, one of each processor: the ledger
    /// is asked for these.
    late: BTreeMap<(PaymentId, usize), Proof>,
    /// Of these the ones that the ledger could not show, by when to look again.
    looks: BTreeSet<(Duration, PaymentId)>,
    /// What operators were told.
    conflicts: Conflicts,
    questions_count: u64,
    commands_count: usize,
    conflicts_count: usize,
    /// See [`Standing::late_count`].
    late_count: u64,
    orphans_count: usize,
    refused_count: u64,
    /// When the head of the queue stops waiting for a processor it prefers.
    patience_until: Option<Duration>,
    wall: Millis,
    is_stopping: bool,
    #[cfg(test)]
    pub(crate) planted: Option<Planted>,
}

/// A mistake that the simulation has to find.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// "Already recorded" is taken for a failure.
    AlreadyRecordedFails,
    /// A processor that does not have it now is believed never to have it.
    UnpinnedAtOnce,
    /// "Not recorded" is believed, and the payment goes elsewhere without a question.
    DenialBelieved,
    /// `sent` that is answered as a replay is taken for a fresh attempt.
    ReplayTakenForFresh,
    /// A breaker lets nothing through while anything is pinned to its processor.
    ProbesOnlyWhenIdle,
    /// The oldest payment finds out whether a processor is back, whatever is known.
    OldestProbes,
    /// A payment that a processor does not take goes there again at once.
    NoWaitOfItsOwn,
}

/// How far the ledger's list has been read.
#[derive(Debug, Default)]
struct Pages {
    after: Option<DuePlace>,
    /// The size of the page being read.
    reading: Option<usize>,
    /// Nothing is behind the last page.
    is_at_end: bool,
    /// A payment was accepted while a page was being read.
    is_stale: bool,
    /// Payments that ended while a page was being read: it may tell of them.
    ended: HashSet<PaymentId>,
    retry_at: Duration,
    rescan_at: Duration,
    /// How often the list was begun anew, and which of these walks ended last.
    walk: u64,
    walked: Option<u64>,
}

impl Dispatcher {
    /// A dispatcher that knows of no payment yet. Its first input may be a [`Input::Tick`].
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            processors: policy
                .processors
                .iter()
                .cloned()
                .map(Processor::new)
                .collect(),
            policy,
            held: HashMap::new(),
            queue: Queue::default(),
            pages: Pages::default(),
            retries: BTreeSet::new(),
            waits: BTreeSet::new(),
            overdue: BTreeSet::new(),
            late: BTreeMap::new(),
            conflicts: Conflicts::default(),
            looks: BTreeSet::new(),
            questions_count: 0,
            commands_count: 0,
            conflicts_count: 0,
            late_count: 0,
            orphans_count: 0,
            refused_count: 0,
            patience_until: None,
            wall: Millis(0),
            is_stopping: false,
            #[cfg(test)]
            planted: None,
        }
    }

    /// One that knows of no payment, after all claims were lost. What was under way at processors is
    /// lost with them, and so is what was learned from it; what was counted stays, and so does every
    /// processor's word that it has a payment: the ledger is asked for these payments.
    #[must_use]
    pub fn anew(self) -> Self {
        let mut anew = Self::new(self.policy);
        anew.refused_count = self.refused_count;
        anew.late_count = self.late_count;
        anew.conflicts = self.conflicts;
        anew.late = self.late;
        for (id, held) in &self.held {
            for proof in [held.proof, held.proof_of_command()].into_iter().flatten() {
                let late = anew.late.entry((*id, proof.processor));
                late.or_insert(proof).confirm(&proof);
            }
        }
        let late = anew.late.keys();
        anew.looks = late.map(|(id, _)| (Duration::ZERO, *id)).collect();
        anew.wall = self.wall;
        for (processor, before) in anew.processors.iter_mut().zip(&self.processors) {
            processor.settled_count = before.settled_count;
            processor.settled_amount = before.settled_amount;
            processor.refusals_count = before.refusals_count;
        }
        #[cfg(test)]
        {
            anew.planted = self.planted;
        }
        anew
    }

    /// Takes in what happened; what is to be done now is added to `effects`.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        self.wall = self.wall.max(now.wall);
        match input {
            Input::Tick => {}
            Input::Accepted => self.pages.woken(),
            Input::Changed(id) => self.changed(id, now.at),
            Input::Due(page) => self.adopt(page, now.at, effects),
            Input::Outcome(id, result) => self.outcome(id, result, now.at, effects),
            Input::Answered(request, answer) => self.answered(&request, answer, now.at, effects),
            Input::Asked(question, found) => self.asked(question, found, now.at, effects),
            Input::Probed(question, found) => self.probed(question, found, now.at, effects),
            Input::Looked(id, payment) => self.looked(id, payment, now.at, effects),
            Input::Health(processor, report) => {
                if let Some(processor) = self.processors.get_mut(processor) {
                    processor.report(report, now.at);
                    processor.health_asked_at = None;
                }
            }
            Input::Stop => self.is_stopping = true,
        }
        self.advance(now.at, effects);
    }

    /// Begins whatever can be begun now.
    fn advance(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.retry_commands(now, effects);
        self.end_overdue(now);
        self.end_waits(now);
        self.look_again(now, effects);
        for processor in &mut self.processors {
            processor.end_leases(now);
        }
        if self.is_stopping {
            return;
        }
        self.ask_questions(now, effects);
        self.poll_health(now, effects);
        self.route(now, effects);
        self.read_due(now, effects);
    }

    fn poll_health(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        for (place, processor) in self.processors.iter_mut().enumerate() {
            let Some(interval) = processor.policy.health_interval else {
                continue;
            };
            if processor.health_asked_at.is_none() && now >= processor.health_due_at {
                processor.health_asked_at = Some(now);
                processor.health_due_at = now + interval;
                effects.push(Effect::PollHealth(place));
            }
        }
    }

    /// When to tick again, if nothing happens before.
    #[must_use]
    pub fn next_tick(&self, now: Duration) -> Duration {
        let questions = self
            .processors
            .iter()
            .filter_map(|processor| processor.next_question().map(|(at, _)| at));
        let polls = self
            .processors
            .iter()
            .filter(|processor| processor.health_asked_at.is_none())
            .filter_map(|processor| {
                processor
                    .policy
                    .health_interval
                    .map(|_| processor.health_due_at)
            });
        let rooms = self.processors.iter().flat_map(|processor| {
            let probe_at = processor.probe_at().filter(|at| *at > now);
            [probe_at, processor.busy_until(now)].into_iter().flatten()
        });
        let lists = [&self.retries, &self.overdue, &self.looks, &self.waits];
        let firsts = lists
            .into_iter()
            .filter_map(|list| list.first())
            .map(|(at, _)| *at);
        let pages = [self.pages.retry_at, self.pages.rescan_at];
        questions
            .chain(polls)
            .chain(rooms)
            .chain(firsts)
            .chain(self.patience_until)
            .chain(pages.into_iter().filter(|at| *at > now))
            .chain([now + LOOK_INTERVAL])
            .min()
            .unwrap_or(now)
            .max(now)
    }

    /// How many payments are held, in every stage.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Whether a processor's word that it has recorded this payment is not in the ledger yet, and may
    /// still come to be.
    #[must_use]
    pub fn is_settling(&self, id: PaymentId) -> bool {
        let is_late = || self.late.range((id, 0)..=(id, usize::MAX)).next().is_some();
        let is_held = |held: &Held| match &held.stage {
            Stage::Binding(_) => true,
            Stage::Sending(_) | Stage::Ending(_) => {
                held.proof.is_some() || held.proof_of_command().is_some()
            }
            Stage::Waiting
            | Stage::Sent(_)
            | Stage::Unknown(_)
            | Stage::Asking(_)
            | Stage::Conflict(_)
            | Stage::Orphan => false,
        };
        self.held.get(&id).is_some_and(is_held) || is_late()
    }

    /// Whether nothing is under way: after [`Input::Stop`], the time to end.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let under_way = |processor: &Processor| processor.under_way_count() > 0;
        self.commands_count == 0 && !self.processors.iter().any(under_way)
    }
}

impl Pages {
    fn woken(&mut self) {
        self.is_at_end = false;
        self.is_stale = self.reading.is_some();
    }
}

#[cfg(test)]
mod tests;
