//! The way to the ledger: connected, or being connected again with back-off.
//!
//! A connection that says nothing may be cut without either end being told. So the ledger is asked
//! for its clock every [`PROBE_INTERVAL`]: within [`PROBE_TIMEOUT`] and that of the cut, [`Link::is_up`]
//! is false. The connection itself is given up later, by HTTP/2's pings: a slow answer is no reason
//! to lose the calls that are under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use ledger::{LedgerId, Unavailable};
use proto::{CallFailure, GrpcCode, Message, Method, v1};
use stdx::{BackOff, Throttle};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use trace::Spans;

use crate::address::LedgerAddress;
use crate::call::{self, CallError};
use crate::clock::{LedgerClock, Reading};
use crate::connect::{Connection, Sender, connect};
use crate::key::LedgerKey;
use crate::metrics::Metrics;
use crate::tls::Tls;
use crate::traced;

/// How long one attempt may take to connect and to be answered: the kernel sends a lost first packet
/// again after 1 s and after 3 s, and there has to be time left for the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);
/// After how long of an attempt's silence another one is begun beside it. A packet that was lost a
/// moment before the network healed costs no more than this.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(400);
/// How long after a failed attempt the next one follows: at first, and at most.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);
/// A connection that was lost sooner than this counts as a failed attempt.
const STABLE_AFTER: Duration = Duration::from_secs(1);
/// How often the ledger is asked whether it lives, and how long it may take to answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a lost call waits before it is made again: where only the call was lost and not the
/// connection, nothing else would slow its repetitions down.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// A connection over which the ledger has answered, as calls use it.
#[derive(Clone)]
pub(crate) struct Wire {
    sender: Sender,
    key: Option<LedgerKey>,
    peer: Arc<Peer>,
}

/// What is known of the process at the other end of a connection.
struct Peer {
    clock: LedgerClock,
    /// Which ledger it has; `None` from an older version, which does not say it.
    ledger_id: Option<LedgerId>,
    /// Whether it answered when it was last asked.
    answers: AtomicBool,
    given_up: Notify,
}

impl Wire {
    /// Makes a call with a deadline on the ledger's clock, for these spans.
    pub(crate) async fn call(
        &mut self,
        spans: &Spans,
        method: Method,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let (key, clock) = (self.key.as_ref(), Some(&self.peer.clock));
        let traces = spans.headers();
        let sender = &mut self.sender;
        call::call(sender, key, clock, traces, method, message, deadline).await
    }

    /// Has the connection made anew: another process answers over it than at its start.
    pub(crate) fn give_up(&self) {
        self.peer.given_up.notify_one();
    }
}

#[derive(Clone)]
enum State {
    /// Not connected since then.
    Down(Instant),
    Up(Wire),
    /// The engine is gone.
    Closed,
}

/// The way to the ledger, as calls use it.
#[derive(Clone)]
pub(crate) struct Link {
    state: watch::Receiver<State>,
    /// Whether the ledger that was met last is not the one that is expected.
    meets_other: Arc<AtomicBool>,
    /// How long being down is taken for a moment that can be waited out.
    patience: Duration,
}

/// Keeps a [`Link`] connected until it is dropped.
pub(crate) struct Keeper {
    state: watch::Sender<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
        self.state.send_replace(State::Closed);
    }
}

/// What is connected to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: LedgerAddress,
    pub(crate) tls: Option<Tls>,
    pub(crate) key: Option<LedgerKey>,
    /// The one ledger that calls are for, if that is known.
    pub(crate) expected: Option<LedgerId>,
}

/// A link to this ledger, being connected.
pub(crate) fn link(target: Target, patience: Duration, metrics: Arc<Metrics>) -> (Link, Keeper) {
    let (sender, receiver) = watch::channel(State::Down(Instant::now()));
    let meets_other = Arc::new(AtomicBool::new(false));
    let keeping = keep(target, sender.clone(), Arc::clone(&meets_other), metrics);
    let link = Link {
        state: receiver,
        meets_other,
        patience,
    };
    let keeper = Keeper {
        state: sender,
        task: tokio::spawn(keeping),
    };
    (link, keeper)
}

