//! What is sent to an endpoint, and when: decisions only.
//!
//! The queue is told what happened and asked what to send. It does no I/O and reads no clock; time, answers and
//! chance are handed in.
//!
//! | rule | |
//! |---|---|
//! | order | a delivery waits until those before it that share an account or a payment with it have ended; others go on |
//! | at least once | an event leaves the durable state only when its receiver has answered with success |
//! | bounds | at most [`Policy::waiting_max`] deliveries in hand, [`Policy::requests_max`] requests at once, one while the receiver fails |
//! | giving up | after [`Policy::tried_for_max`] of pauses; then the delivery is a dead letter, and its lane goes on |
//!
//! What is kept ([`Saved`]) is how far the feed was read and what of that is not delivered: so it stays small, however much
//! goes past one account that is stuck. Bodies are not kept: the ledger has every event for ever.
//!
//! Time counts from an arbitrary moment of this process on. A pause that the process did not live through counts as
//! nothing, so that a delivery is never given up early.

mod delivery;
mod lanes;
mod place;
mod policy;
mod saved;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ledger::EventPosition;
use stdx::{invariant, whole_millis};

pub use delivery::{
    Arrival, DeliveryRecord, Lane, LastTry, Meaning, Placed, Request, Tries, TryResult, Verdict,
};
use lanes::Lanes;
pub use place::FeedPlace;
pub use policy::{Jitter, Policy};
pub use saved::{Disabled, Saved, SavedDelivery};

/// The deliveries of one endpoint.
#[derive(Debug)]
pub struct DeliveryQueue {
    policy: Policy,
    read_to: FeedPlace,
    disabled: Option<Disabled>,
    /// By their numbers, which are in the order of arrival.
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    lanes: Lanes,
    next_number: u64,
    requests_count: usize,
    dead_letters: VecDeque<DeliveryRecord>,
    /// Since when requests fail, without a success since.
    failing_since: Option<Duration>,
    /// Until when the receiver wants to be left alone.
    held_until: Duration,
}

/// A delivery in hand.
#[derive(Debug)]
struct Waiting {
    arrival: Arrival,
    was_dead: bool,
    tries: Tries,
    state: State,
    /// When its last try failed, and the pause after it.
    failed: Option<Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    at: Duration,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may be sent from then on.
    Due(Duration),
    UnderWay,
}

impl DeliveryQueue {
    /// The queue of an endpoint as it was kept, but for what waits: that is handed to [`DeliveryQueue::restore`].
    #[must_use]
    pub fn new(policy: Policy, saved: Saved) -> Self {
        Self {
            policy,
            read_to: saved.read_to,
            disabled: saved.disabled,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            lanes: Lanes::default(),
            next_number: 0,
            requests_count: 0,
            dead_letters: saved.dead_letters.into(),
            failing_since: None,
            held_until: Duration::ZERO,
        }
    }

    /// A delivery that waited when the endpoint was kept, with its event: it is due at once. They have to be restored in
    /// the order in which they were kept, before anything arrives.
    pub fn restore(&mut self, arrival: Arrival, saved: SavedDelivery) {
        invariant!(
            arrival.placed == saved.record.placed,
            "a delivery is restored with its own event"
        );
        self.enter(arrival, saved.was_dead, saved.record.tries);
    }

    /// What has to be kept.
    #[must_use]
    pub fn saved(&self) -> Saved {
        let waiting = self.waiting.values().map(|waiting| SavedDelivery {
            record: waiting.record(),
            was_dead: waiting.was_dead,
        });
        Saved {
            read_to: self.read_to,
            disabled: self.disabled,
            waiting: waiting.collect(),
            dead_letters: self.dead_letters.iter().cloned().collect(),
        }
    }

    /// How far the feed was read.
    #[must_use]
    pub const fn read_to(&self) -> FeedPlace {
        self.read_to
    }

