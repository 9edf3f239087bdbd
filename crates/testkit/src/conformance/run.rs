//! One run: a seed's steps over the engine and the reference.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{
    Account, AccountId, Batch, Clock, Engine, Event, EventPosition, Outcome, Timestamp, Transfer,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::audit::{Audit, unavailable};
use super::compare::{Times, unstamped};
use super::coverage::Has;
use super::{Coverage, Failure, Options, Subject, Time};
use crate::clock::RealClock;
use crate::generator::{Generator, GeneratorOptions, Pause};

/// How far from the moment at which something expires nothing is submitted, where time passes by
/// itself.
const GUARD_NS: u64 = 350_000_000;

/// What a run holds.
pub(super) struct Run<'a> {
    pub(super) options: &'a Options,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) reference: Arc<ReferenceEngine>,
    pub(super) generator: Generator,
    pub(super) times: Times,
    /// Positions of the feed that were read, with the number of events before each.
    pub(super) positions: Vec<(EventPosition, usize)>,
    /// Draws what is read.
    pub(super) rng: StdRng,
    /// Whether the engine lists accounts.
    pub(super) has_lists: bool,
    /// Whether the engine tells the outcomes of a batch by its id.
    pub(super) reads_batches: bool,
    time: Time,
    clock: Arc<dyn Clock>,
    audit: Audit,
    coverage: Coverage,
    /// How many of the reference's events have been looked through for what expires.
    events_seen: usize,
    expiries: BTreeSet<Timestamp>,
    /// Whether something may have expired since the engine was last seen to agree.
    has_expired: bool,
}

/// Runs one seed over the subject.
///
/// # Errors
///
/// Where the subject answers otherwise than the reference, what must always be true is not, or
/// something did not occur often enough.
pub async fn run(
    subject: &mut impl Subject,
    seed: u64,
    options: &Options,
) -> Result<Coverage, Failure> {
    let mut run = Run::new(subject, seed, options);
    let fail = |step, message| Failure {
        seed,
        step,
        message,
    };
    for step in 1..=options.steps {
        let done = run.step_and_check(step, subject).await;
        done.map_err(|message| fail(step, message))?;
    }
    let missing = run
        .coverage
        .missing(options.occurrences_min, Has::of(subject));
    if missing.is_empty() {
        Ok(run.coverage)
    } else {
        let message = format!(
            "these occurred less than {} times: {missing:?}",
            options.occurrences_min
        );
        Err(fail(options.steps, message))
    }
}

impl<'a> Run<'a> {
    fn new(subject: &impl Subject, seed: u64, options: &'a Options) -> Self {
        let time = subject.time();
        let (clock, manual_time): (Arc<dyn Clock>, bool) = match &time {
            Time::Manual(clock) => (clock.clone(), true),
            Time::Real => (Arc::new(RealClock::default()), false),
        };
        let generator_options = GeneratorOptions {
            payments: subject.has_payments(),
            reversals: subject.has_reversals(),
            parts: subject.has_parts(),
            freezes: subject.has_freezes(),
            reasons: subject.has_reasons(),
            manual_time,
        };
        Self {
            options,
            engine: subject.engine(),
            reference: Arc::new(ReferenceEngine::new(clock.clone())),
            generator: Generator::new(seed, generator_options),
            times: Times::new(manual_time),
            positions: Vec::new(),
            rng: StdRng::seed_from_u64(!seed),
            has_lists: subject.has_lists(),
            reads_batches: subject.reads_batches(),
            time,
            clock,
            audit: Audit::default(),
            coverage: Coverage::default(),
            events_seen: 0,
            expiries: BTreeSet::new(),
            has_expired: false,
        }
    }

    pub(super) const fn time(&self) -> &Time {
        &self.time
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.options.deadline
    }

    /// One step, with the checks that are due after it.
    async fn step_and_check(
        &mut self,
        step: u32,
        subject: &mut impl Subject,
    ) -> Result<(), String> {
        let options = self.options;
        self.step().await?;
        if step.is_multiple_of(options.audit_every) {
            self.check_accounts().await?;
        }
        if step.is_multiple_of(options.restart_every) {
            self.restart(subject).await?;
        }
        if step.is_multiple_of(options.reads_every) || step == options.steps {
            self.check_all().await?;
        }
        Ok(())
    }