async fn keep(
    target: Target,
    state: watch::Sender<State>,
    meets_other: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
) {
    let address = &target.address;
    let mut back_off = BackOff::new(BACK_OFF_MIN, BACK_OFF_MAX);
    loop {
        let (wire, ends) = connected(&target, &meets_other, &mut back_off).await;
        let since = Instant::now();
        tracing::info!(ledger = %address, "connected to the ledger node at {address}");
        metrics.up(true);
        state.send_replace(State::Up(wire.clone()));
        stay(&wire, ends, address, &metrics).await;
        metrics.up(false);
        state.send_replace(State::Down(Instant::now()));
        tracing::warn!(ledger = %address, "lost the connection to the ledger node at {address}: requests fail until it is back");
        if since.elapsed() >= STABLE_AFTER {
            back_off.reset();
        } else {
            tokio::time::sleep(back_off.pause()).await;
        }
    }
}

/// Connects, however often it has to be tried. An attempt that is not answered goes on beside the
/// next ones: the first that is answered counts.
async fn connected(
    target: &Target,
    meets_other: &AtomicBool,
    back_off: &mut BackOff,
) -> (Wire, Connection) {
    let mut attempts = JoinSet::new();
    let mut reported = None;
    loop {
        let to = target.clone();
        attempts.spawn(async move { tokio::time::timeout(ATTEMPT_TIMEOUT, answering(to)).await });
        let (error, is_silent) =
            match tokio::time::timeout(ATTEMPT_INTERVAL, attempts.join_next()).await {
                Ok(Some(Ok(Ok(Ok(connected))))) => {
                    meets_other.store(false, Ordering::Relaxed);
                    return connected;
                }
                Ok(Some(Ok(Ok(Err(error))))) => (error, false),
                Ok(Some(Ok(Err(late)))) => (NotConnected::Failed(late.to_string()), true),
                Ok(Some(Err(panicked))) => (NotConnected::Failed(panicked.to_string()), false),
                // The others go on: the last one has been silent for long enough.
                Ok(None) | Err(_) => continue,
            };
        let is_other = matches!(error, NotConnected::OtherLedger(_));
        meets_other.store(is_other, Ordering::Relaxed);
        if reported.as_ref() != Some(&error) {
            error.report(target);
            reported = Some(error);
        }
        if !is_silent {
            tokio::time::sleep(back_off.pause()).await;
        }
    }
}

/// Why a ledger node is not connected.
#[derive(Debug, PartialEq, Eq)]
enum NotConnected {
    Failed(String),
    /// It has not the ledger that is expected, but this one; `None` if it does not say which.
    OtherLedger(Option<LedgerId>),
}

impl NotConnected {
    fn report(&self, target: &Target) {
        let address = &target.address;
        let found = match (self, target.expected) {
            (Self::Failed(error), _) => {
                tracing::warn!(ledger = %address, error, "cannot connect to the ledger node at {address}, trying again: {error}");
                return;
            }
            (Self::OtherLedger(Some(found)), _) => format!("has ledger {found}"),
            (Self::OtherLedger(None), _) => "does not report which ledger it has".to_owned(),
        };
        let expected = target.expected.map(|id| id.to_string());
        let expected = expected.as_deref().unwrap_or("none");
        tracing::error!(
            ledger = %address,
            "ANOTHER LEDGER: the ledger node at {address} {found}, and --expect-ledger expects {expected}. Nothing is \
             sent to it, and this node is not ready. Correct --ledger or --expect-ledger, or bring that ledger back; \
             it is tried again"
        );
    }
}

/// A connection over which the ledger has answered: that one can be made says little of a process
/// that hangs.
async fn answering(target: Target) -> Result<(Wire, Connection), NotConnected> {
    let Target {
        address,
        tls,
        key,
        expected,
    } = target;
    let connection = connect(&address, tls.as_ref()).await;
    let mut connection = connection.map_err(|error| NotConnected::Failed(error.to_string()))?;
    let until = Instant::now() + ATTEMPT_TIMEOUT;
    let asked = ask_clock(&mut connection.sender, key.as_ref(), until).await;
    let checked = match asked {
        Ok(answer) if expected.is_some() && answer.ledger_id != expected => {
            Err(NotConnected::OtherLedger(answer.ledger_id))
        }
        Ok(answer) => Ok(answer),
        Err(error) => Err(NotConnected::Failed(why(error, key.is_some()))),
    };
    if checked.is_err() {
        connection.ends.abort();
    }
    let ClockAnswer {
        clock_id,
        reading: first,
        ledger_id,
    } = checked?;
    let wire = Wire {
        sender: connection.sender.clone(),
        key,
        peer: Arc::new(Peer {
            clock: LedgerClock::new(clock_id, first),
            ledger_id,
            answers: AtomicBool::new(true),
            given_up: Notify::new(),
        }),
    };
    Ok((wire, connection))
}

