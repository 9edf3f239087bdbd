//! The dispatcher: a state machine that is told what happened and says what to do.
//!
//! It does no I/O and reads no clock. Its driver carries out each [`Effect`] and reports
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
mod denials;
mod doubled;
mod in_flight;
mod io;
mod late;
mod overdue;
mod payment;
mod processor;
mod processor_set;
mod processors;
mod questions;
mod reports;
mod route;
mod standing;
mod unsettled;
mod waits;
mod window;
mod words;

use std::time::Duration;

use ledger::{Millis, PaymentId};

use crate::policy::Policy;
use conflicts::Conflicts;
pub use conflicts::{Conflict, ConflictKind};
use in_flight::CommandsInFlight;
pub use io::{Effect, Input, Now, Question, SendRequest};
use overdue::ReportsAwaited;
use payment::Stage;
use processor::Processor;
use processors::Processors;
use questions::Questions;
pub use standing::{ProcessorStanding, Standing};
pub use unsettled::Seen;
use window::{Held, Window};
use words::Words;

/// The dispatcher looks at itself this often while it holds anything.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The dispatcher. Each part keeps its own state and its own counters; the dispatcher leads what it is
/// told to the parts that it is about.
#[derive(Debug)]
pub struct Dispatcher {
    policy: Policy,
    processors: Processors,
    /// The due payments that are held.
    window: Window,
    commands: CommandsInFlight,
    questions: Questions,
    /// The requests that a report is awaited of.
    reports_awaited: ReportsAwaited,
    /// Processors' words about payments that are not held.
    words: Words,
    /// What operators were told.
    conflicts: Conflicts,
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
    /// What a processor has not decided is taken for not recorded.
    PendingFails,
}

impl Dispatcher {
    /// A dispatcher that knows of no payment yet. Its first input may be a [`Input::Tick`].
    ///
    /// # Panics
    ///
    /// With more processors than [`PROCESSORS_MAX`](crate::PROCESSORS_MAX).
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            processors: Processors::new(&policy.processors),
            questions: Questions::new(policy.processors.len()),
            policy,
            window: Window::default(),
            commands: CommandsInFlight::default(),
            reports_awaited: ReportsAwaited::default(),
            words: Words::default(),
            conflicts: Conflicts::default(),
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
        anew.conflicts = self.conflicts;
        anew.words = self.words;
        for (id, held) in self.window.all() {
            let words = match self.commands.about(id) {
                Some(command) => held.words_with(command),
                None => held.words(),
            };
            for word in words {
                anew.words.keep(id, word);
            }
        }
        anew.words.look_for_all();
        anew.wall = self.wall;
        for (processor, before) in anew.processors.iter_mut().zip(self.processors.iter()) {
            processor.count_on(before.counted());
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
        let at = now.at;
        match input {
            Input::Tick => {}
            Input::Accepted => self.window.woken(),
            Input::Changed(id) => self.changed(id, at),
            Input::Due(page) => self.adopt(page, at, effects),
            Input::Outcome { id, result } => self.outcome(id, result, at, effects),
            Input::Answered { request, answer } => self.answered(&request, answer, at, effects),
            Input::Asked { question, found } => self.asked(question, found, at, effects),
            Input::Probed { question, found } => self.probed(question, found, at, effects),
            Input::Looked { id, payment } => self.looked(id, payment, at, effects),
            Input::Health { processor, report } => self.processors[processor].report(report, at),
            Input::CalledBack { id, processor } => self.called_back(id, processor, at),
            Input::Stop => self.is_stopping = true,
        }
        self.advance(at, effects);
    }

    /// Begins whatever can be begun now.
    fn advance(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.commands.retry(now, effects);
        self.end_overdue(now);
        self.end_waits(now);
        self.words.look_again(now, effects);
        for processor in self.processors.iter_mut() {
            processor.end_leases(now);
        }
        if self.is_stopping {
            return;
        }
        self.ask_questions(now, effects);
        for processor in self.processors.indices() {
            if self.processors[processor].poll(now) {
                effects.push(Effect::PollHealth(processor));
            }
        }
        self.route(now, effects);
        self.read_due(now, effects);
    }

    /// When to tick again, if nothing happens before.
    #[must_use]
    pub fn next_tick(&self, now: Duration) -> Duration {
        let of_processors = self.processors.iter().flat_map(|processor| {
            let probe_at = processor.probe_at().filter(|at| *at > now);
            let times = [probe_at, processor.busy_until(now), processor.next_poll()];
            times.into_iter().flatten()
        });
        let of_parts = [
            self.questions.next_at(),
            self.commands.next_at(),
            self.reports_awaited.next_at(),
            self.words.next_at(),
            self.window.next_at(now),
            self.patience_until,
        ];
        let of_parts = of_parts.into_iter().flatten();
        let look_at = now + LOOK_INTERVAL;
        of_processors
            .chain(of_parts)
            .fold(look_at, Duration::min)
            .max(now)
    }

    /// How many payments are held, in every stage.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.window.len()
    }

    /// Whether a processor's word that it has recorded this payment is not in the ledger yet, and may
    /// still come to be.
    #[must_use]
    pub fn is_settling(&self, id: PaymentId) -> bool {
        let is_held = |held: &Held| match held.stage() {
            Stage::Binding(pin) => !pin.is_pending,
            Stage::Sending(_) | Stage::Ending(_) => {
                let command = self.commands.about(id);
                held.proof.is_some() || command.is_some_and(|it| held.proof_of(it).is_some())
            }
            Stage::Waiting
            | Stage::Sent(_)
            | Stage::Unknown(_)
            | Stage::Asking(_)
            | Stage::Conflict(_)
            | Stage::Orphan => false,
        };
        self.window.get(id).is_some_and(is_held) || self.words.has(id)
    }

    /// Whether nothing is under way that will end: after [`Input::Stop`], the time to end.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let under_way = |processor: &Processor| processor.under_way_count() > 0;
        self.commands.is_quiet() && !self.processors.iter().any(under_way)
    }

    /// Whether nothing is under way with a payment whose end will show what it is now.
    fn is_idle(&self, id: PaymentId, held: &Held) -> bool {
        self.commands.about(id).is_none() && held.is_at_rest()
    }
}

#[cfg(test)]
mod tests;
