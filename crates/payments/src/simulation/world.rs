//! The world around the dispatchers: a ledger, nodes, two processors, a network, clocks. What happens
//! in it, and when; the files beside this one say what comes of it.

mod commands;
mod effects;
mod leases;
mod troubles;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use ledger::reference::Books;
use ledger::{Command, Currency, Millis, PaymentId, ProcessorName, Ticker};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::claims::Claims;
use super::faults::{Bug, Faults};
use super::fingerprint::Fingerprint;
use super::node::{ClaimsLease, Life, Node};
use super::processor::Processor;
use super::{Tally, ms};
use crate::dispatcher::{Input, Now, Question, SendRequest};
use crate::policy::{Policy, ProcessorIndex, ProcessorPolicy};

/// Faults end at this time, and what is stopped by then goes on.
const HEALED_AT: Duration = Duration::from_secs(40);
/// By then everything has to be over.
const END_AT: Duration = Duration::from_secs(400);
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// How long the leases of requests, and of claims, last: the nodes may be configured apart.
pub(super) const LEASES_MS: [u64; 3] = [1_500, 3_000, 9_000];
const RENEW_INTERVAL: Duration = Duration::from_millis(300);
const NETWORK_MAX: Duration = Duration::from_millis(40);
const PAYMENTS_COUNT: u128 = 60;
/// Payments that come once all is well, but for what is dead or stuck for ever: one a second, the first
/// so many seconds after the faults end.
pub(super) const LATE_PAYMENTS: std::ops::RangeInclusive<u128> = 61..=90;
pub(super) const LATE_PAYMENTS_AFTER_S: u64 = 5;
/// The longest that a node is stopped, or down.
pub(super) const STOPPED_MAX: Duration = Duration::from_secs(12);
const WALL_START: u64 = 1_750_000_000_000;

pub(super) enum Happening {
    /// Told to the dispatcher of this life.
    Input(Life, Input),
    /// A command reaches the ledger.
    Command(Life, PaymentId, Command),
    /// Right before the bytes leave; the lease of the claims when that was decided.
    Write(Life, SendRequest, ClaimsLease),
    Arrive(Life, SendRequest),
    /// Whether an error is told instead of the truth.
    Record(Life, SendRequest, bool),
    /// A processor decides about a payment that it has.
    Decide(ProcessorIndex, PaymentId),
    /// Whether it is to find out if the processor is back.
    Question(Life, Question, bool),
    Accept(PaymentId),
    /// Once a second: crashes, stops, a step of a clock.
    Second,
    Tick(Life),
    /// A node asks for its lease, and looks for what others left.
    Renew(Life),
    /// The question reaches the ledger; when it was asked.
    RenewAtLedger(Life, Duration),
    Leased(Life, ClaimsLease),
}

pub(super) struct World {
    pub(super) rng: SmallRng,
    pub(super) faults: Faults,
    pub(super) bug: Option<Bug>,
    pub(super) now: Duration,
    pub(super) names: Vec<ProcessorName>,
    pub(super) ledger: (Books, Ticker),
    pub(super) claims: Claims,
    /// One node has the ledger to itself, and needs no claims.
    is_alone: bool,
    pub(super) processors: Vec<Processor>,
    pub(super) nodes: Vec<Node>,
    pub(super) happenings: BTreeMap<(Duration, u64), Happening>,
    happenings_count: u64,
    pub(super) amounts: HashMap<PaymentId, u64>,
    /// Whose command made the ledger record each attempt.
    pub(super) sent_by: HashMap<(PaymentId, u32), Life>,
    pub(super) told: HashMap<PaymentId, (ProcessorIndex, Millis)>,
    /// Payments of which an operator was told that they cannot be settled where they are recorded.
    pub(super) reported: HashSet<PaymentId>,
    pub(super) broken: Option<String>,
    pub(super) tally: Tally,
    fingerprint: Fingerprint,
}

