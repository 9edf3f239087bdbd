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
use journal::{Journal, Storage};
use ledger::{
    Batch, Clock, ClockBounds, ClockGuard, Command, DueWalk, Outcome, PaymentId, RecordingState,
    Ticker, Timestamp, TransferId, Unavailable, apply, expire, preview,
};
use stdx::invariant;

use crate::draft::Draft;
use crate::keeper::Keeper;
use crate::metrics::{LedgerSize, Metrics};
use crate::queue::{Answer, Intent, Request, Waiting};
use crate::record::{RECORD_BYTES_MAX, batch_bytes_max};
use crate::shared::{Shared, Status};
use crate::syncer::{Happened, Syncer};
use crate::working::Working;
use pipeline::{Pipeline, ROUND_BYTES};

mod flush;
mod pipeline;
#[cfg(test)]
mod tests;

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
/// How often the writer looks for free space on a full disk while no request arrives.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);
/// After how long an expiry is tried again whose pending transfer could not be read.
const UNREADABLE_RETRY_S: u32 = 60;
/// The same if no file descriptor was free to read it with.
const SHORTAGE_RETRY_S: u32 = 1;

/// What the writer thread owns.
pub(crate) struct Writer<S: Storage> {
    // Its threads stop before the journal's lock is freed: fields are dropped in this order.
    keeper: Keeper<S>,
    pipeline: Pipeline<S>,
    shared: Arc<Shared<S>>,
    clock: Arc<dyn Clock>,
    clock_guard: ClockGuard,
    ticker: Ticker,
    waiting: Waiting,
    metrics: Metrics,
    expiring: Expiring,
}

/// What a writer goes on from: the journal that was opened, and the options it was opened with.
pub(crate) struct Beginning<S: Storage> {
    pub(crate) journal: Journal<S>,
    pub(crate) keeper: Keeper<S>,
    pub(crate) draft: Draft,
    pub(crate) syncer: Syncer<S>,
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) waiting: Waiting,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_bounds: ClockBounds,
    /// When the newest record was made.
    pub(crate) newest: Timestamp,
    pub(crate) frame_bytes_max: usize,
}