/// Why a ledger node does not say which clock it has.
fn why(error: CallError, has_key: bool) -> String {
    let is = |code: GrpcCode| error == CallError::Failed(CallFailure::Status(code as u16));
    if is(GrpcCode::Unimplemented) {
        return "its version is older, without GetClock: upgrade the ledger node first".to_owned();
    }
    if error == CallError::Failed(CallFailure::Ledger(Unavailable::Opening)) {
        return "it is opening its ledger".to_owned();
    }
    if is(GrpcCode::Unauthenticated) {
        return match has_key {
            true => {
                "it does not know this node's key, or the key has expired or was revoked: put another one into \
                 the file of --ledger-key"
            }
            false => {
                "it asks for a key: make one with `lastro key create`, and name the file with its secret with \
                 --ledger-key"
            }
        }
        .to_owned();
    }
    format!("it does not speak gRPC: {error:?}")
}

/// What a ledger node says of itself.
struct ClockAnswer {
    clock_id: u64,
    reading: Reading,
    ledger_id: Option<LedgerId>,
}

async fn ask_clock(
    sender: &mut Sender,
    key: Option<&LedgerKey>,
    deadline: Instant,
) -> Result<ClockAnswer, CallError> {
    let mut question = proto::begin_frame();
    // A vector grows: writing to it cannot fail.
    let _ = v1::GetClockRequest {}.encode(&mut question);
    proto::finish_frame(&mut question);
    let answer = call::call(
        sender,
        key,
        None,
        None,
        Method::GetClock,
        question.into(),
        deadline,
    )
    .await?;
    let arrived = Instant::now();
    let answer = v1::GetClockResponse::decode(answer).map_err(|_| CallError::Lost)?;
    let at_ledger = Duration::from_micros(answer.now_us);
    let ledger_id = match &*answer.ledger_id {
        [] => None,
        bytes => Some(LedgerId::from_bytes(
            bytes.try_into().map_err(|_| CallError::Lost)?,
        )),
    };
    Ok(ClockAnswer {
        clock_id: answer.clock_id,
        reading: Reading { arrived, at_ledger },
        ledger_id,
    })
}

/// Stays with a connection until it ends, and finds out whether the ledger still answers over it.
async fn stay(wire: &Wire, connection: Connection, address: &LedgerAddress, metrics: &Metrics) {
    let Connection { mut sender, ends } = connection;
    let probing = async {
        loop {
            tokio::time::sleep(PROBE_INTERVAL).await;
            let until = Instant::now() + PROBE_TIMEOUT;
            let asked = ask_clock(&mut sender, wire.key.as_ref(), until);
            let answers = match tokio::time::timeout(PROBE_TIMEOUT, asked).await {
                Ok(Ok(answer)) if answer.clock_id == wire.peer.clock.id() => {
                    wire.peer.clock.read_again(answer.reading);
                    true
                }
                // Another process: what is behind this connection is not what it was.
                Ok(Ok(_)) => return,
                // A refusal of its own is an answer, too.
                Ok(Err(CallError::Failed(CallFailure::Ledger(_)))) => true,
                Ok(Err(CallError::Failed(_) | CallError::NotSent | CallError::Lost)) | Err(_) => {
                    false
                }
            };
            let before = wire.peer.answers.swap(answers, Ordering::Relaxed);
            metrics.up(answers);
            match (before, answers) {
                (true, false) => tracing::warn!(
                    ledger = %address,
                    "the ledger node at {address} has not answered for {} ms: requests may fail until it does",
                    PROBE_TIMEOUT.as_millis()
                ),
                (false, true) => {
                    tracing::info!(ledger = %address, "the ledger node at {address} answers again");
                }
                (true, true) | (false, false) => {}
            }
        }
    };
    let mut ending = ends;
    tokio::select! {
        _ = &mut ending => return,
        () = probing => {}
        () = wire.peer.given_up.notified() => {}
    }
    ending.abort();
}

impl Link {
    /// Whether the ledger is connected and answered when it was last asked.
    pub(crate) fn is_up(&self) -> bool {
        match &*self.state.borrow() {
            State::Up(wire) => wire.peer.answers.load(Ordering::Relaxed),
            State::Down(_) | State::Closed => false,
        }
    }

    /// Whether the ledger node has another ledger than the one that is expected: it is not used.
    pub(crate) fn meets_other(&self) -> bool {
        self.meets_other.load(Ordering::Relaxed)
    }