impl World {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let faults = Faults::random(&mut rng);
        let processors_count = if rng.random_range(0..4) == 0 { 1 } else { 2 };
        let dead = (rng.random_range(0..6) == 0).then(|| rng.random_range(0..2));
        let is_confused = rng.random_range(0..3) == 0;
        let choosy = (rng.random_range(0..3) == 0).then(|| rng.random_range(0..2));
        let slow_to_decide = (rng.random_range(0..3) == 0).then(|| rng.random_range(0..2));
        let processors: Vec<Processor> = (0..processors_count)
            .map(|place| Processor {
                kept: HashMap::new(),
                undecided: HashMap::new(),
                declined: HashSet::new(),
                is_slow_to_decide: slow_to_decide == Some(place),
                is_dead: dead == Some(place) && processors_count > 1,
                down: outage(&mut rng),
                is_confused,
                is_choosy: choosy == Some(place),
                delay: ms([1, 20, 300][rng.random_range(0..3)]),
                late_max: ms(rng.random_range(500..6_000)),
            })
            .collect();
        let names = ["default", "fallback"].map(|name| ProcessorName::new(name).unwrap());
        let names = &names[..processors_count];
        let policy = policy(&mut rng, names, &processors);
        let is_alone = rng.random_range(0..3) == 0;
        let nodes_count = if is_alone { 1 } else { rng.random_range(1..=3) };
        let nodes = (0..nodes_count)
            .map(|node| {
                let mut policy = policy.clone();
                let lease = ms(LEASES_MS[rng.random_range(0..3)]);
                for processor in &mut policy.processors {
                    processor.lease = lease;
                }
                let lease_lasts = ms(LEASES_MS[rng.random_range(0..3)]);
                let mut node = Node::new(node, policy, lease_lasts);
                node.dispatcher.planted = bug.and_then(Bug::planted);
                node
            })
            .collect();
        let mut world = Self {
            rng,
            faults,
            bug,
            now: Duration::ZERO,
            names: names.to_vec(),
            ledger: (Books::default(), Ticker::default()),
            claims: Claims::default(),
            is_alone,
            processors,
            nodes,
            happenings: BTreeMap::new(),
            happenings_count: 0,
            amounts: HashMap::new(),
            sent_by: HashMap::new(),
            told: HashMap::new(),
            reported: HashSet::new(),
            broken: None,
            tally: Tally::default(),
            fingerprint: Fingerprint::default(),
        };
        for node in 0..world.nodes.len() {
            world.at(Duration::ZERO, Happening::Renew(world.nodes[node].life));
        }
        for id in 1..=PAYMENTS_COUNT {
            let at = ms(world.rng.random_range(0..30_000));
            world.at(at, Happening::Accept(PaymentId::from_u128(id)));
        }
        for (second, id) in (LATE_PAYMENTS_AFTER_S..).zip(LATE_PAYMENTS) {
            let at = HEALED_AT + ms(second * 1_000);
            world.at(at, Happening::Accept(PaymentId::from_u128(id)));
        }
        world.at(ms(1_000), Happening::Second);
        world
    }

    pub(super) fn run(mut self) -> Result<Tally, String> {
        while let Some(((at, _), happening)) = self.happenings.pop_first() {
            let is_second = matches!(happening, Happening::Second);
            if at > END_AT || (is_second && at > HEALED_AT && self.is_over()) {
                break;
            }
            self.now = at;
            if at >= HEALED_AT {
                self.faults = Faults::default();
            }
            self.happen(happening);
            if let Some(broken) = self.broken.take() {
                return Err(format!("at {at:?}: {broken}"));
            }
        }
        self.tally.leases_ended = self.claims.ended_count;
        self.tally.fingerprint = self.fingerprint.finish();
        self.audit()?;
        Ok(self.tally)
    }

    pub(super) fn at(&mut self, at: Duration, happening: Happening) {
        self.happenings_count += 1;
        self.happenings
            .insert((at, self.happenings_count), happening);
    }

    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.random_range(0..1_000) < per_mille
    }

    pub(super) fn network(&mut self) -> Duration {
        let micros = u64::try_from(NETWORK_MAX.as_micros()).unwrap();
        Duration::from_micros(self.rng.random_range(100..micros / 2))
    }

    /// The ledger's time of day.
    fn time(&self) -> u64 {
        WALL_START + u64::try_from(self.now.as_millis()).unwrap()
    }

    /// A node's.
    pub(super) fn wall(&self, life: Life) -> u64 {
        let offset = self.nodes[life.node].wall_offset_ms;
        self.time().checked_add_signed(offset).unwrap()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            // What a node does, and hears, waits while it is stopped.
            Happening::Input(life, _)
            | Happening::Tick(life)
            | Happening::Write(life, ..)
            | Happening::Renew(life)
            | Happening::Leased(life, _)
                if self.now < self.nodes[life.node].frozen_until =>
            {
                self.at(self.nodes[life.node].frozen_until, happening);
            }
            // What was begun in another life is not heard of; what was given out may still leave.
            Happening::Input(life, _)
            | Happening::Tick(life)
            | Happening::Renew(life)
            | Happening::Leased(life, _)
                if life != self.nodes[life.node].life => {}
            Happening::Input(life, input) => self.tell(life, input),
            Happening::Tick(life) => {
                self.nodes[life.node].next_tick = None;
                self.tell(life, Input::Tick);
            }
            Happening::Command(life, id, command) => self.command(life, id, command),
            Happening::Write(life, request, lease) => self.write(life, request, lease),
            Happening::Arrive(life, request) => self.arrive(life, request),
            Happening::Record(life, request, hidden) => self.record(life, request, hidden),
            Happening::Question(life, question, is_probe) => {
                self.question(life, question, is_probe);
            }
            Happening::Decide(place, id) => self.decide(place, id),
            Happening::Accept(id) => self.accept(id),
            Happening::Second => self.second(),
            Happening::Renew(life) => self.renew(life),
            Happening::RenewAtLedger(life, asked_at) => self.renew_at_ledger(life, asked_at),
            Happening::Leased(life, lease) => self.leased(life, lease),
        }
    }

    /// A node whose lease is over hears of nothing until it is renewed.
    fn tell(&mut self, life: Life, input: Input) {
        let wall = Millis(self.wall(life));
        let node = &mut self.nodes[life.node];
        if !node.holds_its_lease(self.now) {
            return node.deferred.push_back(input);
        }
        let mut effects = Vec::new();
        let now = Now { at: self.now, wall };
        self.tally.inputs += 1;
        node.dispatcher.handle(now, input, &mut effects);
        self.tally.held_max = self.tally.held_max.max(node.dispatcher.held_count());
        let next_tick = node.dispatcher.next_tick(self.now).max(self.now + ms(1));
        let is_sooner = node.next_tick.is_none_or(|at| next_tick < at);
        if is_sooner {
            node.next_tick = Some(next_tick);
            self.at(next_tick, Happening::Tick(life));
        }
        for effect in effects {
            self.fingerprint.add(self.now, life.node, &effect);
            self.carry_out(life, effect);
        }
    }
}

/// When a processor is silent, if it is: over before all is well.
fn outage(rng: &mut SmallRng) -> std::ops::Range<Duration> {
    let from = ms(rng.random_range(0..25_000));
    match rng.random_range(0..3) {
        0 => from..from + ms(rng.random_range(2_000..15_000)),
        _ => Duration::ZERO..Duration::ZERO,
    }
}

fn policy(rng: &mut SmallRng, names: &[ProcessorName], processors: &[Processor]) -> Policy {
    Policy {
        processors: processors
            .iter()
            .zip(names)
            .map(|(processor, name)| ProcessorPolicy {
                name: name.clone(),
                concurrency_max: rng.random_range(1..20),
                rate_max: None,
                lease: Duration::ZERO,
                recorded_within: rng
                    .random::<bool>()
                    .then_some(NETWORK_MAX + processor.delay + processor.late_max),
                health_interval: rng.random::<bool>().then_some(ms(5_000)),
            })
            .collect(),
        currency: Currency::new("BRL").expect("BRL is a currency"),
        delay_max: ms(1_200),
        preferred_wait: ms(rng.random_range(0..3_000)),
        deadline: ms(5_000),
        window: rng.random_range(4..40),
        rescan_interval: ms(3_000),
    }
}