    /// Whether another event may arrive.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.len() < self.policy.waiting_max
            && self.waiting_bytes < self.policy.waiting_bytes_max
    }

    /// Whether the feed should be read on now. While much is in hand it is not: each reading is worth a page.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        let is_half_empty = self.waiting.len() <= self.policy.waiting_max / 2
            && self.waiting_bytes <= self.policy.waiting_bytes_max / 2;
        self.disabled.is_none() && self.has_room() && (is_half_empty || self.requests_count == 0)
    }

    /// The next event of the feed.
    ///
    /// # Panics
    ///
    /// If there is no room: see [`DeliveryQueue::has_room`].
    pub fn arrive(&mut self, arrival: Arrival) {
        invariant!(self.has_room(), "events are read only while there is room");
        self.read_to = FeedPlace::After(arrival.placed.position);
        self.enter(arrival, false, Tries::default());
    }

    /// The endpoint did not ask for the events up to there, behind the last one that has arrived.
    pub const fn pass(&mut self, position: EventPosition) {
        self.read_to = FeedPlace::After(position);
    }

    fn enter(&mut self, arrival: Arrival, was_dead: bool, tries: Tries) {
        let number = self.next_number;
        self.next_number += 1;
        self.lanes.enter(number, was_dead, &arrival.lanes);
        self.waiting_bytes += arrival.body.len();
        let waiting = Waiting {
            arrival,
            was_dead,
            tries,
            state: State::Due(Duration::ZERO),
            failed: None,
        };
        self.waiting.insert(number, waiting);
    }

    /// How many requests may be under way.
    const fn requests_max(&self) -> usize {
        match self.failing_since {
            Some(_) => 1,
            None => self.policy.requests_max,
        }
    }

    /// What is to be sent now: the first that is due and waits for no other. It is under way from then on.
    pub fn next(&mut self, now: Duration) -> Option<Request> {
        if self.disabled.is_some()
            || now < self.held_until
            || self.requests_count >= self.requests_max()
        {
            return None;
        }
        let lanes = &self.lanes;
        let mut all = self.waiting.iter_mut();
        let (number, waiting) = all.find(|(number, waiting)| {
            matches!(waiting.state, State::Due(at) if at <= now)
                && lanes.is_first(**number, waiting.was_dead, &waiting.arrival.lanes)
        })?;
        waiting.state = State::UnderWay;
        self.requests_count += 1;
        Some(Request {
            number: *number,
            webhook_id: waiting.arrival.placed.position,
            body: waiting.arrival.body.clone(),
        })
    }

    /// When something that waits becomes due; `None` where nothing will before something else happens.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        if self.disabled.is_some() || self.requests_count >= self.requests_max() {
            return None;
        }
        let due = self.waiting.iter().filter_map(|(number, waiting)| {
            let State::Due(at) = waiting.state else {
                return None;
            };
            let lanes = &waiting.arrival.lanes;
            let is_first = self.lanes.is_first(*number, waiting.was_dead, lanes);
            is_first.then_some(at)
        });
        due.min().map(|at| at.max(self.held_until))
    }

    /// A request has ended. What this leads to has to be kept before anything else is sent where the verdict is
    /// [`Verdict::Dead`]: otherwise a restart could try the dead letter again, behind what came after it.
    pub fn answered(
        &mut self,
        now: Duration,
        number: u64,
        result: TryResult,
        jitter: Jitter,
    ) -> Verdict {
        let Some(waiting) = self.waiting.get_mut(&number) else {
            return Verdict::Unknown;
        };
        invariant!(
            waiting.state == State::UnderWay,
            "a request ends once, and is not sent again before"
        );
        self.requests_count -= 1;
        let tries = &mut waiting.tries;
        tries.count = tries.count.saturating_add(1);
        tries.first_at.get_or_insert(result.last.at);
        tries.last = Some(result.last);
        if let Some(Failed { at, pause }) = waiting.failed {
            let waited = now.saturating_sub(at).min(pause);
            tries.tried_for_ms = tries.tried_for_ms.saturating_add(whole_millis(waited));
        }
        let (retry_after, is_busy) = match result.meaning {
            Meaning::Delivered => {
                self.succeed(now);
                return Verdict::Delivered(Box::new(self.end(number)));
            }
            Meaning::Gone => {
                waiting.state = State::Due(now);
                self.disabled = Some(Disabled::Gone);
                return Verdict::Gone;
            }
            Meaning::Failed {
                retry_after,
                is_busy,
            } => (retry_after, is_busy),
        };
        let left = self.policy.tried_for_max.saturating_sub(tries.tried_for());
        let asked = retry_after.map_or(Duration::ZERO, |asked| {
            asked.min(self.policy.retry_after_max)
        });
        let pause = self.policy.pause(tries.count, jitter).max(asked);
        self.failing_since.get_or_insert(now);
        if is_busy {
            self.held_until = self.held_until.max(now + asked);
        }
        if left.is_zero() {
            let ended = self.end(number);
            self.dead_letters.push_back(ended.clone());
            if self.dead_letters.len() >= self.policy.dead_letters_max {
                self.disabled.get_or_insert(Disabled::TooManyDeadLetters);
            }
            return Verdict::Dead(Box::new(ended));
        }
        // Its last try comes when its time is over, not long after; whole milliseconds count.
        let pause = pause.min(left).max(Duration::from_millis(1));
        waiting.state = State::Due(now + pause);
        waiting.failed = Some(Failed { at: now, pause });
        Verdict::Again(pause)
    }

    /// A receiver that was away and is back gets at once what waits because of that.
    fn succeed(&mut self, now: Duration) {
        let Some(since) = self.failing_since.take() else {
            return;
        };
        if now.saturating_sub(since) < self.policy.outage_min {
            return;
        }
        for waiting in self.waiting.values_mut() {
            let failed_meanwhile = waiting.failed.is_some_and(|failed| failed.at >= since);
            if failed_meanwhile && matches!(waiting.state, State::Due(_)) {
                waiting.state = State::Due(now);
            }
        }
    }

    fn end(&mut self, number: u64) -> DeliveryRecord {
        let Some(waiting) = self.waiting.remove(&number) else {
            unreachable!("what ends was in hand");
        };
        let arrival = &waiting.arrival;
        self.lanes.leave(number, waiting.was_dead, &arrival.lanes);
        self.waiting_bytes -= arrival.body.len();
        waiting.record()
    }
}

