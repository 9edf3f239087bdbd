//! An endpoint at work: reads the feed, sends what is due, and keeps what must survive.
//!
//! One task does it all; requests are tasks of their own, and only they wait for the network. The order of things is
//! what a kill at any moment asks for:
//!
//! | before | comes |
//! |---|---|
//! | a new endpoint sends anything | where it begins is durable |
//! | an event leaves the durable state | its receiver has answered with success |
//! | the account of a dead letter goes on | the dead letter is durable |
//! | an operator is answered | what was done is durable |
//!
//! While the state cannot be written, nothing is sent: otherwise a kill would have ever more sent again.

mod opening;
mod reading;
mod steering;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Clock, Engine, Timestamp};
use stdx::{BackOff, Throttle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::EndpointConfig;
use crate::face::{EventFace, EventFilter};
use crate::metrics::Meters;
use crate::port::{Delivery, DeliveryState, EndpointState, EndpointStatus, NotSteered, Steering};
use crate::queue::{DeliveryQueue, DeliveryRecord, Disabled, Jitter, LastTry, TryResult, Verdict};
use crate::receiver::Receives;
use crate::state_file::StateFile;
use reading::Reading;

/// How many deliveries are remembered, in memory only.
const DELIVERED_MAX: usize = 1_000;
/// How long after a delivery the state is written at the latest.
const SAVE_SOON: Duration = Duration::from_secs(1);
/// The same where the feed was only read on.
const SAVE_LATER: Duration = Duration::from_secs(30);
/// How soon the state is written again that could not be: at first, and at most.
const SAVE_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often the metrics are set where nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long requests have at the stop.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// How often one kind of trouble is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What an endpoint works with.
pub(crate) struct Surroundings {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) face: Arc<dyn EventFace>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) filter: Arc<dyn EventFilter>,
    pub(crate) receiver: Arc<dyn Receives>,
    pub(crate) file: StateFile,
    pub(crate) meters: Meters,
}

/// What others ask of an endpoint.
pub(crate) enum Order {
    Look(oneshot::Sender<EndpointStatus>),
    Deliveries(Option<DeliveryState>, usize, oneshot::Sender<Vec<Delivery>>),
    Steer(
        Steering,
        std::time::Instant,
        oneshot::Sender<Result<Result<EndpointStatus, NotSteered>, ledger::Unavailable>>,
    ),
}

/// An endpoint.
pub(crate) struct Endpoint {
    config: EndpointConfig,
    around: Surroundings,
    /// What the queue's time counts from.
    started: Instant,
    run: Run,
    reading: Reading,
    requests: JoinSet<Ended>,
    save: Save,
    /// The newest deliveries that have succeeded, the oldest first.
    delivered: VecDeque<DeliveryRecord>,
    delivered_count: u64,
    last_try: Option<(String, LastTry)>,
    failing: Throttle,
    giving_up: Throttle,
    /// The log says that the receiver fails.
    is_failure_logged: bool,
}

/// How far an endpoint has come.
enum Run {
    /// Its state is still to be read, at this time.
    Opening {
        at: Instant,
    },
    Going(Box<DeliveryQueue>),
    /// The configuration has it disabled.
    Off,
    /// It cannot go on; why, and what to do.
    Stopped(String),
}

/// A request that has ended.
struct Ended {
    number: u64,
    webhook_id: String,
    result: TryResult,
    elapsed: Duration,
}

/// When the state has to be written.
struct Save {
    /// `None` while it is as it was written.
    at: Option<Instant>,
    back_off: BackOff,
    /// The last write failed: nothing is sent.
    failure: Option<String>,
    failing: Throttle,
}

/// What the task woke up for.
enum Happened {
    Stop,
    Order(Order),
    Ended(Option<Ended>),
    Page(reading::Page),
    Time,
}

