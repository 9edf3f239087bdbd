//! The world around the dispatchers: a ledger, nodes, two processors, a network, clocks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use ledger::reference::Books;
use ledger::{
    AcceptPayment, Batch, Command, Currency, HealthReport, Millis, Outcome, PaymentId,
    ProcessorName, Record, State, Ticker, Timestamp, Unavailable, UsedPayment,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::claims::Claims;
use super::faults::{Bug, Faults};
use super::fingerprint::Fingerprint;
use super::node::{ClaimsLease, Life, Node};
use super::processor::Processor;
use super::{Tally, ms};
use crate::dispatcher::{Effect, Input, Now, Question, SendRequest};
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
        let processors: Vec<Processor> = (0..processors_count)
            .map(|place| Processor {
                kept: HashMap::new(),
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

    fn carry_out(&mut self, life: Life, effect: Effect) {
        let soon = self.now + self.network();
        match effect {
            Effect::Submit { id, command } => {
                let slow = match self.chance(self.faults.command_slow) {
                    true => self.rng.random_range(Duration::ZERO..ms(2_000)),
                    false => Duration::ZERO,
                };
                self.at(soon + slow, Happening::Command(life, id, command));
            }
            Effect::Send(request) => {
                let paused = self.chance(self.faults.paused_before_write);
                let pause = ms(if paused {
                    self.rng.random_range(0..8_000)
                } else {
                    0
                });
                if let Some(lease) = self.nodes[life.node].lease {
                    self.at(self.now + pause, Happening::Write(life, request, lease));
                }
            }
            Effect::Ask(question) => self.at(soon, Happening::Question(life, question, false)),
            Effect::Probe(question) => {
                self.tally.probes += 1;
                self.at(soon, Happening::Question(life, question, true));
            }
            Effect::Look(id) => {
                let payment = match self.ledger.0.state().payment(id) {
                    Some(UsedPayment::Accepted(payment)) => Some(Box::new(payment)),
                    Some(UsedPayment::Refused(..)) | None => None,
                };
                let payment = match self.chance(self.faults.ledger_silent) {
                    true => Err(Unavailable::Timeout),
                    false => Ok(payment),
                };
                self.at(soon, Happening::Input(life, Input::Looked { id, payment }));
            }
            Effect::Report(conflict) => {
                self.tally.reports += 1;
                self.reported.insert(conflict.id);
            }
            Effect::PollHealth(place) => {
                let processor = &self.processors[place.get()];
                let report = HealthReport {
                    failing: self.faults.failing > 400,
                    delay_min: processor.delay,
                    // The first node asks, the others hear of it later.
                    age: ms(if life.node == 0 { 0 } else { 1_000 }),
                };
                let report = Some(report).filter(|_| !processor.is_silent(self.now));
                self.at(
                    soon,
                    Happening::Input(
                        life,
                        Input::Health {
                            processor: place,
                            report,
                        },
                    ),
                );
            }
            Effect::ReadDue(query) => {
                let is_silent = self.chance(self.faults.ledger_silent);
                let lease = self.nodes[life.node].lease.map_or(0, |lease| lease.number);
                let page = if self.is_alone {
                    self.ledger.0.payments_due(query)
                } else {
                    self.claims.due(lease, query, &self.ledger.0)
                };
                // Claimed or not, it may be that nobody is told.
                let page = if is_silent {
                    Err(Unavailable::Timeout)
                } else {
                    Ok(page)
                };
                self.at(soon, Happening::Input(life, Input::Due(page)));
            }
        }
    }

    fn renew(&mut self, life: Life) {
        self.at(self.now + RENEW_INTERVAL, Happening::Renew(life));
        self.tell(life, Input::Accepted);
        let is_cut_off = self.now < self.nodes[life.node].cut_off_until;
        if !is_cut_off && !self.chance(self.faults.ledger_silent / 2) {
            let arrival = self.now + self.network();
            self.at(arrival, Happening::RenewAtLedger(life, self.now));
        }
    }

    fn renew_at_ledger(&mut self, life: Life, asked_at: Duration) {
        let node = &self.nodes[life.node];
        // One that has ended has no lease to ask for; its question may arrive all the same.
        let held = node.lease.filter(|_| node.life == life);
        let lasts = node.lease_lasts;
        let held = held.map(|lease| lease.number);
        let (number, until) = if self.is_alone {
            (0, Duration::MAX)
        } else {
            let number = self.claims.renew(held, self.now, lasts);
            (number, asked_at + lasts)
        };
        if !self.chance(self.faults.ledger_silent / 2) {
            let soon = self.now + self.network();
            let lease = ClaimsLease { number, until };
            self.at(soon, Happening::Leased(life, lease));
        }
    }

    fn leased(&mut self, life: Life, lease: ClaimsLease) {
        let node = &mut self.nodes[life.node];
        match node.lease {
            Some(held) if held.number == lease.number => {
                node.lease = Some(ClaimsLease {
                    until: held.until.max(lease.until),
                    ..lease
                });
                let deferred = std::mem::take(&mut node.deferred);
                for input in deferred {
                    self.tell(life, input);
                }
            }
            // An answer that was overtaken by that to a later question.
            Some(held) if held.number > lease.number => {}
            held => {
                self.tally.claims_lost += u64::from(held.is_some());
                match held {
                    Some(_) => node.begin_anew(),
                    None => node.begin(),
                }
                node.lease = Some(lease);
                let life = node.life;
                self.at(self.now, Happening::Renew(life));
                self.tell(life, Input::Tick);
            }
        }
    }

    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        let now = Timestamp::from_nanos(self.time() * 1_000_000);
        let (books, ticker) = &mut self.ledger;
        books.apply(Batch::one(command), ticker, now).remove(0)
    }

    /// Accepted on some node: the others are told by nobody.
    fn accept(&mut self, id: PaymentId) {
        let amount = self.rng.random_range(1..100_000);
        self.amounts.insert(id, amount);
        let command = Command::AcceptPayment(AcceptPayment {
            id,
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount,
            description: "payment".into(),
        });
        assert!(self.apply(command).result.is_ok());
        let node = self.rng.random_range(0..self.nodes.len());
        let life = self.nodes[node].life;
        self.at(self.now, Happening::Input(life, Input::Accepted));
    }

    /// A command arrives even from a dispatcher that is gone; its answer may be lost.
    fn command(&mut self, life: Life, id: PaymentId, command: Command) {
        if self.chance(self.faults.ledger_silent / 2) {
            let unavailable = Err(Unavailable::Overloaded);
            return self.at(
                self.now,
                Happening::Input(
                    life,
                    Input::Outcome {
                        id,
                        result: unavailable,
                    },
                ),
            );
        }
        let is_release = matches!(command, Command::ReleasePayment { .. });
        let is_send = matches!(command, Command::SendPayment { .. });
        let outcome = self.apply(command);
        if let (true, false, Ok(Record::Payment(payment))) =
            (is_send, outcome.replayed, &outcome.result)
        {
            self.sent_by.insert((id, payment.attempt), life);
        }
        self.tally.releases += u64::from(is_release && outcome.result.is_ok());
        let result = if self.chance(self.faults.ledger_silent / 2) {
            Err(Unavailable::Timeout)
        } else {
            Ok(Box::new(outcome))
        };
        let soon = self.now + self.network();
        self.at(soon, Happening::Input(life, Input::Outcome { id, result }));
    }

    fn second(&mut self) {
        for node in 0..self.nodes.len() {
            if self.chance(self.faults.crash_in_s) {
                self.crash(node);
            }
            if self.chance(self.faults.frozen_in_s) {
                self.tally.frozen += 1;
                let stopped_max_ms = u64::try_from(STOPPED_MAX.as_millis()).unwrap();
                let thawed_at = self.now + ms(self.rng.random_range(0..stopped_max_ms));
                self.nodes[node].frozen_until = thawed_at;
            }
            if self.chance(self.faults.cut_off_in_s) {
                let until = self.now + ms(self.rng.random_range(0..15_000));
                self.nodes[node].cut_off_until = until;
            }
            if self.chance(self.faults.clock_step_in_s) {
                self.nodes[node].wall_offset_ms = self.rng.random_range(-60_000..60_000);
            }
        }
        if self.chance(self.faults.operator_in_s) {
            self.operate();
        }
        self.at(self.now + ms(1_000), Happening::Second);
    }

    /// The process ends, and another begins at once or after a while. Its lease runs out.
    fn crash(&mut self, place: usize) {
        self.tally.restarts += 1;
        let down = [ms(0), ms(0), ms(3_000), STOPPED_MAX][self.rng.random_range(0..4)];
        let node = &mut self.nodes[place];
        node.begin();
        node.lease = None;
        node.frozen_until = self.now + down;
        let life = node.life;
        self.at(self.now + down, Happening::Renew(life));
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
        delay_max: ms(1_200),
        preferred_wait: ms(rng.random_range(0..3_000)),
        deadline: ms(5_000),
        window: rng.random_range(4..40),
        rescan_interval: ms(3_000),
    }
}
