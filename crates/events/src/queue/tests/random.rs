//! Random receivers, failures, kills and restarts: each event arrives, in order for each account, and none is given
//! up early.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use super::*;

/// How many schedules are tried; ten times as many in a long run.
const SEEDS: u64 = 400;
/// How many events a ledger has.
const EVENTS: u64 = 120;

/// What is seen from outside: the ledger, and the receiver.
struct World {
    random: SmallRng,
    accounts: BTreeMap<u64, Vec<&'static str>>,
    /// Events that the endpoint asks for.
    asked: BTreeSet<u64>,
    /// Time of the world, over all restarts.
    now: Duration,
    /// When the process at hand was started.
    started: Duration,
    queue: DeliveryQueue,
    /// What is on the disk.
    saved: Saved,
    under_way: Vec<(u64, u64)>,
    arrived_first: Vec<u64>,
    dead: BTreeSet<u64>,
    tried_first: BTreeMap<u64, Duration>,
    fails_always: BTreeSet<u64>,
    is_away: bool,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    dead: u64,
    repeated: u64,
    failures: u64,
    outages: u64,
}

fn policy(random: &mut SmallRng) -> Policy {
    Policy {
        requests_max: random.random_range(1..6),
        waiting_max: random.random_range(2..20),
        waiting_bytes_max: random.random_range(30..2_000),
        dead_letters_max: 1_000,
        ..Policy::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut accounts = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut fails_always = BTreeSet::new();
        for event in 1..=EVENTS {
            let all = ["a", "b", "c", "d", "e"];
            let count = random.random_range(0..3);
            let of_event = (0..count).map(|_| all[random.random_range(0..all.len())]);
            let of_event: BTreeSet<_> = of_event.collect();
            accounts.insert(event, of_event.into_iter().collect());
            if random.random_ratio(4, 5) {
                asked.insert(event);
            }
            if random.random_ratio(1, 60) {
                fails_always.insert(event);
            }
        }
        let saved = Saved::beginning(FeedPlace::Beginning);
        Self {
            queue: DeliveryQueue::new(policy(&mut random), saved.clone()),
            saved,
            random,
            accounts,
            asked,
            now: Duration::ZERO,
            started: Duration::ZERO,
            under_way: Vec::new(),
            arrived_first: Vec::new(),
            dead: BTreeSet::new(),
            tried_first: BTreeMap::new(),
            fails_always,
            is_away: false,
            tally: Tally::default(),
        }
    }

    fn arrival(&self, event: u64) -> Arrival {
        arrival(event, &self.accounts[&event])
    }

    /// Time of the process at hand.
    fn process_now(&self) -> Duration {
        self.now - self.started
    }

    fn read(&mut self) {
        let mut next = match self.queue.read_to() {
            FeedPlace::Beginning => 1,
            FeedPlace::After(position) => number_of(position) + 1,
        };
        let until = (next + self.random.random_range(1..10)).min(EVENTS + 1);
        while next < until && self.queue.has_room() {
            if self.asked.contains(&next) {
                self.queue.arrive(self.arrival(next));
            } else {
                self.queue.pass(position(next));
            }
            next += 1;
        }
    }

    fn save(&mut self) {
        self.saved = self.queue.saved();
        self.dead = self
            .saved
            .dead_letters
            .iter()
            .map(|dead| number_of(dead.placed.position))
            .collect();
    }

    fn receive(&mut self, event: u64) {
        if self.arrived_first.contains(&event) {
            self.tally.repeated += 1;
        } else {
            self.arrived_first.push(event);
        }
    }

    fn kill(&mut self) {
        self.tally.kills += 1;
        // What was under way may have arrived all the same.
        for (event, _) in std::mem::take(&mut self.under_way) {
            if self.random.random() && !self.fails_always.contains(&event) && !self.is_away {
                self.receive(event);
            }
        }
        self.now += Duration::from_secs(self.random.random_range(0..100_000));
        self.started = self.now;
        let policy = policy(&mut self.random);
        let saved = self.saved.clone();
        self.queue = DeliveryQueue::new(policy, saved.clone());
        for waiting in saved.waiting {
            let event = number_of(waiting.record.placed.position);
            self.queue.restore(self.arrival(event), waiting);
        }
    }

    fn end_one(&mut self) {
        let index = self.random.random_range(0..self.under_way.len());
        let (event, number) = self.under_way.swap_remove(index);
        self.now += Duration::from_millis(self.random.random_range(1..10_000));
        let fails =
            self.is_away || self.fails_always.contains(&event) || self.random.random_ratio(1, 10);
        let meaning = if fails {
            self.tally.failures += 1;
            let asks = self.random.random_ratio(1, 10);
            Meaning::Failed {
                retry_after: asks.then(|| s(self.random.random_range(0..10_000))),
                is_busy: self.random.random(),
            }
        } else {
            self.receive(event);
            Meaning::Delivered
        };
        let jitter = Jitter::from_thousandths(self.random.random_range(0..=1_000));
        let now = self.process_now();
        let verdict = self.queue.answered(now, number, result(meaning), jitter);
        match verdict {
            Verdict::Delivered(_) => assert!(!fails),
            Verdict::Again(_) => assert!(fails),
            Verdict::Dead(_) => {
                assert!(fails);
                self.tally.dead += 1;
                let tried_for = self.now - self.tried_first[&event];
                assert!(tried_for >= 3 * DAY, "event {event} after {tried_for:?}");
                // As the endpoint does, before its account goes on: otherwise a restart would try it again then.
                self.save();
            }
            Verdict::Gone | Verdict::Unknown => panic!("{verdict:?}"),
        }
    }

    fn is_done(&self) -> bool {
        self.queue.waiting_count() == 0
            && (self.queue.read_to() == FeedPlace::After(position(EVENTS)))
            && self.queue.saved() == self.saved
    }

    fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..2 => self.kill(),
            2..10 => self.save(),
            10..12 => {
                self.tally.outages += u64::from(!self.is_away);
                self.is_away = !self.is_away;
            }
            12..30 if self.queue.wants_more() => self.read(),
            30..60 if !self.under_way.is_empty() => self.end_one(),
            _ => {
                let now = self.process_now();
                if let Some(request) = self.queue.next(now) {
                    let event = number_of(request.webhook_id);
                    self.tried_first.entry(event).or_insert(self.now);
                    self.under_way.push((event, request.number));
                } else if self.under_way.is_empty()
                    && let Some(due) = self.queue.next_due()
                {
                    assert!(due > now, "what is due is sent");
                    self.now = self.started + due;
                }
            }
        }
    }

    /// Fails unless everything arrived or was given up, and in order.
    fn audit(&self) {
        for event in &self.asked {
            assert!(
                self.arrived_first.contains(event) || self.dead.contains(event),
                "event {event} is lost"
            );
        }
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for event in &self.arrived_first {
            assert!(self.asked.contains(event));
            for account in &self.accounts[event] {
                let before = last.insert(account, *event);
                assert!(
                    before.is_none_or(|before| before < *event),
                    "account {account}: {event} came behind {before:?}"
                );
            }
        }
    }
}

#[test]
fn no_schedule_loses_an_event_or_turns_two_of_an_account_around() {
    let mut sum = Tally::default();
    let seeds = Seeds::from_env(SEEDS);
    let is_whole = seeds.count() >= SEEDS;
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..200_000 {
                if world.is_done() {
                    world.audit();
                    return world.tally;
                }
                world.step();
            }
            panic!("it has no end: {:?}", world.tally);
        });
        let Ok(tally) = run else {
            panic!("LASTRO_SEED={seed}");
        };
        sum.kills += tally.kills;
        sum.dead += tally.dead;
        sum.repeated += tally.repeated;
        sum.failures += tally.failures;
        sum.outages += tally.outages;
    }
    println!("{sum:?}");
    if is_whole {
        for count in [sum.kills, sum.dead, sum.repeated, sum.failures, sum.outages] {
            assert!(count > 0, "{sum:?}");
        }
    }
}
