//! The one writer thread: decide, write, sync, publish, answer — in this order.
//!
//! A round takes what has arrived, up to [`ROUND_BYTES`] of records, as one frame with one write
//! and one sync. Every outcome of the round, `exists` and refusals too, waits for that sync; what
//! it was decided upon is either in this frame or in an earlier one, which is synced before.
//!
//! While a frame is on its way to the disk the next one is gathered, if there is anything to
//! gather: [`flush`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};
use journal::{Address, Journal, Storage};
use ledger::{
    AtomicDecision, Batch, BatchId, Clock, ClockGuard, Command, Decision, DueWalk, Event, Outcome,
    Ticker, Timestamp, TransferId, Unavailable, decide, decide_atomic,
};
use tokio::sync::oneshot;

use crate::draft::Draft;
use crate::lookup::LookupError;
use crate::metrics::Metrics;
use crate::queue::{Answer, Request, Waiting};
use crate::record::{RECORD_BYTES_MAX, record_bytes_max};
use crate::shared::{Shared, Status};
use crate::syncer::{Happened, Syncer};
use crate::working::Working;

mod flush;
#[cfg(test)]
mod tests;

/// A frame is closed once it has this many bytes: what waits is answered in a few milliseconds
/// even when much more has arrived.
const ROUND_BYTES: usize = 1 << 20;
/// A frame that could be on its way to the disk goes once it has this part of a round, though more
/// waits: its sync takes about as long as the next so many bytes take to be decided.
const ROUND_PARTS: usize = 16;
/// A round takes no more than this of requests, so that those which leave no record are answered
/// soon too.
const ROUND_REQUEST_BYTES: usize = 4 * ROUND_BYTES;
/// How often due expiries are looked for when nothing arrives.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);
/// How many due expiries a round applies, whatever its commands are about: a burst of them takes
/// turns with the commands that arrive meanwhile.
const ROUND_EXPIRIES: usize = 1_024;
/// How many more a call may need for the sake of its batches. One that needs more is `overloaded`;
/// as many are applied all the same, so that asking again comes to an end.
const CALL_EXPIRIES_MAX: usize = 16_384;
/// How often room is looked for while there is none and nothing arrives.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);
/// After how long an expiry is tried again whose pending transfer could not be read.
const UNREADABLE_RETRY_S: u32 = 60;
/// Likewise where there was no descriptor to read it with.
const SHORTAGE_RETRY_S: u32 = 1;

/// What the writer thread owns.
pub(crate) struct Writer<S: Storage> {
    pub(crate) journal: Journal<S>,
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_guard: ClockGuard,
    pub(crate) ticker: Ticker,
    pub(crate) draft: Draft,
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Metrics,
    /// They wait for the open frame.
    pub(crate) answers: Answers,
    pub(crate) expiring: Expiring,
    pub(crate) syncer: Syncer<S>,
    /// How much a frame has at least that goes though more waits.
    pub(crate) part_bytes: usize,
    /// They wait for the frame on its way to the disk.
    pub(crate) in_flight: Answers,
}

/// See [`Writer::part_bytes`].
pub(crate) const fn part_bytes(frame_bytes_max: usize) -> usize {
    if frame_bytes_max < ROUND_BYTES {
        frame_bytes_max / ROUND_PARTS
    } else {
        ROUND_BYTES / ROUND_PARTS
    }
}

/// Who is answered, and what.
pub(crate) type Answers = Vec<(oneshot::Sender<Answer>, Answer)>;

/// How far the due expiries of this round have come.
#[derive(Debug, Default)]
pub(crate) struct Expiring {
    /// How many more the round may apply for their own sake.
    left: usize,
    /// Whether more were due than that.
    has_backlog: bool,
    /// How many more the call in hand may apply for the sake of its batches.
    call_left: usize,
    /// The accounts whose due expiries were gone through in this round.
    walk: DueWalk,
}

impl Expiring {
    /// Whether the call in hand needed as many as are a round's work.
    const fn is_round_full(&self) -> bool {
        self.call_left + ROUND_EXPIRIES <= CALL_EXPIRIES_MAX
    }
}