    async fn restart(&mut self, subject: &mut impl Subject) -> Result<(), String> {
        // An engine closes when nobody holds it any more.
        self.engine = self.reference.clone();
        let restarted = subject.restart().await;
        self.engine = subject.engine();
        if restarted {
            self.coverage.note("restart");
            let checked = self.check_all().await;
            checked.map_err(|message| format!("after a restart: {message}"))?;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), String> {
        let step = self.reference.read(|books| self.generator.step(books));
        self.pause(step.pause).await;
        let deadline = self.deadline();
        let previewed = match self.rng.random_range(0..3) {
            0 => Some(self.engine.preview(step.batches.clone(), deadline).await),
            _ => None,
        };
        let expected = self.reference.submit(step.batches.clone(), deadline).await;
        let got = self.engine.submit(step.batches.clone(), deadline).await;
        let expected = expected.map_err(|e| unavailable("submit to the reference", e))?;
        let got = got.map_err(|e| unavailable("submit", e))?;
        self.compare_outcomes(&step.batches, &expected, &got)?;
        if let Some(previewed) = previewed {
            let previewed = previewed.map_err(|e| unavailable("preview", e))?;
            self.compare_previewed(&previewed, &expected)?;
        }
        self.look_for_expiries();
        Ok(())
    }

    /// Lets time pass, and keeps off the moments at which something expires.
    async fn pause(&mut self, pause: Pause) {
        match (&self.time, pause) {
            (Time::Manual(clock), Pause::Advance(by)) => clock.advance_ns(by),
            (Time::Manual(clock), Pause::Until(at)) => clock.advance_to(at),
            (Time::Manual(clock), Pause::Back(by)) => {
                clock.set(Timestamp::from_nanos(clock.now().as_nanos() - by));
                self.coverage.note("clock stepped back");
            }
            (Time::Real, _) => self.keep_off_expiries().await,
        }
    }

    async fn keep_off_expiries(&mut self) {
        while let Some(next) = self.expiries.first().copied() {
            if self.clock.now().as_nanos() + GUARD_NS < next.as_nanos() {
                return;
            }
            self.expiries.remove(&next);
            self.wait_past(next).await;
        }
    }

    async fn wait_past(&mut self, expiry: Timestamp) {
        self.has_expired = true;
        let until = expiry.as_nanos() + GUARD_NS;
        let wait = until.saturating_sub(self.clock.now().as_nanos());
        tokio::time::sleep(Duration::from_nanos(wait)).await;
    }

    /// Takes in what the reference has recorded since.
    fn look_for_expiries(&mut self) {
        let events_seen = self.events_seen;
        let (expires_at, has_expired, events_count) = self.reference.read(|books| {
            let transfers = books.events()[events_seen..]
                .iter()
                .filter_map(Event::transfer);
            let expires_at: Vec<_> = transfers.clone().filter_map(Transfer::expires_at).collect();
            let has_expired = transfers.clone().any(|t| t.kind.as_str() == "expire");
            (expires_at, has_expired, books.events().len())
        });
        self.has_expired |= has_expired;
        self.events_seen = events_count;
        if matches!(self.time, Time::Real) {
            self.expiries.extend(expires_at);
        }
    }

    fn compare_outcomes(
        &mut self,
        batches: &[Batch],
        expected: &[Vec<Outcome>],
        got: &[Vec<Outcome>],
    ) -> Result<(), String> {
        if got.len() != batches.len() {
            let (of, count) = (batches.len(), got.len());
            return Err(format!("a submit of {of} batches was answered by {count}"));
        }
        for (index, batch) in batches.iter().enumerate() {
            self.compare_batch(batch, &expected[index], &got[index])
                .map_err(|message| {
                    let (number, of) = (index + 1, batches.len());
                    let kind = match batch.atomic_id() {
                        Some(id) => format!("atomic batch {id}"),
                        None => "independent batch".to_owned(),
                    };
                    format!("{kind} ({number} of {of}): {message}")
                })?;
        }
        Ok(())
    }

    /// A preview is what was answered then, but for the times.
    fn compare_previewed(
        &mut self,
        previewed: &[Vec<Outcome>],
        expected: &[Vec<Outcome>],
    ) -> Result<(), String> {
        let (got, _) = unstamped(&previewed.to_vec());
        let (expected, _) = unstamped(&expected.to_vec());
        if got != expected {
            let difference = difference(&expected, &got);
            return Err(format!(
                "a preview was not what was answered then:\n{difference}"
            ));
        }
        self.coverage.note("preview");
        Ok(())
    }

    fn compare_batch(
        &mut self,
        batch: &Batch,
        expected: &[Outcome],
        got: &[Outcome],
    ) -> Result<(), String> {
        let count = batch.commands().len();
        if got.len() != count {
            return Err(format!("{count} commands, {} outcomes", got.len()));
        }
        for (index, command) in batch.commands().iter().enumerate() {
            if !self.times.are_same(&expected[index], &got[index]) {
                let number = index + 1;
                return Err(format!(
                    "command {number} of {count}:\n  {command:?}\n{}",
                    difference(&expected[index], &got[index])
                ));
            }
        }
        self.coverage.note_batch(batch, expected);
        Ok(())
    }

    /// Checks the accounts and compares all reads, at a moment at which nothing is about to expire.
    async fn check_all(&mut self) -> Result<(), String> {
        if matches!(self.time, Time::Real) {
            let soon = self.clock.now().plus_seconds(5);
            let later = self.expiries.split_off(&soon);
            if let Some(latest) = std::mem::replace(&mut self.expiries, later).last() {
                self.wait_past(*latest).await;
            }
        }
        self.check_accounts().await?;
        self.compare_reads().await?;
        self.compare_feed().await
    }

    /// Checks what must always be true, and that every account is as the reference's.
    async fn check_accounts(&mut self) -> Result<(), String> {
        self.step_past_the_newest();
        let patience = Instant::now() + self.options.expiry_lag;
        let ids = self.generator.accounts();
        loop {
            let deadline = self.deadline();
            let got = self.audit.check(&self.engine, &ids, deadline).await?;
            let compared = self.compare_accounts(&ids, &got);
            self.look_for_expiries();
            match compared {
                Ok(()) => {
                    self.has_expired = false;
                    return Ok(());
                }
                Err(_) if self.has_expired && Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(message) => return Err(message),
            }
        }
    }

    fn compare_accounts(
        &mut self,
        ids: &[AccountId],
        got: &[(AccountId, Account)],
    ) -> Result<(), String> {
        let expected: Vec<_> = self.reference.read(|books| {
            let find = |id: &AccountId| {
                let account = ledger::State::account(books.state(), id)?;
                Some((id.clone(), account))
            };
            ids.iter().filter_map(find).collect()
        });
        if expected.len() != got.len() {
            let names = |accounts: &[(AccountId, Account)]| -> BTreeSet<String> {
                accounts.iter().map(|(id, _)| id.to_string()).collect()
            };
            return Err(difference(&names(&expected), &names(got)));
        }
        for ((id, expected), (_, got)) in expected.iter().zip(got) {
            if !self.times.are_same(expected, got) {
                return Err(format!("account {id}:\n{}", difference(expected, got)));
            }
        }
        Ok(())
    }

    /// Sets a clock that was stepped back after the newest event again: reads expire by the clock.
    fn step_past_the_newest(&self) {
        if let Time::Manual(clock) = &self.time {
            let newest = self
                .reference
                .read(|books| books.events().last().map(Event::timestamp));
            if let Some(newest) = newest {
                clock.advance_to(Timestamp::from_nanos(newest.as_nanos() + 1_000));
            }
        }
    }
}

/// What a failure says about an answer.
pub(super) fn difference(expected: &impl std::fmt::Debug, got: &impl std::fmt::Debug) -> String {
    format!("expected:\n  {expected:?}\ngot:\n  {got:?}")
}