    /// Which ledger the process at the other end has; `None` while there is none, or if it does not
    /// say it.
    pub(crate) fn ledger_id(&self) -> Option<LedgerId> {
        match &*self.state.borrow() {
            State::Up(wire) => wire.peer.ledger_id,
            State::Down(_) | State::Closed => None,
        }
    }

    /// Whether the ledger has been gone for so long that nobody waits for it.
    pub(crate) fn is_known_down(&self) -> bool {
        match &*self.state.borrow() {
            State::Down(since) => since.elapsed() >= self.patience,
            State::Up(_) => false,
            State::Closed => true,
        }
    }

    /// The connection; waits for one that was lost a moment ago.
    pub(crate) async fn wire(&self) -> Result<Wire, Unavailable> {
        let mut state = self.state.clone();
        loop {
            let until = match &*state.borrow_and_update() {
                State::Up(wire) if !wire.sender.is_closed() => return Ok(wire.clone()),
                // Its end is about to be noticed.
                State::Up(_) => Instant::now() + self.patience,
                State::Down(since) => *since + self.patience,
                State::Closed => return Err(Unavailable::LedgerUnavailable),
            };
            match tokio::time::timeout_at(until.into(), state.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(Unavailable::LedgerUnavailable),
            }
        }
    }

    /// Makes a call that may be made twice: again over the next connection where one is lost.
    pub(crate) async fn ask(
        &self,
        method: Method,
        message: Bytes,
        deadline: Instant,
        metrics: &Metrics,
    ) -> Result<Bytes, Unavailable> {
        let asking = async {
            loop {
                let mut wire = self.wire().await?;
                let spans = traced::read(method);
                let answered = wire.call(&spans, method, message.clone(), deadline).await;
                traced::end(spans, answered.is_ok());
                match answered {
                    Ok(answer) => return Ok(answer),
                    Err(CallError::NotSent | CallError::Lost) => {}
                    Err(failed) if failed.is_of_other_clock() => wire.give_up(),
                    Err(CallError::Failed(failure)) => return Err(unavailable(failure, method)),
                }
                metrics.retried(1);
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        };
        let answer = tokio::time::timeout_at(deadline.into(), asking).await;
        answer.unwrap_or(Err(Unavailable::Timeout))
    }
}

/// Of calls that the ledger node refused because of this node's key.
static DENIALS: LazyLock<Throttle> = LazyLock::new(|| Throttle::new(Duration::from_secs(10)));

/// What the caller gets for a failure.
pub(crate) fn unavailable(failure: CallFailure, method: Method) -> Unavailable {
    if failure == CallFailure::Status(GrpcCode::InvalidArgument as u16) {
        tracing::error!(
            path = method.path(),
            "the ledger node refused a request of this node as malformed: both need the same version"
        );
    }
    let is_denied = [
        CallFailure::Status(GrpcCode::Unauthenticated as u16),
        CallFailure::Status(GrpcCode::PermissionDenied as u16),
        CallFailure::Ledger(Unavailable::NodeNotAllowed),
    ]
    .contains(&failure);
    if is_denied && let Some(held_back) = DENIALS.pass() {
        tracing::error!(
            path = method.path(),
            held_back,
            "the ledger node refused a call of this node ({}): its key (--ledger-key) is not valid any more, \
             or lacks a scope or an account: it needs `read` and `write`, `operate` for what operators do here, \
             and every account that callers use here",
            method.name()
        );
    }
    // A ledger node of an older version, or a proxy, does not know what is asked. A write may have gone
    // further than what says so.
    let is_unknown = failure == CallFailure::Status(GrpcCode::Unimplemented as u16);
    if is_unknown && method != Method::Submit {
        return Unavailable::NotSupported;
    }
    failure.unavailable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_the_ledger_does_not_know_is_not_supported() {
        let unimplemented = CallFailure::Status(12);
        let read = Method::ListUnsettledPayments;
        assert_eq!(unavailable(unimplemented, read), Unavailable::NotSupported);
        assert_eq!(
            unavailable(unimplemented, Method::Submit),
            Unavailable::LedgerUnavailable
        );
        assert_eq!(
            unavailable(CallFailure::Status(14), read),
            Unavailable::LedgerUnavailable
        );
        let denied = CallFailure::read(Some(b"scope_missing"), Some(b"7")).unwrap();
        assert_eq!(unavailable(denied, read), Unavailable::NodeNotAllowed);
    }
}
