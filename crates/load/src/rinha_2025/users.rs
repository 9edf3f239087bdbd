//! The users: each posts a payment, waits for the answer, sleeps, and posts the next.
//!
//! As k6 has it: a user keeps its connection, and a latency counts from the send on an open
//! connection to the end of the answer. Users that are due are started by one precise timer.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;
use uuid::Uuid;

use super::Script;
use super::requests::{PAYMENT, REQUEST_TIMEOUT};
use crate::http::{Connection, HttpFailure};
use crate::pacer::{InFlight, PreciseTimer};
use crate::recorder::{Fault, Recorder, Sample, Verdict};
use crate::target::Target;
use crate::user::no_answer;

/// What a post was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// 2xx: it must be paid, once.
    Accepted,
    /// 4xx: it must not be paid.
    Refused,
    /// No answer, or 5xx: it may be paid, once.
    Unknown,
}

/// A payment that was posted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posted {
    pub(super) id: Uuid,
    pub(super) answered: Answered,
}

/// All users of one target.
pub(super) struct Users {
    target: Target,
    head: String,
    script: Script,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    pub(super) in_flight: Rc<InFlight>,
    pub(super) posted: RefCell<Vec<Posted>>,
    pub(super) accepted_count: Cell<u64>,
    due: RefCell<BinaryHeap<Reverse<(Instant, usize)>>>,
    earlier: Notify,
    connections: RefCell<Vec<Option<Connection>>>,
    rng: RefCell<SmallRng>,
}

impl Users {
    pub(super) fn new(
        target: &Target,
        script: &Script,
        recorder: Rc<RefCell<Recorder>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            target: target.clone(),
            head: format!(
                "POST /payments HTTP/1.1\r\n{}Content-Type: application/json\r\n",
                target.head()
            ),
            script: script.clone(),
            recorder,
            in_flight: InFlight::new(script.users),
            posted: RefCell::default(),
            accepted_count: Cell::new(0),
            due: RefCell::default(),
            earlier: Notify::new(),
            connections: RefCell::new((0..script.users).map(|_| None).collect()),
            // Ids stay used in the backend for ever, so no run may draw those of another.
            rng: RefCell::new(SmallRng::from_os_rng()),
        })
    }

    /// Runs them from `start` until the script's end; returns when the last answer is there.
    pub(super) async fn run(self: &Rc<Self>, start: Instant) -> io::Result<()> {
        let end = start + self.script.duration;
        for user in 0..self.script.users {
            self.plan(start + self.script.start_of(user), user, end);
        }
        let timer = PreciseTimer::new()?;
        loop {
            let next = self.due.borrow().peek().map(|Reverse((at, _))| *at);
            let Some(at) = next else {
                if self.in_flight.count() == 0 {
                    return Ok(());
                }
                tokio::select! {
                    () = self.earlier.notified() => {}
                    () = self.in_flight.drain() => {}
                }
                continue;
            };
            tokio::select! {
                biased;
                () = self.earlier.notified() => {}
                waited = timer.wait_until(at) => {
                    waited?;
                    let due = self.due.borrow_mut().pop();
                    if let Some(Reverse((planned, user))) = due {
                        let users = Rc::clone(self);
                        let turn = async move { users.turn(user, planned, end).await };
                        self.in_flight.spawn(turn).await;
                    }
                }
            }
        }
    }

    /// Plans a user's next post, unless the script is over by then.
    fn plan(&self, at: Instant, user: usize, end: Instant) {
        let turn = Reverse((at, user));
        if at < end {
            let mut due = self.due.borrow_mut();
            due.push(turn);
            if due.peek() != Some(&turn) {
                return;
            }
        }
        // The users that wait for the one that was next look again.
        self.earlier.notify_one();
    }

    /// One post and what comes of it.
    async fn turn(&self, user: usize, planned: Instant, end: Instant) {
        let random = self.rng.borrow_mut().random();
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        let index = self.posted.borrow().len();
        self.posted.borrow_mut().push(Posted {
            id,
            answered: Answered::Unknown,
        });
        let sent = Cell::new(Instant::now());
        let posting = self.post(user, id, &sent);
        let status = tokio::time::timeout(REQUEST_TIMEOUT, posting).await;
        let status = status.unwrap_or(Err(HttpFailure::TimedOut));
        let ended = Instant::now();
        let answered = answered(status);
        self.posted.borrow_mut()[index].answered = answered;
        if answered == Answered::Accepted {
            self.accepted_count.set(self.accepted_count.get() + 1);
        }
        self.recorder.borrow_mut().record(Sample {
            kind: PAYMENT,
            planned,
            started: sent.get(),
            ended,
            verdict: verdict(status),
        });
        self.plan(ended + self.script.pause, user, end);
    }

    async fn post(&self, user: usize, id: Uuid, sent: &Cell<Instant>) -> Result<u16, HttpFailure> {
        let body = format!(
            r#"{{"correlationId":"{id}","amount":{}}}"#,
            self.script.amount
        );
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        let kept = self.connections.borrow_mut()[user].take();
        let mut connection = match kept.filter(Connection::is_usable) {
            Some(connection) => connection,
            None => Connection::open(self.target.address()).await?,
        };
        sent.set(Instant::now());
        let status = connection.exchange(request.as_bytes()).await?.status;
        self.connections.borrow_mut()[user] = Some(connection);
        Ok(status)
    }
}

const fn answered(status: Result<u16, HttpFailure>) -> Answered {
    match status {
        Ok(200..=299) => Answered::Accepted,
        Ok(400..=407 | 409..=499) | Err(HttpFailure::ConnectionRefused | HttpFailure::NoSocket) => {
            Answered::Refused
        }
        Ok(_) | Err(_) => Answered::Unknown,
    }
}

fn verdict(status: Result<u16, HttpFailure>) -> Verdict {
    let status = match status {
        Ok(status) => status,
        Err(failure) => return no_answer(failure),
    };
    let code = match status {
        200..=299 => return Verdict::Right("accepted"),
        429 => "status_429",
        400..=499 => "status_4xx",
        502..=504 => "status_502_503_504",
        _ => "status_5xx",
    };
    Verdict::Wrong(Fault {
        code,
        detail: format!("a payment was answered {status}"),
        is_inconsistent: false,
    })
}

/// How long everything takes at least, from the start: the last user's sleep included, after which
/// k6 reads the totals.
pub(super) fn whole(script: &Script) -> Duration {
    script.duration + script.pause
}
