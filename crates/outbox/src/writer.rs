//! The one writer thread: gather, write, sync, queue, answer — in this order.
//!
//! A round takes what has arrived as one frame with one write and one sync. Nothing is decided
//! here, so nothing waits for the ledger. Marks ride in frames that are written anyway; where none
//! is, the writer adds one at its next tick.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use hashbrown::HashMap;
use journal::{Address, Storage};
use ledger::{Clock, Refusal, TransferId, Unavailable};
use tokio::sync::oneshot;

use crate::log::{Log, NoRoom, Stored};
use crate::metrics::Metrics;
use crate::operation::{Accepted, NotAccepted, Operation, OperationState};
use crate::queue::Known;
use crate::record::{Record, decode, of_operation};
use crate::shared::Shared;
use crate::status::OutboxStatus;

/// A frame is closed once it has this many bytes: what waits is answered in a few milliseconds.
const ROUND_BYTES: usize = 128 << 10;
/// A round takes no more than this of requests, those that leave no record included.
const ROUND_REQUESTS: usize = 4_096;
/// How often gauges are set, space is looked for where there was none, and a mark is written where
/// no frame takes it along.
const TICK: Duration = Duration::from_millis(250);
/// As long as the longest record: whether there is room again.
const PROBE_BYTES: usize = 1 << 10;

/// What a caller is answered.
pub(crate) type Answer = Result<Accepted, NotAccepted>;

/// An operation that waits to be made durable.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    /// Past it the operation is not taken any more.
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// An answer that waits for the round's sync.
struct Waiting {
    to: oneshot::Sender<Answer>,
    answer: Answer,
    /// Whether it is only true if the open frame becomes durable.
    needs_frame: bool,
}

/// What the writer thread owns.
pub(crate) struct Writer<S: Storage> {
    log: Log<S>,
    shared: Arc<Shared<S>>,
    requests: Receiver<Request>,
    /// Closes when the queue need not be waited for any more.
    stopped: Receiver<()>,
    operations_max: usize,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    waiting: Vec<Waiting>,
    /// The operations of the open frame.
    frame: Vec<Stored>,
    frame_ids: HashMap<TransferId, Address>,
    buffer: Vec<u8>,
    ticked: Instant,
}

