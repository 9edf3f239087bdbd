//! The one write path: how each engine applies batches and expiries to its state.
//!
//! An engine brings a [`RecordingState`]: look-ups, and a place for events. What is decided, in
//! which order, with which times, and what is answered stands here and nowhere else.

use crate::batch::{AtomicDecision, Batch, decide_atomic};
use crate::command::Command;
use crate::decide::{Decision, decide};
use crate::event::{BatchDecided, Event};
use crate::id::{BatchId, TransferId};
use crate::outcome::Outcome;
use crate::state::State;
use crate::time::{Ticker, Timestamp};

/// A state that decisions are made upon and that takes in the events they make.
pub trait RecordingState: State {
    /// Why a look-up failed.
    type LookupError;
    /// Where an event was recorded, for states that link their records.
    type Place;

    /// The first look-up that failed since this was asked last. Nothing that was decided meanwhile
    /// counts. A state that finds out at its end what it lacks returns none here.
    fn take_lookup_error(&mut self) -> Option<Self::LookupError>;

    /// Called with the commands of a batch before the first of them is decided: look-ups of many
    /// commands can be begun together.
    fn look_ahead(&mut self, _commands: &[Command]) {}

    /// Called right before each of the commands that [`RecordingState::look_ahead`] was called
    /// with, in their order.
    fn begin_command(&mut self) {}

    /// Takes in an event that was decided upon this state.
    fn record(&mut self, event: &Event) -> Self::Place;

    /// Takes in that an atomic batch was decided, right after the events of its members, of which
    /// the first is at `first_member`; a batch that failed has none. `outcomes` are what a
    /// repetition of the batch is answered with.
    fn record_batch(
        &mut self,
        batch: BatchDecided,
        first_member: Option<Self::Place>,
        outcomes: &[Outcome],
    );
}

/// Applies a batch and returns an outcome for each of its commands, in their order. Each event
/// takes a timestamp of `ticker` at `now`. The caller has expired before what is due at `now` and
/// what the batch depends upon: [`Expiries::due_for`](crate::Expiries::due_for).
///
/// # Errors
///
/// The first look-up that failed. Of an independent batch the commands before it are recorded; of
/// an atomic batch nothing is.
pub fn apply<S: RecordingState>(
    state: &mut S,
    batch: Batch,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<Vec<Outcome>, S::LookupError> {
    let atomic_id = batch.atomic_id();
    let commands = batch.into_commands();
    match atomic_id {
        None => apply_independent(state, commands, ticker, now),
        Some(id) => apply_atomic(state, id, commands, ticker, now),
    }
}

/// Expires a pending transfer that is due at `now`. Returns whether it was still pending.
///
/// # Errors
///
/// The look-up that failed; nothing is recorded.
pub fn expire<S: RecordingState>(
    state: &mut S,
    pending_id: TransferId,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<bool, S::LookupError> {
    let decision = decide(state, Command::Expire { pending_id }, ticker.peek(now));
    if let Some(error) = state.take_lookup_error() {
        return Err(error);
    }
    match decision {
        Decision::Event(event) => {
            ticker.tick(now);
            state.record(&event);
            Ok(true)
        }
        Decision::Exists(_) | Decision::Refused(_) => Ok(false),
    }
}

fn apply_independent<S: RecordingState>(
    state: &mut S,
    commands: Vec<Command>,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<Vec<Outcome>, S::LookupError> {
    state.look_ahead(&commands);
    // Outcomes are large: each is put where it stays.
    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        state.begin_command();
        // Decisions are large, too: each is taken apart where it was made.
        let decision = decide(state, command, ticker.peek(now));
        if let Some(error) = state.take_lookup_error() {
            return Err(error);
        }
        match decision {
            Decision::Event(event) => {
                ticker.tick(now);
                state.record(&event);
                outcomes.push(outcome_of(event));
            }
            Decision::Exists(outcome) => outcomes.push(outcome),
            Decision::Refused(refusal) => outcomes.push(Outcome::refused(refusal)),
        }
    }
    Ok(outcomes)
}

fn apply_atomic<S: RecordingState>(
    state: &mut S,
    id: BatchId,
    commands: Vec<Command>,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<Vec<Outcome>, S::LookupError> {
    let mut ticker_after = *ticker;
    let decision = decide_atomic(state, id, commands, &mut ticker_after, now);
    if let Some(error) = state.take_lookup_error() {
        return Err(error);
    }
    *ticker = ticker_after;
    let (events, batch) = match decision {
        AtomicDecision::Outcomes(outcomes) => return Ok(outcomes),
        AtomicDecision::Events(events, batch) => (events, batch),
    };
    let mut first_member = None;
    for event in &events {
        let place = state.record(event);
        first_member.get_or_insert(place);
    }
    let outcomes = batch
        .failed_outcomes()
        .unwrap_or_else(|| events.into_iter().map(outcome_of).collect());
    state.record_batch(batch, first_member, &outcomes);
    Ok(outcomes)
}

fn outcome_of(event: Event) -> Outcome {
    match event.into_outcome() {
        Some(outcome) => outcome,
        None => unreachable!("the event of a command has an outcome"),
    }
}