impl Endpoint {
    pub(crate) fn new(config: EndpointConfig, around: Surroundings) -> Self {
        let started = Instant::now();
        let (first, longest) = SAVE_AGAIN;
        Self {
            run: match config.is_disabled {
                true => Run::Off,
                false => Run::Opening { at: started },
            },
            config,
            around,
            started,
            reading: Reading::new(started),
            requests: JoinSet::new(),
            save: Save {
                at: None,
                back_off: BackOff::new(first, longest),
                failure: None,
                failing: Throttle::new(WARNING_INTERVAL),
            },
            delivered: VecDeque::new(),
            delivered_count: 0,
            last_try: None,
            failing: Throttle::new(WARNING_INTERVAL),
            giving_up: Throttle::new(WARNING_INTERVAL),
            is_failure_logged: false,
        }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            self.open_if_due().await;
            self.save_if_due().await;
            self.send_what_is_due();
            self.read_on();
            self.measure();
            let wake = self.wake();
            let happened = {
                let (requests, reading) = (&mut self.requests, &mut self.reading);
                tokio::select! {
                    biased;
                    // An error means that nobody can tell any more: the process is ending.
                    _ = stop.wait_for(|stopping| *stopping) => Happened::Stop,
                    order = orders.recv() => order.map_or(Happened::Stop, Happened::Order),
                    Some(ended) = requests.join_next() => Happened::Ended(ended.ok()),
                    page = reading.page() => Happened::Page(page),
                    () = tokio::time::sleep_until(wake) => Happened::Time,
                }
            };
            match happened {
                Happened::Stop => break,
                Happened::Order(order) => self.carry_out(order).await,
                Happened::Ended(ended) => self.end(ended).await,
                Happened::Page(page) => {
                    self.take(page);
                    // A ledger that has all at hand answers at once: others have their turn.
                    tokio::task::yield_now().await;
                }
                Happened::Time => {}
            }
        }
        self.finish().await;
    }

    /// The queue's time.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// When something is to be done, whatever happens until then.
    fn wake(&self) -> Instant {
        let mut wake = Instant::now() + LOOK_INTERVAL;
        let mut at = |time: Option<Instant>| wake = time.map_or(wake, |time| time.min(wake));
        at(self.save.at);
        match &self.run {
            Run::Opening { at: opening } => at(Some(*opening)),
            Run::Going(queue) => {
                if self.save.failure.is_none() {
                    at(queue.next_due().map(|due| self.started + due));
                }
                if queue.wants_more() {
                    at(self.reading.due());
                }
            }
            Run::Off | Run::Stopped(_) => {}
        }
        wake
    }

    fn send_what_is_due(&mut self) {
        if self.save.failure.is_some() {
            return;
        }
        let now = self.now();
        let Run::Going(queue) = &mut self.run else {
            return;
        };
        while let Some(request) = queue.next(now) {
            let receiver = Arc::clone(&self.around.receiver);
            let at = self.around.clock.now();
            self.requests.spawn(async move {
                let begun = Instant::now();
                let webhook_id = request.webhook_id.to_string();
                let result = receiver.send(webhook_id.clone(), request.body, at).await;
                Ended {
                    number: request.number,
                    webhook_id,
                    result,
                    elapsed: begun.elapsed(),
                }
            });
        }
    }

    /// A request has ended; `None` where its task panicked.
    async fn end(&mut self, ended: Option<Ended>) {
        let Some(ended) = ended else {
            // Which one it was is not known: the state is read again, and all that waits is due.
            tracing::error!(
                endpoint = %self.config.name,
                "a request of webhook endpoint {} ended in an error in the program, which is above: what waits is \
                 sent again",
                self.config.name
            );
            self.reopen().await;
            return;
        };
        let now = self.now();
        let Run::Going(queue) = &mut self.run else {
            return;
        };
        let Ended {
            number,
            webhook_id,
            result,
            elapsed,
        } = ended;
        let meters = &self.around.meters;
        meters.duration.record(elapsed);
        let jitter = Jitter::from_thousandths(rand::random_range(0..=1_000));
        let last = result.last.clone();
        let verdict = queue.answered(now, number, result, jitter);
        match &verdict {
            Verdict::Delivered(_) => meters.delivered.increment(1),
            Verdict::Again(_) | Verdict::Dead(_) | Verdict::Gone => meters.failed.increment(1),
            Verdict::Unknown => {}
        }
        match verdict {
            Verdict::Delivered(record) => {
                self.delivered_count += 1;
                if self.delivered.len() == DELIVERED_MAX {
                    self.delivered.pop_front();
                }
                self.delivered.push_back(*record);
                self.save_within(SAVE_SOON);
                self.log_recovery();
            }
            Verdict::Again(pause) => {
                self.save_within(SAVE_SOON);
                self.log_failure(&webhook_id, &last, pause);
            }
            Verdict::Dead(record) => {
                self.log_dead_letter(&record);
                self.save_now().await;
            }
            Verdict::Gone => {
                let name = &self.config.name;
                tracing::error!(
                    endpoint = %name, webhook_id,
                    "WEBHOOK ENDPOINT DISABLED: the receiver of {name} answered 410 Gone, so nothing more is sent to it; \
                     its events wait in the ledger. Remove it from the configuration, or \
                     POST /v1/webhooks/{name}/enable"
                );
                self.save_now().await;
            }
            Verdict::Unknown => {}
        }
        self.last_try = Some((webhook_id, last));
    }

    /// Finishes what is under way, as far as it does not take long, and keeps what was delivered.
    async fn finish(&mut self) {
        self.reading.forget();
        let until = Instant::now() + STOP_PATIENCE;
        while let Ok(Some(ended)) = tokio::time::timeout_at(until, self.requests.join_next()).await
        {
            if let Ok(ended) = ended {
                self.end(Some(ended)).await;
            }
        }
        self.requests.abort_all();
        if self.save.at.is_some() {
            self.save_now().await;
        }
    }
}

