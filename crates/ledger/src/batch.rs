//! Batches: commands in order, each alone or all or nothing.

use std::fmt;

use crate::by::By;
use crate::command::Command;
use crate::decide::{Decision, decide};
use crate::event::{BatchDecided, Digest, Event, MemberFailure};
use crate::id::BatchId;
use crate::memory::Overlay;
use crate::outcome::{Outcome, Refusal};
use crate::state::{State, evolve};
use crate::text::Note;
use crate::time::{Ticker, Timestamp};

/// The most commands a batch may have.
pub const BATCH_COMMANDS_MAX: usize = 8_190;
/// The most bytes the commands of a batch may have, by [`Command::size_bytes`].
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Commands in order: `1 ..= BATCH_COMMANDS_MAX` of them, no more than [`BATCH_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    atomic: Option<BatchId>,
    commands: Vec<Command>,
    size_bytes: usize,
}

/// Why commands make no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchInvalid {
    /// There are none.
    Empty,
    /// There are more than [`BATCH_COMMANDS_MAX`], or they are larger than [`BATCH_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for BatchInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a batch has at least one command"),
            Self::TooLarge => write!(
                f,
                "a batch has at most {BATCH_COMMANDS_MAX} commands and {BATCH_BYTES_MAX} bytes"
            ),
        }
    }
}

impl std::error::Error for BatchInvalid {}

/// As many bytes of who decides are counted even where nobody says it: it may be said afterwards, by the name of a key.
const WHO_BYTES: usize = 64;

impl Batch {
    /// A batch of which each command stands alone.
    pub fn independent(commands: Vec<Command>) -> Result<Self, BatchInvalid> {
        Self::new(None, commands)
    }

    /// A batch that is applied as a whole or not at all, remembered under `id`.
    pub fn atomic(id: BatchId, commands: Vec<Command>) -> Result<Self, BatchInvalid> {
        Self::new(Some(id), commands)
    }

    /// A batch of one command.
    #[must_use]
    pub fn one(command: Command) -> Self {
        Self {
            atomic: None,
            size_bytes: command.size_bytes(),
            commands: vec![command],
        }
    }

    fn new(atomic: Option<BatchId>, commands: Vec<Command>) -> Result<Self, BatchInvalid> {
        if commands.is_empty() {
            return Err(BatchInvalid::Empty);
        }
        let size_bytes: usize = commands.iter().map(Command::size_bytes).sum();
        if commands.len() > BATCH_COMMANDS_MAX || size_bytes > BATCH_BYTES_MAX {
            return Err(BatchInvalid::TooLarge);
        }
        Ok(Self {
            atomic,
            commands,
            size_bytes,
        })
    }

    /// States how long a request to a processor may be under way after it was recorded as sent: see
    /// [`ResolvePayment::send_lease`](crate::ResolvePayment::send_lease).
    pub fn set_send_lease(&mut self, send_lease: std::time::Duration) {
        for command in &mut self.commands {
            if let Command::ResolvePayment(resolve) = command {
                resolve.send_lease = send_lease;
            }
        }
    }

    /// Likewise, where that is longer than what was stated before.
    pub fn raise_send_lease(&mut self, send_lease: std::time::Duration) {
        for command in &mut self.commands {
            if let Command::ResolvePayment(resolve) = command {
                resolve.send_lease = resolve.send_lease.max(send_lease);
            }
        }
    }

    /// States who decides what it changes about accounts, where that is not said: see [`By`](crate::By).
    pub fn set_who(&mut self, who: &Note) {
        for command in &mut self.commands {
            if let Command::ChangeLimit { by, .. }
            | Command::CloseAccount { by, .. }
            | Command::ChangeFreeze { by, .. } = command
            {
                let by = by.get_or_insert_with(|| {
                    Box::new(By {
                        who: None,
                        why: None,
                    })
                });
                if by.who.is_none() {
                    by.who = Some(who.clone());
                }
            }
        }
    }

    /// The id of an atomic batch.
    #[must_use]
    pub const fn atomic_id(&self) -> Option<BatchId> {
        self.atomic
    }

    /// Whether giving the batch twice does what giving it once does: see
    /// [`Command::is_repeatable`]. An atomic batch is remembered as a whole.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.atomic.is_some() || self.commands.iter().all(Command::is_repeatable)
    }

    /// Whether any of its commands is about payments.
    #[must_use]
    pub fn has_payments(&self) -> bool {
        self.commands.iter().any(Command::is_of_payments)
    }

    /// The size of its commands, by [`Command::size_bytes`].
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The commands, in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The commands, in order.
    #[must_use]
    pub fn into_commands(self) -> Vec<Command> {
        self.commands
    }
}

