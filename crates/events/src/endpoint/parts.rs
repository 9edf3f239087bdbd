//! What an endpoint consists of.

use std::collections::VecDeque;
use std::time::Duration;

use ledger::Timestamp;
use stdx::{BackOff, Throttle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::feed::Reading;
use super::held::{Elsewhere, Held};
use super::surroundings::Surroundings;
use crate::config::EndpointConfig;
use crate::port::{Delivery, DeliveryState, EndpointStatus, NotSteered, Steering};
use crate::queue::{DeliveryQueue, DeliveryRecord, LastTry, TryResult};

/// How long after a delivery the state is written at the latest.
pub(super) const SAVE_SOON: Duration = Duration::from_secs(1);
/// The same where the feed was only read on, or a try has failed.
pub(super) const SAVE_LATER: Duration = Duration::from_secs(30);
/// How soon the state is written again that could not be: at first, and at most.
pub(super) const SAVE_AGAIN: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));
/// How often one kind of trouble is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

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
    pub(super) config: EndpointConfig,
    pub(super) around: Surroundings,
    /// What the queue's time counts from.
    pub(super) started: Instant,
    pub(super) run: Run,
    /// The claim that has an end, where this node has one.
    pub(super) held: Option<Held>,
    pub(super) reading: Reading,
    pub(super) requests: JoinSet<Ended>,
    pub(super) save: Save,
    /// The newest deliveries that have succeeded, the oldest first.
    pub(super) delivered: VecDeque<DeliveryRecord>,
    pub(super) delivered_count: u64,
    pub(super) last_try: Option<(String, LastTry)>,
    pub(super) failing: Throttle,
    pub(super) giving_up: Throttle,
    /// The log says that the receiver fails.
    pub(super) is_failure_logged: bool,
}

/// How far an endpoint has come.
pub(super) enum Run {
    /// Its state is still to be read, at this time.
    Opening {
        at: Instant,
    },
    Going(Box<DeliveryQueue>),
    /// Another node sends; at this time it is looked at again.
    Standby {
        at: Instant,
        elsewhere: Elsewhere,
    },
    /// The configuration has it disabled.
    Off,
    /// It cannot go on; why, and what to do.
    Stopped(String),
}

/// A request that has ended.
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) webhook_id: String,
    pub(super) result: TryResult,
    pub(super) elapsed: Duration,
}

/// When the state has to be written.
pub(super) struct Save {
    /// `None` while it is as it was written.
    pub(super) at: Option<Instant>,
    pub(super) back_off: BackOff,
    /// The last write failed: nothing is sent.
    pub(super) failure: Option<String>,
    pub(super) failing: Throttle,
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
            held: None,
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

    /// The queue's time.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time of day of a moment of the queue's time.
    pub(super) fn at(&self, due: Duration) -> Timestamp {
        let left = due.saturating_sub(self.now());
        self.around.clock.now().plus(left)
    }
}