/// Keeping the state.
impl Endpoint {
    /// Has the state written in this time at the latest.
    fn save_within(&mut self, time: Duration) {
        let at = Instant::now() + time;
        let sooner = self.save.at.map_or(at, |before| before.min(at));
        self.save.at = Some(sooner);
    }

    async fn save_if_due(&mut self) {
        if self.save.at.is_some_and(|at| at <= Instant::now()) {
            self.save_now().await;
        }
    }

    /// Writes the state; `false` if it could not be written.
    async fn save_now(&mut self) -> bool {
        let Run::Going(queue) = &self.run else {
            self.save.at = None;
            return true;
        };
        let (file, saved) = (self.around.file.clone(), queue.saved());
        let written = tokio::task::spawn_blocking(move || file.write(&saved)).await;
        let failure = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panicked) => Some(panicked.to_string()),
        };
        let name = &self.config.name;
        match failure {
            None => {
                if self.save.failure.take().is_some() {
                    tracing::info!(endpoint = %name, "the state of webhook endpoint {name} can be written again");
                }
                self.save.at = None;
                self.save.back_off.reset();
                true
            }
            Some(error) => {
                if let Some(held_back) = self.save.failing.pass() {
                    tracing::error!(
                        endpoint = %name, error, held_back,
                        "CANNOT WRITE the state of webhook endpoint {name}: {error}. Nothing is sent to it until that works; \
                         its events wait in the ledger. Look at the folder `webhooks` in the data folder, and at its disk"
                    );
                }
                self.save.failure = Some(error);
                self.save.at = Some(Instant::now() + self.save.back_off.pause());
                false
            }
        }
    }
}

/// What the log says.
impl Endpoint {
    fn log_failure(&mut self, webhook_id: &str, last: &LastTry, pause: Duration) {
        if self.is_failure_logged {
            return;
        }
        if let Some(held_back) = self.failing.pass() {
            self.is_failure_logged = true;
            let (name, what) = (&self.config.name, what_failed(last));
            tracing::warn!(
                endpoint = %name, webhook_id, status = last.status, answer = last.body, held_back,
                "webhook endpoint {name} does not take an event: {what}. It is sent again in {} s, and then less and less \
                 often for three days. Look at the receiver at {}",
                pause.as_secs(), self.config.url
            );
        }
    }

    fn log_recovery(&mut self) {
        if std::mem::take(&mut self.is_failure_logged) {
            let name = &self.config.name;
            tracing::info!(endpoint = %name, "webhook endpoint {name} takes events again");
        }
    }

    fn log_dead_letter(&self, record: &DeliveryRecord) {
        if let Some(held_back) = self.giving_up.pass() {
            let name = &self.config.name;
            let webhook_id = record.placed.webhook_id();
            let last = record.tries.last.as_ref();
            let what = last.map_or_else(String::new, what_failed);
            tracing::error!(
                endpoint = %name, webhook_id, tries_count = record.tries.count, held_back,
                "DEAD LETTER: webhook endpoint {name} did not take event {webhook_id} ({}) in three days: {what}. Later \
                 events of its account go on without it. Mend the receiver, then POST /v1/webhooks/{name}/retry",
                record.placed.event_type
            );
        }
    }
}

/// A failure as a sentence has it.
fn what_failed(last: &LastTry) -> String {
    match last.status {
        Some(status) => format!("it answered {status}"),
        None => last.failure.clone(),
    }
}