impl Command {
    /// An upper bound of what the command takes on a wire or in a journal, in bytes, without what
    /// the ledger adds to it.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const FIXED: usize = 96;
        FIXED
            + match self {
                Self::Transfer(transfer) | Self::Pend { transfer, .. } => {
                    transfer.debit_account_id.as_str().len()
                        + transfer.credit_account_id.as_str().len()
                        + transfer.description.len()
                        + transfer.notes.size_bytes()
                }
                Self::OpenAccount(open) => open.id.as_str().len(),
                Self::ChangeLimit { account_id, by, .. }
                | Self::ChangeFreeze { account_id, by, .. }
                | Self::CloseAccount { account_id, by, .. } => {
                    let (who, why) = match by {
                        Some(by) => (by.who.as_ref(), by.why.as_ref()),
                        None => (None, None),
                    };
                    let length = |note: &Note| note.as_str().len();
                    account_id.as_str().len()
                        + who.map_or(WHO_BYTES, |who| length(who).max(WHO_BYTES))
                        + why.map_or(0, length)
                }
                Self::AcceptPayment(accept) => {
                    accept.account_id.as_ref().map_or(0, |id| id.as_str().len())
                        + accept.description.len()
                        + accept.notes.size_bytes()
                }
                Self::Reverse(reverse) => reverse.description.len() + reverse.notes.size_bytes(),
                Self::SendPayment { processor, .. } => processor.as_str().len(),
                Self::ResolvePayment(resolve) => resolve.texts_bytes(),
                Self::Post { .. }
                | Self::PostPart { .. }
                | Self::Void { .. }
                | Self::Expire { .. }
                | Self::SettlePayment { .. }
                | Self::ReleasePayment { .. }
                | Self::RefusePayment { .. }
                | Self::PurgePayments { .. } => 0,
            }
    }
}

impl Digest {
    /// The digest of a batch's members, in order.
    #[must_use]
    pub fn of(commands: &[Command]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("lastro 2026 atomic batch members");
        for command in commands {
            let bytes = postcard::to_allocvec(command)
                .expect("plain data is serialized into memory without an error");
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// What was decided about an atomic batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtomicDecision {
    /// New facts: the members' events, empty where the batch failed, and the batch's own.
    Events(Vec<Event>, BatchDecided),
    /// The id was used before: the first outcomes, or that the members differ.
    Outcomes(Vec<Outcome>),
}

/// Decides an atomic batch upon the state. Timestamps are taken from `ticker` at `now`, one for
/// each event; the caller has applied all due expiries.
pub fn decide_atomic<S: State>(
    state: &S,
    id: BatchId,
    commands: Vec<Command>,
    ticker: &mut Ticker,
    now: Timestamp,
) -> AtomicDecision {
    let digest = Digest::of(&commands);
    let members_count = commands.len();
    match state.batch_digest(id) {
        None => {}
        Some(first) if first == digest => {
            // A look-up that fails now is the engine's to find: its decision does not count.
            let outcomes = state.batch(id).map_or_else(Vec::new, |used| used.outcomes);
            let again = outcomes
                .into_iter()
                .map(|first| Outcome::exists(first.result));
            return AtomicDecision::Outcomes(again.collect());
        }
        Some(_) => {
            let refusal = Refusal::ExistsWithDifferent(crate::command::Field::Members);
            return AtomicDecision::Outcomes(vec![Outcome::refused(refusal); members_count]);
        }
    }
    let mut members_ticker = *ticker;
    let mut overlay = Overlay::new(state);
    let mut events = Vec::with_capacity(members_count);
    let mut failure = None;
    for (index, command) in (0..).zip(commands) {
        match decide(&overlay, command, members_ticker.tick(now)) {
            Decision::Event(Event::Refused { refusal, .. }) | Decision::Refused(refusal) => {
                failure = Some(MemberFailure {
                    index,
                    outcome: Outcome::refused(refusal).into(),
                });
            }
            Decision::Exists(outcome) => {
                failure = Some(MemberFailure {
                    index,
                    outcome: outcome.into(),
                });
            }
            Decision::Event(event) => {
                evolve(&mut overlay, &event);
                events.push(event);
                continue;
            }
        }
        break;
    }
    if failure.is_some() {
        events.clear();
    } else {
        *ticker = members_ticker;
    }
    let members_count = u32::try_from(members_count).expect("a batch has at most 8,190 members");
    let timestamp = ticker.tick(now);
    AtomicDecision::Events(
        events,
        BatchDecided {
            id,
            digest,
            members_count,
            failure,
            timestamp,
        },
    )
}
