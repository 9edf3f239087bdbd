//! Micro-batches: what waits goes together in one call.
//!
//! A call is started as soon as something waits and none is in flight. While one is in flight, what
//! arrives waits for its end, except where so much waits that another call is worth its cost.
//!
//! A call's deadline is that of its most pressing request, on the ledger's clock: nothing in it is
//! begun after somebody has been answered `timeout`. What had more time goes again.
//!
//! A call has one answer where the ledger does not apply it. There are ledgers that do no payments, or
//! that purge none, and say so of the whole call: so each [`Line`] has calls of its own. Where something
//! that one request needs is damaged, or this node's key may not do what one asks for, the ledger says so of
//! the whole call, too: then the call is made again by halves, so that the others are answered. A ledger that
//! had applied a part before it met the damage says only that it cannot answer: of that too halves are made,
//! where all may be given twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use ledger::{Batch, Command, Unavailable};
use parking_lot::Mutex;
use proto::{CallFailure, Method, submit};
use tokio::sync::oneshot;
use trace::Places;

use crate::call::CallError;
use crate::link::{self, Link, RETRY_PAUSE};
use crate::metrics::Metrics;
use crate::traced;

/// About how many bytes go in one call; a single request may have more. What waits beyond it goes
/// in another one, which the ledger decides while it syncs this one.
const CALL_BYTES: usize = 128 * 1024;
/// How many commands go in one call; a single request may have more.
const CALL_COMMANDS: usize = 16_384;
/// How many bytes have to wait for a call beside those in flight.
const WORTH_BYTES: usize = 32 * 1024;
/// A request with less time left than this would only make those late that go with it.
const LEAST_LEFT: Duration = Duration::from_millis(2);

/// So many calls in a row that the ledger could not answer are made again by halves: enough to find
/// one damaged record among the most requests of a call. More often it is the ledger that fails.
const HALVINGS_MAX: u32 = 16;

/// What a request is answered: its part of the call's answer.
pub(crate) type Answer = Result<Bytes, Unavailable>;

/// Batches as they go on their way.
pub(crate) struct Parcel {
    /// The batches, encoded.
    pub(crate) message: Vec<u8>,
    pub(crate) batches_count: usize,
    pub(crate) commands_count: usize,
    /// Whether they may be given twice.
    pub(crate) repeatable: bool,
    pub(crate) line: Line,
    pub(crate) deadline: Instant,
    /// The traced request that they are of, if it is traced.
    pub(crate) places: Option<Places>,
}

/// A parcel that somebody waits for.
struct Request {
    parcel: Parcel,
    answer: oneshot::Sender<Answer>,
    /// Whether a call that had it may have reached the ledger.
    may_have_arrived: bool,
}

impl Request {
    /// What may have been applied by an earlier call is never "nothing done".
    fn refuse(self, unavailable: Unavailable) {
        let answer = if self.may_have_arrived {
            unavailable.after_unknown_attempt()
        } else {
            unavailable
        };
        let _ = self.answer.send(Err(answer));
    }

    fn has_time(&self, now: Instant) -> bool {
        self.parcel.deadline > now + LEAST_LEFT
    }
}

/// What may go together in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// What is about no payment.
    Transfers,
    /// What is about payments.
    Payments,
    /// Purges of payments.
    Purges,
}

impl Line {
    const COUNT: usize = 3;

    /// The line of these batches: that of the most particular among them.
    pub(crate) fn of(batches: &[Batch]) -> Self {
        let commands = || batches.iter().flat_map(Batch::commands);
        if commands().any(|command| matches!(command, Command::PurgePayments { .. })) {
            Self::Purges
        } else if batches.iter().any(Batch::has_payments) {
            Self::Payments
        } else {
            Self::Transfers
        }
    }
}

#[derive(Default)]
struct Waiting {
    lines: [VecDeque<Request>; Line::COUNT],
    /// Which line the next call is for, where something waits in several.
    turn: usize,
    bytes: usize,
    calls_count: usize,
}

impl Waiting {
    fn line(&mut self, parcel: &Parcel) -> &mut VecDeque<Request> {
        &mut self.lines[parcel.line as usize]
    }

