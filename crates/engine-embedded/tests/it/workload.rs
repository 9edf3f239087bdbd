//! A random workload beside the model, which goes on over crashes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions, OpenError, verify};
use journal::faulty::FaultyStorage;
use ledger::{Batch, Clock, Command, Engine, Outcome, Record, Refusal, State, Timestamp};
use testkit::{Generator, GeneratorOptions, ManualClock, Pause};
use tokio::runtime::{Builder, Runtime};

use crate::bank::{account_id, small};
use crate::model::{Model, compare};

/// The most commands of a batch, so that it has room in a small frame.
const COMMANDS_MAX: usize = 5;
/// How many answered commands are asked again after a crash.
const ASKED_AGAIN: usize = 120;

/// Small segments: a short workload fills several.
pub(crate) fn options() -> EmbeddedOptions {
    small(56, 52)
}

/// How many steps go in one call where frames overlap.
const STEPS_JOINED: usize = 6;

/// One seed's run.
pub(crate) struct Workload {
    /// Whether calls need several frames, and segments hold several: then one is decided while the
    /// one before is on its way to the disk.
    overlaps: bool,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) model: Model,
    generator: Generator,
    /// What was answered first under each id.
    first: Vec<(Command, Outcome)>,
    /// What atomic batches were answered.
    first_atomic: Vec<(Batch, Vec<Outcome>)>,
    runtime: Runtime,
    /// Whether records may become unreadable: what is due and cannot be read stays reserved.
    pub(crate) may_be_misled: bool,
    /// Whether an answer was another for that.
    pub(crate) is_misled: bool,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            overlaps: false,
            clock: Arc::default(),
            model: Model::default(),
            generator: Generator::new(seed, GeneratorOptions::default()),
            first: Vec::new(),
            first_atomic: Vec::new(),
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            may_be_misled: false,
            is_misled: false,
        }
    }

    /// For every other seed, one whose frames overlap.
    pub(crate) fn of_either_kind(seed: u64) -> Self {
        Self {
            overlaps: seed % 2 == 1,
            ..Self::new(seed)
        }
    }

    /// Opens the engine, and cuts the model to what it found.
    pub(crate) fn open(
        &mut self,
        storage: &FaultyStorage,
    ) -> Result<EmbeddedEngine<FaultyStorage>, OpenError> {
        let options = if self.overlaps {
            small(160, 52)
        } else {
            options()
        };
        let opened = EmbeddedEngine::open(storage.clone(), options, self.clock.clone());
        let (engine, recovery) = opened?;
        self.model.cut_to(recovery.journal.head.records as usize);
        Ok(engine)
    }

    /// Opens the engine and works until all steps are done or one is not answered.
    pub(crate) fn run(&mut self, storage: &FaultyStorage, steps: usize) {
        if let Ok(engine) = self.open(storage) {
            self.work(&engine, storage, steps);
        }
    }

    /// Whether all steps were answered, each as the model says, before the machine stopped.
    pub(crate) fn work(
        &mut self,
        engine: &EmbeddedEngine<FaultyStorage>,
        storage: &FaultyStorage,
        steps: usize,
    ) -> bool {
        (0..steps).all(|_| {
            let steps = if self.overlaps { STEPS_JOINED } else { 1 };
            let batches: Vec<_> = (0..steps).flat_map(|_| self.draw()).collect();
            !storage.is_stopped() && self.submit(engine, &batches)
        })
    }

    fn draw(&mut self) -> Vec<Batch> {
        let fits = |batch: &Batch| batch.commands().len() <= COMMANDS_MAX;
        let mut step = self.generator.step(&self.model.books);
        while !step.batches.iter().all(fits) {
            step = self.generator.step(&self.model.books);
        }
        match step.pause {
            Pause::Advance(by) => self.clock.advance_ns(by),
            Pause::Until(at) => self.clock.advance_to(at),
            Pause::Back(by) => {
                let back = self.clock.now().as_nanos() - by;
                self.clock.set(Timestamp::from_nanos(back));
            }
        }
        step.batches
    }

    fn submit(&mut self, engine: &EmbeddedEngine<FaultyStorage>, batches: &[Batch]) -> bool {
        let expected = self.model.apply(batches, &*self.clock);
        let deadline = Instant::now() + Duration::from_secs(30);
        let answer = self
            .runtime
            .block_on(engine.submit(batches.to_vec(), deadline));
        let Ok(got) = answer else { return false };
        if self.may_be_misled && got != expected {
            self.is_misled = true;
            return false;
        }
        assert_eq!(got, expected, "the answers to {batches:?}");
        self.model.answer();
        for (batch, outcomes) in batches.iter().zip(got) {
            self.note(batch, outcomes);
        }
        true
    }

    fn note(&mut self, batch: &Batch, outcomes: Vec<Outcome>) {
        let is_atomic = batch.atomic_id().is_some();
        let is_failed = is_atomic && outcomes.iter().any(|outcome| outcome.result.is_err());
        for (command, outcome) in batch.commands().iter().zip(&outcomes) {
            let opened = matches!(command, Command::OpenAccount(_)) && outcome.result.is_ok();
            let keeps_id = command.used_id().is_some() && is_remembered(outcome);
            // A failed batch leaves no trace of its members.
            if !outcome.replayed && !is_failed && (opened || keeps_id) {
                self.first.push((command.clone(), outcome.clone()));
            }
        }
        // In a failed batch the member that is why may be a replay.
        let is_first = |outcome: &Outcome| {
            outcome.code() != "exists_with_different_members" && !outcome.replayed
        };
        if is_atomic && outcomes.iter().any(is_first) {
            self.first_atomic.push((batch.clone(), outcomes));
        }
    }

    /// Reopens after a crash; checks that nothing answered is lost, nothing is half there, that
    /// the journal keeps every rule, and that work goes on.
    pub(crate) fn recover(&mut self, storage: &FaultyStorage, steps: usize) {
        let engine = self.open(storage).unwrap_or_else(|error| panic!("{error}"));
        self.expire(&engine);
        compare(&engine, &self.model.books);
        check_journal(storage, self.model.books.events().len());
        self.ask_again(&engine);
        assert!(self.work(&engine, storage, steps), "work does not go on");
        compare(&engine, &self.model.books);
        drop(engine);
        check_journal(storage, self.model.books.events().len());
    }

    /// The storage holds what the model has, but for at most the last `frames_lost` frames;
    /// what is there is a beginning of it, and keeps every rule.
    pub(crate) fn check_beginning(&self, storage: &FaultyStorage, frames_lost: usize) {
        let verified = verify(storage.copy(), options().journal, true);
        let audit = verified.unwrap_or_else(|error| panic!("{error}")).audit;
        assert_eq!(audit.findings, []);
        let count = audit.records_count as usize;
        let beginning = self.model.beginning(count, frames_lost);
        let opened = EmbeddedEngine::open(storage.clone(), options(), self.clock.clone());
        let (engine, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        compare(&engine, &beginning);
    }

    /// Lets both apply what is due, lest the timer does it at another moment.
    fn expire(&mut self, engine: &EmbeddedEngine<FaultyStorage>) {
        let account_id = account_id("nobody");
        let nothing = Command::CloseAccount {
            account_id,
            expected_entry_count: None,
            by: None,
        };
        self.again(engine, Batch::one(nothing));
    }

    /// Every answered command again: its first outcome, whatever happened since.
    fn ask_again(&mut self, engine: &EmbeddedEngine<FaultyStorage>) {
        let skipped = self.first.len().saturating_sub(ASKED_AGAIN);
        let asked = self.first[skipped..].to_vec();
        for asked in asked.chunks(COMMANDS_MAX) {
            let commands = asked.iter().map(|(command, _)| command.clone()).collect();
            let outcomes = self.again(engine, Batch::independent(commands).unwrap());
            for ((command, first), outcome) in asked.iter().zip(outcomes) {
                let mut first = first.result.clone();
                // Bit for bit, but for whether the account that was opened is closed now.
                if let (Command::OpenAccount(_), Ok(Record::Account { id, account })) =
                    (command, &mut first)
                {
                    let now = self.model.books.state().account(id);
                    let now = now.unwrap();
                    (account.closed, account.frozen) = (now.closed, now.frozen);
                }
                assert_eq!(outcome, Outcome::exists(first), "{command:?}");
            }
        }
        for (batch, first) in self.first_atomic.clone() {
            let outcomes = self.again(engine, batch);
            let first = first.into_iter().map(|first| Outcome::exists(first.result));
            assert_eq!(outcomes, first.collect::<Vec<_>>());
        }
    }

    fn again(&mut self, engine: &EmbeddedEngine<FaultyStorage>, batch: Batch) -> Vec<Outcome> {
        let batches = vec![batch];
        let expected = self.model.apply(&batches, &*self.clock);
        let deadline = Instant::now() + Duration::from_secs(30);
        let got = self
            .runtime
            .block_on(engine.submit(batches, deadline))
            .unwrap();
        assert_eq!(got, expected);
        self.model.answer();
        got.into_iter().next().unwrap()
    }
}

/// Whether the outcome is kept under the command's id.
fn is_remembered(outcome: &Outcome) -> bool {
    match &outcome.result {
        Ok(_) => true,
        Err(refusal) => !matches!(
            refusal,
            Refusal::ExistsWithDifferent(_)
                | Refusal::AccountReserved { .. }
                | Refusal::AccountsMustDiffer
                | Refusal::AmountOutOfRange { .. }
                | Refusal::DescriptionInvalid
                | Refusal::BatchMemberFailed
        ),
    }
}

/// The auditor finds so many records and nothing wrong.
pub(crate) fn check_journal(storage: &FaultyStorage, records_count: usize) {
    let verified = verify(storage.copy(), options().journal, true);
    let verified = verified.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(verified.audit.findings, []);
    assert!(verified.is_clean());
    assert_eq!(verified.audit.records_count as usize, records_count);
}

/// Says on a panic how to make it happen again.
pub(crate) struct Again {
    pub(crate) seed: u64,
    pub(crate) point: String,
}

impl Again {
    pub(crate) fn new(seed: u64) -> Self {
        let point = String::new();
        Self { seed, point }
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("LASTRO_SEED={}: {}", self.seed, self.point);
        }
    }
}