impl<S: Storage> Writer<S> {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            match self.next_request() {
                Ok(request) => self.round(request),
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next_request(&mut self) -> Result<Request, RecvTimeoutError> {
        while self.journal.is_in_flight() {
            match self.syncer.wait_or(&self.waiting.receiver) {
                Happened::Arrived(request) => return Ok(request),
                Happened::Written(written) => self.landed(written),
                Happened::Closed => self.land(),
            }
        }
        let receiver = &self.waiting.receiver;
        if self.expiring.has_backlog {
            let received = receiver.try_recv();
            received.map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        } else if !self.draft.expiries.is_empty() {
            receiver.recv_timeout(EXPIRY_INTERVAL)
        } else if self.shared.status().passes() {
            receiver.recv_timeout(SPACE_INTERVAL)
        } else {
            let received = receiver.recv();
            received.map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    fn round(&mut self, first: Request) {
        self.begin_expiring();
        let mut next = Some(first);
        let mut taken_bytes = 0;
        while let Some(request) = next {
            self.waiting.taken(&request);
            taken_bytes += request.size_bytes();
            self.take(request);
            self.land_if_written();
            let is_full = taken_bytes >= ROUND_REQUEST_BYTES
                || self.is_frame_full()
                || self.expiring.is_round_full();
            next = if is_full { None } else { self.next_of_round() };
        }
        self.metrics.queue_bytes(self.waiting.bytes());
        self.flush(!self.waiting.receiver.is_empty());
    }

    fn is_frame_full(&self) -> bool {
        let bytes = self.journal.open_frame_bytes();
        let may_go = || !self.journal.is_in_flight() && !self.waiting.receiver.is_empty();
        bytes >= ROUND_BYTES || (bytes >= self.part_bytes && may_go())
    }

    /// What has arrived or, while the open frame has to wait for the one before it, arrives.
    fn next_of_round(&mut self) -> Option<Request> {
        while self.journal.is_in_flight() {
            match self.syncer.wait_or(&self.waiting.receiver) {
                Happened::Arrived(request) => return Some(request),
                Happened::Written(written) => self.landed(written),
                Happened::Closed => return None,
            }
        }
        self.waiting.receiver.try_recv().ok()
    }

    /// Decides a request's batches and keeps its answer until the flush.
    fn take(&mut self, request: Request) {
        let Request {
            batches,
            deadline,
            answer,
            ..
        } = request;
        self.expiring.call_left = CALL_EXPIRIES_MAX;
        let result = if deadline <= Instant::now() {
            Err(Unavailable::Overloaded)
        } else {
            self.decide_all(batches)
        };
        self.answers.push((answer, result));
    }

    fn decide_all(&mut self, batches: Vec<Batch>) -> Answer {
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            // A call may hold more than a round of them.
            self.land_if_written();
            let bytes = self.journal.open_frame_bytes();
            let may_go = !self.journal.is_in_flight();
            if bytes >= ROUND_BYTES || (bytes >= self.part_bytes && may_go) {
                self.flush(true);
            }
            match self.decide_batch(batch) {
                Ok(decided) => outcomes.push(decided),
                // What came before in the same call may be durable by now.
                Err(unavailable) if unavailable.nothing_done() && !outcomes.is_empty() => {
                    return Err(Unavailable::LedgerUnavailable);
                }
                Err(unavailable) => return Err(unavailable),
            }
        }
        Ok(outcomes)
    }

    fn decide_batch(&mut self, batch: Batch) -> Result<Vec<Outcome>, Unavailable> {
        let now = self.now()?;
        self.expire(now)?;
        self.expire_for(batch.commands(), now)?;
        let bytes: usize = batch.commands().iter().map(record_bytes_max).sum();
        self.make_room(bytes + RECORD_BYTES_MAX, batch.commands().len() + 1)?;
        let records_before = self.journal.open_frame_records();
        let atomic_id = batch.atomic_id();
        let commands = batch.into_commands();
        let decided = self.work(|working, ticker| match atomic_id {
            None => independent(working, commands, ticker, now),
            Some(id) => atomic(working, id, commands, ticker, now),
        });
        decided.map_err(|error| {
            let unavailable = self.shared.unreadable(&error);
            if self.journal.open_frame_records() > records_before {
                // Commands before the one that could not be decided are.
                Unavailable::LedgerUnavailable
            } else {
                unavailable
            }
        })
    }

    /// The present time, if it is to be believed.
    fn now(&mut self) -> Result<Timestamp, Unavailable> {
        let now = self.clock.now();
        let is_believed = self.shared.clock_ahead_s.load(Ordering::Relaxed) == 0;
        if is_believed && self.clock_guard.is_near(now) {
            return Ok(now);
        }
        let judged = self.clock_guard.judge(now, self.clock.uptime());
        let ahead_s = judged.map_or_else(|jumped| jumped.ahead.as_secs().max(1), |_| 0);
        if self.shared.clock_ahead_s.swap(ahead_s, Ordering::Relaxed) != ahead_s {
            self.metrics.clock_ahead(ahead_s);
        }
        let jumped = match judged {
            Ok(now) => return Ok(now),
            Err(jumped) => jumped,
        };
        self.shared.set_status(Status::ClockJumped);
        if let Some(held_back) = self.shared.warnings.clock.pass() {
            if jumped.leaves_no_room {
                tracing::error!(
                    ahead_s,
                    held_back,
                    "the clock, or the newest record, is past the last time that leaves room for a \
                     hold: no writes are taken. Set the clock right; where records have such \
                     times, restore the ledger from before"
                );
            } else {
                tracing::error!(
                    ahead_s,
                    held_back,
                    "the clock jumped {ahead_s} s ahead of what was expected: no writes are taken \
                     and nothing expires. Set the clock right and it goes on by itself; if it is \
                     right, restart with --accept-clock"
                );
            }
        }
        Err(Unavailable::ClockJumped)
    }

    fn begin_expiring(&mut self) {
        self.expiring = Expiring {
            left: ROUND_EXPIRIES,
            has_backlog: false,
            call_left: CALL_EXPIRIES_MAX,
            walk: DueWalk::default(),
        };
    }

    /// Applies what is due at `now`, the oldest first, as far as the round goes.
    fn expire(&mut self, now: Timestamp) -> Result<(), Unavailable> {
        while let Some(pending_id) = self.draft.expiries.due(now) {
            if self.expiring.left == 0 {
                self.expiring.has_backlog = true;
                return Ok(());
            }
            self.expiring.left -= 1;
            self.expire_one(pending_id, now)?;
        }
        Ok(())
    }

    /// Applies of what is due at `now` and beyond the round all that these commands depend upon.
    fn expire_for(&mut self, commands: &[Command], now: Timestamp) -> Result<(), Unavailable> {
        if self.draft.expiries.due(now).is_none() {
            return Ok(());
        }
        let call_left = self.expiring.call_left;
        let mut walk = std::mem::take(&mut self.expiring.walk);
        let needed = self.work(|working, _| {
            let expiries = &working.draft.expiries;
            expiries.due_for(working, commands, now, call_left, &mut walk)
        });
        for pending_id in needed.pending_ids {
            // Where this fails the walk is begun anew: not all that it found is expired.
            self.expire_one(pending_id, now)?;
            self.expiring.call_left -= 1;
        }
        if needed.are_all {
            self.expiring.walk = walk;
            Ok(())
        } else {
            Err(Unavailable::Overloaded)
        }
    }

    fn expire_one(&mut self, pending_id: TransferId, now: Timestamp) -> Result<(), Unavailable> {
        self.make_room(RECORD_BYTES_MAX, 1)?;
        let mut outcomes = Vec::with_capacity(1);
        let expired = self.work(|working, ticker| {
            let command = Command::Expire { pending_id };
            decide_command(working, command, ticker, now, &mut outcomes)
        });
        match expired {
            Ok(()) => match outcomes.as_slice() {
                [
                    Outcome {
                        result: Ok(_),
                        replayed: false,
                    },
                ] => self.metrics.expired(),
                other => unreachable!("a due pending transfer expires: {other:?}"),
            },
            Err(error) => {
                if let Some(held_back) = self.shared.warnings.damage.pass() {
                    tracing::error!(
                        %error, %pending_id, held_back,
                        "a pending transfer that is due could not be read; it is tried again later"
                    );
                }
                let retry_s = match error.unavailable() {
                    Unavailable::StorageDamaged => UNREADABLE_RETRY_S,
                    _ => SHORTAGE_RETRY_S,
                };
                let later = now.plus_seconds(retry_s);
                self.draft.expiries.postpone(pending_id, later);
            }
        }
        Ok(())
    }

    /// What is done when nothing has arrived for a while.
    fn idle(&mut self) {
        self.begin_expiring();
        if self.journal.failure().is_some() {
            return;
        }
        if let Err(unavailable) = self.now().and_then(|now| self.expire(now))
            && let Some(held_back) = self.shared.warnings.waiting.pass()
        {
            let code = unavailable.code();
            tracing::warn!(code, held_back, "due expiries wait");
        }
        self.flush(false);
        self.look_for_space();
    }

    /// Whoever is told by the status alone that nothing can be written sends no more writes, which
    /// would show that it can again: so room is looked for, enough for any one command.
    fn look_for_space(&mut self) {
        if self.shared.status().passes()
            && self.now().is_ok()
            && self.make_room(3 * RECORD_BYTES_MAX, 2).is_ok()
        {
            tracing::info!("writes are taken again");
        }
    }

    /// Runs `work` on the state that decisions are made upon.
    fn work<T>(&mut self, work: impl FnOnce(&mut Working<'_, S>, &mut Ticker) -> T) -> T {
        let Self {
            journal,
            shared,
            ticker,
            draft,
            ..
        } = self;
        let books = shared.books.read();
        let mut working = Working::new(&books, draft, journal, &shared.reader);
        work(&mut working, ticker)
    }
}

fn independent<S: Storage>(
    working: &mut Working<'_, S>,
    commands: Vec<Command>,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<Vec<Outcome>, LookupError> {
    // Outcomes are large: each is put where it stays.
    let mut outcomes = Vec::with_capacity(commands.len());
    let slots = working.warm(&commands);
    for (command, slots) in commands.into_iter().zip(slots) {
        working.draft.expect(slots);
        decide_command(working, command, ticker, now, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// Decides a command and adds its outcome to the others.
fn decide_command<S: Storage>(
    working: &mut Working<'_, S>,
    command: Command,
    ticker: &mut Ticker,
    now: Timestamp,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), LookupError> {
    let decision = decide(working, command, ticker.peek(now));
    if let Some(failure) = working.take_failure() {
        return Err(failure);
    }
    match decision {
        Decision::Event(event) => {
            ticker.tick(now);
            working.record(&event, None);
            outcomes.push(outcome_of(event));
        }
        Decision::Exists(outcome) => outcomes.push(outcome),
        Decision::Refused(refusal) => outcomes.push(Outcome::refused(refusal)),
    }
    Ok(())
}

fn atomic<S: Storage>(
    working: &mut Working<'_, S>,
    id: BatchId,
    commands: Vec<Command>,
    ticker: &mut Ticker,
    now: Timestamp,
) -> Result<Vec<Outcome>, LookupError> {
    let before = *ticker;
    let decision = decide_atomic(working, id, commands, ticker, now);
    if let Some(failure) = working.take_failure() {
        *ticker = before;
        return Err(failure);
    }
    let (events, batch) = match decision {
        AtomicDecision::Outcomes(outcomes) => return Ok(outcomes),
        AtomicDecision::Events(events, batch) => (events, batch),
    };
    let mut first: Option<Address> = None;
    for event in &events {
        let address = working.record(event, None);
        first.get_or_insert(address);
    }
    let failed = batch.failed_outcomes();
    working.record(&Event::Batch(batch), first);
    Ok(failed.unwrap_or_else(|| events.into_iter().map(outcome_of).collect()))
}

fn outcome_of(event: Event) -> Outcome {
    match event.into_outcome() {
        Some(outcome) => outcome,
        None => unreachable!("the event of a command has an outcome"),
    }
}