    /// Fills a call from one line, in order.
    fn call(&mut self, line: usize, now: Instant) -> Vec<Request> {
        let (mut bytes, mut commands_count, mut requests) = (0, 0, Vec::new());
        while let Some(request) = self.lines[line].pop_front() {
            let parcel = &request.parcel;
            let is_full = bytes + parcel.message.len() > CALL_BYTES
                || commands_count + parcel.commands_count > CALL_COMMANDS;
            if is_full && !requests.is_empty() {
                self.lines[line].push_front(request);
                break;
            }
            self.bytes -= parcel.message.len();
            // Who does not wait any more has been answered `timeout`: it is not begun.
            if request.has_time(now) && !request.answer.is_closed() {
                bytes += parcel.message.len();
                commands_count += parcel.commands_count;
                requests.push(request);
            } else {
                request.refuse(Unavailable::Timeout);
            }
        }
        requests
    }
}

/// The way of writes to the ledger.
pub(crate) struct Gather {
    link: Link,
    waiting: Mutex<Waiting>,
    queue_bytes_max: usize,
    calls_max: usize,
    metrics: Arc<Metrics>,
}

impl Gather {
    pub(crate) fn new(
        link: Link,
        queue_bytes_max: usize,
        calls_max: usize,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            waiting: Mutex::default(),
            queue_bytes_max,
            calls_max: calls_max.max(1),
            metrics,
        })
    }

    /// Puts encoded batches on their way, or says why not.
    pub(crate) fn push(
        self: &Arc<Self>,
        parcel: Parcel,
    ) -> Result<oneshot::Receiver<Answer>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        // A request that is larger than the whole queue may still go through alone.
        let bytes = parcel.message.len();
        if waiting.bytes > 0 && waiting.bytes + bytes > self.queue_bytes_max {
            return Err(Unavailable::Overloaded);
        }
        waiting.bytes += bytes;
        waiting.line(&parcel).push_back(Request {
            parcel,
            answer,
            may_have_arrived: false,
        });
        let starts = match waiting.calls_count {
            0 => true,
            calls_count => calls_count < self.calls_max && waiting.bytes >= WORTH_BYTES,
        };
        if starts {
            waiting.calls_count += 1;
            drop(waiting);
            tokio::spawn(Arc::clone(self).call());
        }
        Ok(answered)
    }

    /// Makes one call after the other, as long as something waits.
    async fn call(self: Arc<Self>) {
        // What is left of a call that is made again by halves.
        let mut parts: Vec<Vec<Request>> = Vec::new();
        // How many calls in a row the ledger left unanswered without saying why.
        let mut unexplained_count = 0;
        loop {
            let wire = self.link.wire().await;
            let part = std::iter::from_fn(|| parts.pop()).find_map(|part| self.take_part(part));
            let Some(requests) = part.or_else(|| self.take()) else {
                return;
            };
            let mut wire = match wire {
                Ok(wire) => wire,
                Err(unavailable) => {
                    refuse(requests, unavailable);
                    continue;
                }
            };
            let message = assemble(&requests);
            let earliest = requests.iter().map(|request| request.parcel.deadline).min();
            let deadline = earliest.unwrap_or_else(Instant::now);
            let started = Instant::now();
            let places = requests.iter().filter_map(|one| one.parcel.places.as_ref());
            let spans = traced::submit(places, requests.len(), started);
            let calling = wire.call(&spans, Method::Submit, message, deadline);
            let answer = tokio::time::timeout_at(deadline.into(), calling).await;
            traced::end(spans, matches!(answer, Ok(Ok(_))));
            self.metrics
                .call_ends(matches!(answer, Ok(Ok(_))), started.elapsed());
            let failed = match answer {
                Ok(Ok(answer)) => {
                    unexplained_count = 0;
                    give(requests, answer);
                    continue;
                }
                Ok(Err(failed)) => Some(failed),
                Err(_) => None,
            };
            match failed {
                Some(CallError::NotSent) => {
                    self.again(requests, Unavailable::LedgerUnavailable, true);
                }
                Some(failed) if failed.is_of_other_clock() => {
                    wire.give_up();
                    self.again(requests, Unavailable::LedgerUnavailable, true);
                }
                Some(CallError::Lost) => {
                    self.again(requests, Unavailable::LedgerUnavailable, false);
                }
                // The most pressing one had no time left. The others go again.
                None => self.again(requests, Unavailable::Timeout, false),
                Some(failed) if failed.is_late() => {
                    self.again(requests, Unavailable::Timeout, false);
                }
                Some(CallError::Failed(failure)) => {
                    let unavailable = link::unavailable(failure, Method::Submit);
                    let mut requests = requests;
                    let is_of_one = matches!(
                        unavailable,
                        Unavailable::StorageDamaged | Unavailable::NodeNotAllowed
                    );
                    // What a ledger says of damage too that it met after it had applied a part.
                    let may_be_damaged = failure
                        == CallFailure::Ledger(Unavailable::LedgerUnavailable)
                        && unexplained_count < HALVINGS_MAX
                        && requests.iter().all(|request| request.parcel.repeatable);
                    if may_be_damaged {
                        unexplained_count += 1;
                        for request in &mut requests {
                            request.may_have_arrived = true;
                        }
                    }
                    if (is_of_one || may_be_damaged) && requests.len() > 1 {
                        parts.push(requests.split_off(requests.len() / 2));
                        parts.push(requests);
                    } else {
                        refuse(requests, unavailable);
                    }
                    continue;
                }
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// What goes in the next call of a part; `None` where all of it is late.
    fn take_part(&self, part: Vec<Request>) -> Option<Vec<Request>> {
        let now = Instant::now();
        let is_wanted = |it: &Request| it.has_time(now) && !it.answer.is_closed();
        let (requests, late): (Vec<_>, Vec<_>) = part.into_iter().partition(is_wanted);
        refuse(late, Unavailable::Timeout);
        if requests.is_empty() {
            return None;
        }
        let queue_bytes = self.waiting.lock().bytes;
        self.metrics.call_starts(requests.len(), queue_bytes);
        Some(requests)
    }

    /// What goes in the next call; `None` where nothing waits: then the call has ended.
    fn take(&self) -> Option<Vec<Request>> {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        for _ in 0..waiting.lines.len() {
            let line = waiting.turn;
            waiting.turn = (line + 1) % Line::COUNT;
            let requests = waiting.call(line, now);
            if !requests.is_empty() {
                self.metrics.call_starts(requests.len(), waiting.bytes);
                return Some(requests);
            }
        }
        waiting.calls_count -= 1;
        None
    }

    /// Puts the requests of a call without an answer in front of what waits, where they have time left
    /// and may be given again; the others are answered so.
    fn again(&self, requests: Vec<Request>, otherwise: Unavailable, nothing_done: bool) {
        let now = Instant::now();
        let (mut again, lost): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| {
            let allowed = nothing_done || request.parcel.repeatable;
            allowed && request.has_time(now) && !request.answer.is_closed()
        });
        refuse(lost, otherwise);
        for request in &mut again {
            request.may_have_arrived |= !nothing_done;
        }
        self.metrics.retried(again.len());
        let mut waiting = self.waiting.lock();
        for request in again.into_iter().rev() {
            waiting.bytes += request.parcel.message.len();
            waiting.line(&request.parcel).push_front(request);
        }
    }
}

/// The message of all these requests: their messages, one after the other.
fn assemble(requests: &[Request]) -> Bytes {
    let size: usize = requests.iter().map(|one| one.parcel.message.len()).sum();
    let mut message = proto::begin_frame();
    message.reserve_exact(size);
    for request in requests {
        message.extend_from_slice(&request.parcel.message);
    }
    proto::finish_frame(&mut message);
    message.into()
}

/// Gives each request its part of the answer.
fn give(requests: Vec<Request>, mut answer: Bytes) {
    for request in requests {
        let size = submit::response_size(&answer, request.parcel.batches_count);
        // An answer that is too short is for its reader to complain about.
        let part = answer.split_to(size.unwrap_or(answer.len()));
        let _ = request.answer.send(Ok(part));
    }
}

fn refuse(requests: Vec<Request>, unavailable: Unavailable) {
    for request in requests {
        request.refuse(unavailable);
    }
}