/// What is shown.
impl Endpoint {
    /// The oldest event that is not delivered, and its age in nanoseconds.
    fn lag(&self) -> (Option<Timestamp>, u64) {
        let Run::Going(queue) = &self.run else {
            return (None, 0);
        };
        let oldest = queue.oldest().map(|placed| placed.timestamp);
        let now = self.around.clock.now().as_nanos();
        let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.as_nanos()));
        (oldest, age)
    }

    fn measure(&self) {
        let meters = &self.around.meters;
        let (waiting_count, dead_count) = match &self.run {
            Run::Going(queue) => (queue.waiting_count(), queue.dead_letters().len()),
            Run::Opening { .. } | Run::Off | Run::Stopped(_) => (0, 0),
        };
        let (_, lag_ns) = self.lag();
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        {
            meters.waiting.set(waiting_count as f64);
            meters.dead_letters.set(dead_count as f64);
        }
        meters.lag.set(Duration::from_nanos(lag_ns).as_secs_f64());
        let is_active = match self.state().0 {
            EndpointState::Active | EndpointState::Failing => 1.0,
            EndpointState::Disabled | EndpointState::Stopped => 0.0,
        };
        meters.active.set(is_active);
    }

    fn state(&self) -> (EndpointState, Option<String>) {
        match &self.run {
            Run::Opening { .. } => (EndpointState::Active, self.reading.trouble()),
            Run::Off => (
                EndpointState::Disabled,
                Some("disabled = true in the configuration".to_owned()),
            ),
            Run::Stopped(why) => (EndpointState::Stopped, Some(why.clone())),
            Run::Going(queue) => match queue.disabled() {
                Some(why) => (
                    EndpointState::Disabled,
                    Some(disabled_because(why).to_owned()),
                ),
                None => {
                    let failure = self.save.failure.as_ref();
                    let unsaved =
                        failure.map(|error| format!("its state cannot be written: {error}"));
                    let state = match queue.failing_since() {
                        None if unsaved.is_none() => EndpointState::Active,
                        None | Some(_) => EndpointState::Failing,
                    };
                    (state, unsaved.or_else(|| self.reading.trouble()))
                }
            },
        }
    }

    fn status(&self) -> EndpointStatus {
        let (state, reason) = self.state();
        let (oldest_waiting_at, lag_ns) = self.lag();
        let mut status = EndpointStatus {
            name: self.config.name.to_string(),
            url: self.config.url.to_string(),
            state,
            reason,
            position: None,
            waiting_count: 0,
            requests_count: 0,
            dead_letters_count: 0,
            delivered_count: self.delivered_count,
            oldest_waiting_at,
            lag_ns,
            last_try: self.last_try.clone(),
            next_try_at: None,
        };
        if let Run::Going(queue) = &self.run {
            let oldest = queue.oldest().map(|placed| placed.after);
            status.position = Some(oldest.unwrap_or(queue.read_to()));
            status.waiting_count = queue.waiting_count();
            status.requests_count = queue.requests_count();
            status.dead_letters_count = queue.dead_letters().len();
            status.next_try_at = queue.next_due().map(|due| self.at(due));
        }
        status
    }

    /// The time of day of a moment of the queue's time.
    fn at(&self, due: Duration) -> Timestamp {
        let left = due.saturating_sub(self.now());
        self.around.clock.now().plus(left)
    }

    fn deliveries(&self, state: Option<DeliveryState>, limit: usize) -> Vec<Delivery> {
        let Run::Going(queue) = &self.run else {
            return Vec::new();
        };
        let wants = |one| state.is_none_or(|asked| asked == one);
        let mut all = Vec::new();
        let ended = |record: &DeliveryRecord, state| Delivery {
            record: record.clone(),
            state,
            next_try_at: None,
        };
        if wants(DeliveryState::Waiting) {
            all.extend(queue.waiting().map(|(record, due)| Delivery {
                record,
                state: DeliveryState::Waiting,
                next_try_at: due.map(|due| self.at(due)),
            }));
        }
        if wants(DeliveryState::Delivered) {
            let delivered = self.delivered.iter();
            all.extend(delivered.map(|record| ended(record, DeliveryState::Delivered)));
        }
        if wants(DeliveryState::Dead) {
            let dead = queue.dead_letters().iter();
            all.extend(dead.map(|record| ended(record, DeliveryState::Dead)));
        }
        // No two events have one time. One that was sent again after a replay can be there twice.
        all.sort_by_key(|delivery| std::cmp::Reverse(delivery.record.placed.timestamp));
        all.truncate(limit);
        all
    }
}

const fn disabled_because(why: Disabled) -> &'static str {
    match why {
        Disabled::ByOperator => "an operator has disabled it",
        Disabled::Gone => "its receiver answered 410 Gone",
        Disabled::TooManyDeadLetters => {
            "it has as many dead letters as are kept: mend the receiver, retry them, then enable it"
        }
    }
}
