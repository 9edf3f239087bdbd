//! What a run has covered, and what it has to.

use std::collections::BTreeMap;
use std::fmt;

use ledger::{Batch, Command, CommandKind, Field, Outcome, Refusal};

use super::Subject;

/// How often each outcome, each refusal and each situation has occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<String, u64>);

/// What occurs beside the closed list of refusals.
const OUTCOMES: [&str; 3] = ["created", "exists", "exists of a refusal"];
const BATCHES: [&str; 4] = [
    "atomic batch applied",
    "atomic batch failed",
    "applied atomic batch repeated",
    "failed atomic batch repeated",
];
/// What only payments can be answered with.
const OF_PAYMENTS: [&str; 4] = [
    Field::AccountId.exists_with_different(),
    "payment_not_found",
    "payment_in_other_state",
    "payments_in_other_state",
];

/// What only reversals can be answered with.
const OF_REVERSALS: [&str; 3] = [
    Field::Reverses.exists_with_different(),
    "transfer_not_reversible",
    "amount_exceeds_reversible",
];

/// What only posts that keep the rest reserved can be answered with.
const OF_PARTS: [&str; 1] = [Field::Final.exists_with_different()];

/// What the subject of a run has, and so is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Has {
    payments: bool,
    reversals: bool,
    parts: bool,
    freezes: bool,
}

impl Has {
    pub(super) fn of(subject: &impl Subject) -> Self {
        Self {
            payments: subject.has_payments(),
            reversals: subject.has_reversals(),
            parts: subject.has_parts(),
            freezes: subject.has_freezes(),
        }
    }

    /// Whether a refusal of this code can be asked for.
    fn code(self, code: &str) -> bool {
        // Nobody dispatches in a run: no send has a lease.
        code != "payment_under_way"
            && (self.payments || !OF_PAYMENTS.contains(&code))
            && (self.reversals || !OF_REVERSALS.contains(&code))
            && (self.parts || !OF_PARTS.contains(&code))
            && (self.freezes || code != "account_frozen")
    }

    fn command(self, name: &str) -> bool {
        (self.payments || !name.contains("payment"))
            && (self.reversals || name != CommandKind::Reverse.name())
            && (self.parts || name != CommandKind::PostPart.name())
            && (self.freezes || name != CommandKind::ChangeFreeze.name())
    }
}

impl Coverage {
    /// How often it occurred.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Counts one occurrence.
    pub(super) fn note(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    /// Counts a batch's outcomes.
    pub(super) fn note_batch(&mut self, batch: &Batch, outcomes: &[Outcome]) {
        for (command, outcome) in batch.commands().iter().zip(outcomes) {
            self.note_outcome(command, outcome);
        }
        if batch.atomic_id().is_some() {
            self.note(match outcomes.iter().map(Kind::of).max() {
                Some(Kind::Created) => BATCHES[0],
                Some(Kind::Failed) => BATCHES[1],
                Some(Kind::Repeated) if outcomes.iter().all(|o| o.result.is_ok()) => BATCHES[2],
                Some(Kind::Repeated) => BATCHES[3],
                Some(Kind::OtherMembers) | None => return,
            });
        }
    }

    fn note_outcome(&mut self, command: &Command, outcome: &Outcome) {
        let result = match (&outcome.result, outcome.replayed) {
            (Ok(_), false) => "created",
            (Err(_), false) => "refused",
            (_, true) => "exists",
        };
        self.note(format!("{}: {result}", command.name()));
        self.note(match (&outcome.result, outcome.replayed) {
            (Err(_), true) => OUTCOMES[2],
            _ => outcome.code(),
        });
    }

    /// What occurred less often than it has to, with its count.
    pub(super) fn missing(&self, occurrences_min: u64, has: Has) -> Vec<(String, u64)> {
        required(has)
            .into_iter()
            .map(|name| {
                let count = self.count(&name);
                (name, count)
            })
            .filter(|(_, count)| *count < occurrences_min)
            .collect()
    }

    /// Adds another run's counts.
    pub(super) fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }
}

/// What became of an atomic batch, as its members' outcomes tell.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Created,
    Repeated,
    OtherMembers,
    Failed,
}

impl Kind {
    fn of(outcome: &Outcome) -> Self {
        match (&outcome.result, outcome.replayed) {
            (Err(Refusal::ExistsWithDifferent(Field::Members)), false) => Self::OtherMembers,
            (Err(_), false) => Self::Failed,
            (Ok(_), false) => Self::Created,
            (_, true) => Self::Repeated,
        }
    }
}

/// All that has to occur in a run.
fn required(has: Has) -> Vec<String> {
    let mut names: Vec<String> = OUTCOMES
        .iter()
        .chain(&BATCHES)
        .chain(Refusal::CODES.iter().filter(|code| has.code(code)))
        .map(|name| (*name).to_owned())
        .collect();
    for command in CommandKind::ALL.map(CommandKind::name) {
        if !has.command(command) {
            continue;
        }
        // What is due has expired before anyone can ask for it.
        if command != "expire" {
            names.push(format!("{command}: created"));
        }
        names.push(format!("{command}: refused"));
    }
    names
}

/// One line for each name, with its count.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>8}  {name}")?;
        }
        Ok(())
    }
}