impl<S: Storage> Writer<S> {
    pub(crate) fn new(
        log: Log<S>,
        shared: Arc<Shared<S>>,
        (requests, stopped): (Receiver<Request>, Receiver<()>),
        operations_max: usize,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            log,
            shared,
            requests,
            stopped,
            operations_max,
            clock,
            metrics,
            waiting: Vec::new(),
            frame: Vec::new(),
            frame_ids: HashMap::new(),
            buffer: Vec::new(),
            ticked: Instant::now(),
        }
    }

    /// Works until no request can come any more and nobody waits for the queue.
    pub(crate) fn run(mut self) {
        self.metrics.bytes(self.log.bytes());
        loop {
            match self.next_request() {
                Ok(request) => self.round(request),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shared.is_sealed.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
        while self.stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            self.tick();
        }
        self.tick();
    }

    fn next_request(&self) -> Result<Request, RecvTimeoutError> {
        let is_idle = {
            let queue = self.shared.queue.lock();
            queue.is_empty() && queue.progress().0 <= self.log.marked_before()
        };
        if is_idle && self.shared.status() == OutboxStatus::Ready {
            let received = self.requests.recv();
            received.map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.requests.recv_timeout(TICK)
        }
    }

    fn round(&mut self, first: Request) {
        let now = Instant::now();
        let mut next = Some(first);
        while let Some(request) = next {
            self.take(request, now);
            let has_room = self.log.open_frame_bytes() < ROUND_BYTES;
            next = if has_room && self.waiting.len() < ROUND_REQUESTS {
                self.requests.try_recv().ok()
            } else {
                None
            };
        }
        self.flush();
    }

    /// Puts one operation into the open frame, or finds why not; its answer waits for the flush.
    fn take(&mut self, request: Request, now: Instant) {
        let operation = &request.operation;
        let (answer, needs_frame) = if request.deadline <= now {
            (Err(unavailable(Unavailable::Overloaded)), false)
        } else if let Some(address) = self.frame_ids.get(&operation.id()) {
            let first = self.log.pushed(*address);
            let first = first.expect("the open frame holds each operation whose id it holds");
            (repeated(first, operation), true)
        } else {
            let known = self.shared.queue.lock().known(operation.id());
            match known {
                Some(known) => (self.known(&known, operation), false),
                None => match self.add(operation) {
                    Ok(()) => (Ok(queued(false)), true),
                    Err(why) => (Err(unavailable(why)), false),
                },
            }
        };
        self.waiting.push(Waiting {
            to: request.answer,
            answer,
            needs_frame,
        });
    }

    fn known(&mut self, known: &Known, operation: &Operation) -> Answer {
        match known {
            Known::Queued(address) => match self.shared.read(*address, &mut self.buffer) {
                Ok(first) => compare(&first, operation, queued(true)),
                Err(error) => {
                    tracing::error!(%error, "cannot read a queued operation: {error}");
                    Err(unavailable(error.unavailable()))
                }
            },
            Known::Answered(first, state) => compare(
                first,
                operation,
                Accepted {
                    replayed: true,
                    state: *state,
                },
            ),
        }
    }

    /// Adds a new operation to the open frame.
    fn add(&mut self, operation: &Operation) -> Result<(), Unavailable> {
        match self.shared.status() {
            OutboxStatus::StorageFailed => return Err(Unavailable::StorageFailed),
            OutboxStatus::StorageDamaged => return Err(Unavailable::StorageDamaged),
            OutboxStatus::Ready | OutboxStatus::Overloaded | OutboxStatus::StorageFull => {}
        }
        let record = of_operation(operation.command());
        if !self.log.fits(record.len()) {
            self.write();
            self.make_room(record.len())?;
        }
        if self.shared.queue.lock().len() + self.frame.len() >= self.operations_max {
            self.set_status(OutboxStatus::Overloaded);
            return Err(Unavailable::Overloaded);
        }
        let (address, number) = self.log.push(&record);
        self.frame_ids.insert(operation.id(), address);
        self.frame.push(Stored {
            id: operation.id(),
            address,
            number,
            accepted: self.clock.now(),
        });
        Ok(())
    }

    fn make_room(&mut self, record_bytes: usize) -> Result<(), Unavailable> {
        let (status, why) = match self.log.begin(record_bytes) {
            Ok(()) => return Ok(()),
            // The journal says why.
            Err(NoRoom::Quota | NoRoom::Short) => {
                (OutboxStatus::Overloaded, Unavailable::Overloaded)
            }
            // The disk is slow: soon again.
            Err(NoRoom::Late) => return Err(Unavailable::Overloaded),
            Err(NoRoom::Full) => (OutboxStatus::StorageFull, Unavailable::StorageFull),
            Err(NoRoom::Failed(failure)) => {
                tracing::error!(%failure, "the outbox accepts no more operations until a restart: {failure}");
                (OutboxStatus::StorageFailed, Unavailable::StorageFailed)
            }
        };
        self.set_status(status);
        Err(why)
    }

    fn set_status(&self, status: OutboxStatus) {
        if self.shared.set_status(status) {
            tracing::info!(
                status = status.as_str(),
                "the outbox is {}",
                status.as_str()
            );
        }
    }

    /// Writes the open frame, and answers all that waits.
    fn flush(&mut self) {
        self.write();
        for waiting in self.waiting.drain(..) {
            // Who does not wait any more learns the outcome by asking.
            let _ = waiting.to.send(waiting.answer);
        }
        if self.ticked.elapsed() >= TICK {
            self.tick();
        }
    }

    /// Makes the open frame durable and queues its operations.
    fn write(&mut self) {
        if !self.log.has_open_frame() {
            return;
        }
        let started = Instant::now();
        let (before, oldest) = self.shared.queue.lock().progress();
        if before > self.log.marked_before() {
            self.log.push_mark(oldest.as_ref().or(self.frame.first()));
        }
        let committed = self.log.commit(self.clock.now());
        self.frame_ids.clear();
        let frame = std::mem::take(&mut self.frame);
        match committed {
            Ok(()) => {
                self.metrics.accepted(frame.len(), started.elapsed());
                self.shared.queue.lock().extend(frame);
                self.shared.arrived.notify_one();
            }
            Err(error) => {
                tracing::error!(%error, "the outbox accepts no more operations until a restart: {error}");
                self.set_status(OutboxStatus::StorageFailed);
                for waiting in self.waiting.iter_mut().filter(|one| one.needs_frame) {
                    waiting.answer = Err(unavailable(Unavailable::StorageFailed));
                }
            }
        }
        for waiting in &mut self.waiting {
            waiting.needs_frame = false;
        }
    }

    /// What is due now and then.
    fn tick(&mut self) {
        self.ticked = Instant::now();
        let (before, oldest) = self.shared.queue.lock().progress();
        let oldest = oldest.as_ref();
        if self.log.is_mark_due(before, oldest) && self.log.begin_mark().is_ok() {
            self.log.push_mark(oldest);
            if let Err(error) = self.log.commit(self.clock.now()) {
                tracing::error!(%error, "the outbox accepts no more operations until a restart: {error}");
                self.set_status(OutboxStatus::StorageFailed);
            }
        }
        let is_refusing = matches!(
            self.shared.status(),
            OutboxStatus::Overloaded | OutboxStatus::StorageFull
        );
        let has_space = self.shared.queue.lock().len() < self.operations_max;
        if is_refusing && has_space && self.make_room(PROBE_BYTES).is_ok() {
            self.set_status(OutboxStatus::Ready);
        }
        let now = self.clock.now();
        self.metrics.queue(&self.shared.queue.lock(), now);
        self.metrics.bytes(self.log.bytes());
    }
}

const fn queued(replayed: bool) -> Accepted {
    Accepted {
        replayed,
        state: OperationState::Queued,
    }
}

const fn unavailable(why: Unavailable) -> NotAccepted {
    NotAccepted::Unavailable(why)
}

/// The answer to an operation whose id an operation of the open frame has.
fn repeated(first: &[u8], operation: &Operation) -> Answer {
    match decode(first) {
        Ok(Record::Operation(first)) => compare(&first, operation, queued(true)),
        _ => unreachable!("the writer has just put an operation there"),
    }
}

/// The answer to an operation whose id `first` has.
fn compare(first: &ledger::Command, operation: &Operation, answer: Accepted) -> Answer {
    match first.first_difference(operation.command()) {
        None => Ok(answer),
        Some(field) => Err(NotAccepted::Refused(Refusal::ExistsWithDifferent(field))),
    }
}