/// How far the due expiries of this round have come.
#[derive(Debug, Default)]
struct Expiring {
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
    pub(crate) fn new(beginning: Beginning<S>) -> Self {
        let Beginning {
            journal,
            keeper,
            draft,
            syncer,
            shared,
            waiting,
            clock,
            clock_bounds,
            newest,
            frame_bytes_max,
        } = beginning;
        let metrics = Metrics::new();
        let size = LedgerSize::of(&shared.books.read());
        metrics.ledger(journal.head().sequence, size);
        Self {
            keeper,
            pipeline: Pipeline::new(journal, draft, syncer, frame_bytes_max),
            shared,
            clock,
            clock_guard: ClockGuard::after(newest, clock_bounds),
            ticker: Ticker::after(newest),
            waiting,
            metrics,
            expiring: Expiring::default(),
        }
    }

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
        while self.pipeline.is_in_flight() {
            match self.pipeline.syncer.wait_or(&self.waiting.receiver) {
                Happened::Arrived(request) => return Ok(request),
                Happened::Written(written) => self.landed(written),
                Happened::Closed => self.land(),
            }
        }
        let receiver = &self.waiting.receiver;
        let is_copying = self.keeper.takes_pendings() && self.pipeline.journal.failure().is_none();
        if self.expiring.has_backlog || is_copying {
            let received = receiver.try_recv();
            received.map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        } else if !self.pipeline.draft.expiries.is_empty() {
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
                || self.pipeline.is_full(|| !self.waiting.receiver.is_empty())
                || self.expiring.is_round_full();
            next = if is_full { None } else { self.next_of_round() };
        }
        self.metrics.queue_bytes(self.waiting.bytes());
        self.flush(!self.waiting.receiver.is_empty());
    }

    /// What has arrived or, while the open frame has to wait for the one before it, arrives.
    fn next_of_round(&mut self) -> Option<Request> {
        while self.pipeline.is_in_flight() {
            match self.pipeline.syncer.wait_or(&self.waiting.receiver) {
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
            intent,
            mut notes,
            ..
        } = request;
        if let Some(notes) = &mut notes {
            notes.taken();
        }
        self.expiring.call_left = CALL_EXPIRIES_MAX;
        let result = if deadline <= Instant::now() {
            Err(Unavailable::Overloaded)
        } else {
            match intent {
                Intent::Apply => self.decide_all(batches),
                Intent::Preview => self.preview(batches),
            }
        };
        self.pipeline.answer_later(answer, result, notes);
    }

    fn decide_all(&mut self, batches: Vec<Batch>) -> Answer {
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            // A call may hold more than a round of them.
            self.land_if_written();
            if self.pipeline.is_full(|| true) {
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

    /// What the batches would be answered here. What is due expires as it would.
    fn preview(&mut self, batches: Vec<Batch>) -> Answer {
        let now = self.now()?;
        self.expire(now)?;
        for batch in &batches {
            self.expire_for(batch.commands(), now)?;
        }
        let previewed = self.work(|working, ticker| {
            let outcomes = preview(working, batches, *ticker, now);
            working.take_lookup_error().map_or(Ok(outcomes), Err)
        });
        previewed.map_err(|error| self.shared.unreadable(&error))
    }

    fn decide_batch(&mut self, batch: Batch) -> Result<Vec<Outcome>, Unavailable> {
        let now = self.now()?;
        self.expire(now)?;
        self.expire_for(batch.commands(), now)?;
        let bytes = batch_bytes_max(&batch, |id| self.open_payment_notes_bytes(id));
        self.make_room(bytes, batch.commands().len() + 1)?;
        let records_before = self.pipeline.journal.open_frame_records();
        let decided = self.work(|working, ticker| apply(working, batch, ticker, now));
        decided.map_err(|error| {
            let unavailable = self.shared.unreadable(&error);
            if self.pipeline.journal.open_frame_records() > records_before {
                // Commands before the one that could not be decided are.
                Unavailable::LedgerUnavailable
            } else {
                unavailable
            }
        })
    }

    /// How much notes the payment has, if it is open.
    fn open_payment_notes_bytes(&self, id: PaymentId) -> usize {
        let drafted = self.pipeline.draft.payment(id);
        let books = self.shared.books.read();
        let payment = drafted.or_else(|| books.payments.get(id));
        payment.map_or(0, |payment| payment.notes.size_bytes())
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
                    "the clock, or the time of the newest record, is too late for a pending \
                     transfer to end after it: writes are refused. Set the clock right; if records \
                     have such times, restore an earlier copy of the ledger"
                );
            } else {
                tracing::error!(
                    ahead_s,
                    held_back,
                    "the clock jumped {ahead_s} s ahead of what was expected: writes are refused and \
                     nothing expires. Set the clock right, and writes are accepted again; if it is \
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
        while let Some(pending_id) = self.pipeline.draft.expiries.due(now) {
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
        if self.pipeline.draft.expiries.due(now).is_none() {
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
        let expired = self.work(|working, ticker| expire(working, pending_id, ticker, now));
        match expired {
            Ok(is_expired) => {
                invariant!(is_expired, "what has a time is pending");
                self.metrics.expired();
            }
            Err(error) => {
                if let Some(held_back) = self.shared.warnings.damage.pass() {
                    tracing::error!(
                        %error, %pending_id, held_back,
                        "a pending transfer that has to expire could not be read: trying again later"
                    );
                }
                let retry_s = match error.unavailable() {
                    Unavailable::StorageDamaged => UNREADABLE_RETRY_S,
                    _ => SHORTAGE_RETRY_S,
                };
                let later = now.plus_seconds(retry_s);
                self.pipeline.draft.expiries.postpone(pending_id, later);
            }
        }
        Ok(())
    }

    /// What is done when nothing has arrived for a while.
    fn idle(&mut self) {
        self.begin_expiring();
        if self.pipeline.journal.failure().is_some() {
            return;
        }
        if let Err(unavailable) = self.now().and_then(|now| self.expire(now))
            && let Some(held_back) = self.shared.warnings.waiting.pass()
        {
            let code = unavailable.code();
            tracing::warn!(
                code,
                held_back,
                "pending transfers that are due cannot be expired now"
            );
        }
        self.flush(false);
        self.look_for_space();
    }

    /// A caller that goes by the status sends no writes while nothing can be written, and a write is
    /// what would show that it can again: so the writer looks for room itself, enough for any one
    /// command.
    fn look_for_space(&mut self) {
        if self.shared.status().passes()
            && self.now().is_ok()
            && self.make_room(3 * RECORD_BYTES_MAX, 2).is_ok()
        {
            tracing::info!("writes are accepted again");
        }
    }

    /// Runs `work` on the state that decisions are made upon.
    fn work<T>(&mut self, work: impl FnOnce(&mut Working<'_, S>, &mut Ticker) -> T) -> T {
        let Self {
            pipeline: Pipeline { journal, draft, .. },
            shared,
            ticker,
            ..
        } = self;
        let books = shared.books.read();
        let mut working = Working::new(&books, draft, journal, &shared.reader);
        work(&mut working, ticker)
    }
}