/// What operators do.
impl DeliveryQueue {
    /// Begins again behind this place: everything behind it is sent, also what was sent before, and nothing else that
    /// waited. Dead letters stay.
    pub fn replay(&mut self, read_to: FeedPlace) {
        self.read_to = read_to;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.lanes = Lanes::default();
        self.requests_count = 0;
        self.held_until = Duration::ZERO;
    }

    /// Sends nothing more until it is enabled; requests under way go on.
    pub fn disable(&mut self, why: Disabled) {
        self.disabled.get_or_insert(why);
    }

    /// Sends again, at once.
    pub fn enable(&mut self, now: Duration) {
        self.disabled = None;
        self.held_until = Duration::ZERO;
        for waiting in self.waiting.values_mut() {
            if matches!(waiting.state, State::Due(_)) {
                waiting.state = State::Due(now);
            }
        }
    }

    /// The dead letters that there is room for, the oldest first. They stay dead letters until they are
    /// [revived](DeliveryQueue::revive).
    #[must_use]
    pub fn to_revive(&self) -> Vec<Placed> {
        let room = self.policy.waiting_max.saturating_sub(self.waiting.len());
        let dead = self.dead_letters.iter().take(room);
        dead.map(|dead| dead.placed.clone()).collect()
    }

    /// A dead letter waits again, as if it was never tried; `false` where it is no dead letter or there is no room.
    /// It waits for other dead letters of its account alone: what came after it was delivered long ago.
    pub fn revive(&mut self, arrival: Arrival) -> bool {
        let position = arrival.placed.position;
        let mut dead = self.dead_letters.iter();
        let found = dead.position(|dead| dead.placed.position == position);
        let Some(index) = found.filter(|_| self.has_room()) else {
            return false;
        };
        self.dead_letters.remove(index);
        self.enter(arrival, true, Tries::default());
        true
    }
}

/// What is shown.
impl DeliveryQueue {
    /// Why nothing is sent.
    #[must_use]
    pub const fn disabled(&self) -> Option<Disabled> {
        self.disabled
    }

    /// Since when requests fail, without a success since.
    #[must_use]
    pub const fn failing_since(&self) -> Option<Duration> {
        self.failing_since
    }

    /// How many deliveries wait, those under way included.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// How many requests are under way.
    #[must_use]
    pub const fn requests_count(&self) -> usize {
        self.requests_count
    }

    /// What was given up, the oldest first.
    #[must_use]
    pub const fn dead_letters(&self) -> &VecDeque<DeliveryRecord> {
        &self.dead_letters
    }

    /// What waits, in its order, with when it is sent: `None` while it is under way, or waits for another.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = (DeliveryRecord, Option<Duration>)> {
        self.waiting.iter().map(|(number, waiting)| {
            let lanes = &waiting.arrival.lanes;
            let is_first = self.lanes.is_first(*number, waiting.was_dead, lanes);
            let due = match waiting.state {
                State::Due(at) if is_first => Some(at.max(self.held_until)),
                State::Due(_) | State::UnderWay => None,
            };
            (waiting.record(), due)
        })
    }

    /// The oldest event that is on its way for the first time: everything before it was delivered or given up.
    #[must_use]
    pub fn oldest(&self) -> Option<&Placed> {
        let mut first = self.waiting.values();
        let oldest = first.find(|waiting| !waiting.was_dead)?;
        Some(&oldest.arrival.placed)
    }
}

impl Waiting {
    fn record(&self) -> DeliveryRecord {
        DeliveryRecord {
            placed: self.arrival.placed.clone(),
            tries: self.tries.clone(),
        }
    }
}
