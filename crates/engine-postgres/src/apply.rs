//! The rules over what a call has read.

use ledger::{
    AtomicDecision, Batch, BatchId, Command, Decision, Event, Outcome, Ticker, UsedBatch, decide,
    decide_atomic, evolve,
};

use crate::snapshot::Snapshot;

/// Applies what is due, then the batches in order, and answers with their outcomes. It does not
/// count when something was missed.
pub(crate) fn apply(
    snapshot: &mut Snapshot,
    batches: impl IntoIterator<Item = Batch>,
) -> Vec<Vec<Outcome>> {
    let mut ticker = Ticker::after(snapshot.newest);
    expire(snapshot, &mut ticker);
    let mut outcomes = Vec::new();
    for batch in batches {
        let id = batch.atomic_id();
        let commands = batch.into_commands();
        outcomes.push(match id {
            Some(id) => apply_atomic(snapshot, id, commands, &mut ticker),
            None => commands
                .into_iter()
                .map(|command| apply_one(snapshot, command, &mut ticker))
                .collect(),
        });
    }
    snapshot.newest = ticker.last();
    outcomes
}

fn expire(snapshot: &mut Snapshot, ticker: &mut Ticker) {
    let now = snapshot.now;
    for (expires_at, pending_id) in std::mem::take(&mut snapshot.due) {
        if expires_at <= now {
            apply_one(snapshot, Command::Expire { pending_id }, ticker);
        }
    }
}

fn apply_one(snapshot: &mut Snapshot, command: Command, ticker: &mut Ticker) -> Outcome {
    let now = snapshot.now;
    match decide(snapshot, command, ticker.peek(now)) {
        Decision::Event(event) => {
            ticker.tick(now);
            evolve(snapshot, &event);
            outcome_of(event)
        }
        Decision::Exists(outcome) => outcome,
        Decision::Refused(refusal) => Outcome::refused(refusal),
    }
}

fn apply_atomic(
    snapshot: &mut Snapshot,
    id: BatchId,
    commands: Vec<Command>,
    ticker: &mut Ticker,
) -> Vec<Outcome> {
    let now = snapshot.now;
    let (events, batch) = match decide_atomic(snapshot, id, commands, ticker, now) {
        AtomicDecision::Outcomes(outcomes) => return outcomes,
        AtomicDecision::Events(events, batch) => (events, batch),
    };
    for event in &events {
        evolve(snapshot, event);
    }
    let outcomes = batch
        .failed_outcomes()
        .unwrap_or_else(|| events.into_iter().map(outcome_of).collect());
    let used = UsedBatch {
        digest: batch.digest,
        outcomes: outcomes.clone(),
    };
    snapshot.remember_batch(id, used);
    outcomes
}

fn outcome_of(event: Event) -> Outcome {
    match event.into_outcome() {
        Some(outcome) => outcome,
        None => unreachable!("the event of a command has an outcome"),
    }
}
