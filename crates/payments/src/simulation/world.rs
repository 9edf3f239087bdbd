//! The world around the dispatcher: a ledger, two processors, a network, clocks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ledger::reference::Books;
use ledger::{
    AcceptPayment, Batch, Command, Currency, Millis, Outcome, Payment, PaymentId, PaymentState,
    ProcessorName, State, Ticker, Timestamp, Unavailable, UsedPayment,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::faults::{Bug, Faults};
use super::processor::{Kept, Processor};
use super::{Tally, ms};
use crate::answer::{Answer, Found, HealthReport, NotRecorded};
use crate::dispatcher::{Dispatcher, Effect, Input, Now, Planted, SendRequest};
use crate::policy::{Policy, ProcessorPolicy};

/// Faults end at this time, and what is paused by then goes on.
const HEALED_AT: Duration = Duration::from_secs(40);
/// By then everything has to be over.
const END_AT: Duration = Duration::from_secs(400);
const TIMEOUT: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_millis(1_500);
const NETWORK_MAX: Duration = Duration::from_millis(40);
const PAYMENTS_COUNT: u128 = 60;
const WALL_START: u64 = 1_750_000_000_000;

enum Happening {
    /// Told to the dispatcher of this life.
    Input(u32, Input),
    /// A command reaches the ledger.
    Command(u32, PaymentId, Command),
    /// Right before the bytes leave.
    Write(u32, SendRequest),
    Arrive(u32, SendRequest),
    /// Whether an error is told instead of the truth.
    Record(u32, SendRequest, bool),
    Question(u32, PaymentId, usize),
    Accept(PaymentId),
    /// Once a second: a crash, or a step of the clock.
    Second,
    Tick(u32),
}

pub(super) struct World {
    rng: SmallRng,
    faults: Faults,
    bug: Option<Bug>,
    now: Duration,
    wall_offset_ms: i64,
    policy: Policy,
    ledger: (Books, Ticker),
    processors: Vec<Processor>,
    dispatcher: Dispatcher,
    life: u32,
    happenings: BTreeMap<(Duration, u64), Happening>,
    happenings_count: u64,
    amounts: HashMap<PaymentId, u64>,
    told: HashMap<PaymentId, (usize, Millis)>,
    next_tick: Option<Duration>,
    broken: Option<String>,
    tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let faults = Faults::random(&mut rng);
        let dead = (rng.random_range(0..6) == 0).then(|| rng.random_range(0..2));
        let processors: Vec<Processor> = (0..2)
            .map(|place| Processor {
                kept: HashMap::new(),
                is_dead: dead == Some(place),
                delay: ms([1, 20, 300][rng.random_range(0..3)]),
                late_max: ms(rng.random_range(500..6_000)),
            })
            .collect();
        let policy = Policy {
            processors: processors
                .iter()
                .zip(["default", "fallback"])
                .map(|(processor, name)| ProcessorPolicy {
                    name: ProcessorName::new(name).unwrap(),
                    concurrency_max: rng.random_range(1..20),
                    rate_max: None,
                    lease: LEASE,
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
        };
        let mut world = Self {
            dispatcher: Dispatcher::new(policy.clone()),
            rng,
            faults,
            bug,
            now: Duration::ZERO,
            wall_offset_ms: 0,
            policy,
            ledger: (Books::default(), Ticker::default()),
            processors,
            life: 0,
            happenings: BTreeMap::new(),
            happenings_count: 0,
            amounts: HashMap::new(),
            told: HashMap::new(),
            next_tick: None,
            broken: None,
            tally: Tally::default(),
        };
        world.begin();
        for id in 1..=PAYMENTS_COUNT {
            let at = ms(world.rng.random_range(0..30_000));
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
        self.audit()?;
        Ok(self.tally)
    }

    fn at(&mut self, at: Duration, happening: Happening) {
        self.happenings_count += 1;
        self.happenings
            .insert((at, self.happenings_count), happening);
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.random_range(0..1_000) < per_mille
    }

    fn network(&mut self) -> Duration {
        let micros = u64::try_from(NETWORK_MAX.as_micros()).unwrap();
        Duration::from_micros(self.rng.random_range(100..micros / 2))
    }

    fn wall(&self) -> u64 {
        let elapsed = i64::try_from(self.now.as_millis()).unwrap();
        u64::try_from(WALL_START.cast_signed() + elapsed + self.wall_offset_ms).unwrap()
    }

    fn begin(&mut self) {
        self.dispatcher = Dispatcher::new(self.policy.clone());
        self.dispatcher.planted = match self.bug {
            Some(Bug::AlreadyRecordedFails) => Some(Planted::AlreadyRecordedFails),
            Some(Bug::UnpinnedAtOnce) => Some(Planted::UnpinnedAtOnce),
            _ => None,
        };
        self.next_tick = None;
        self.tell(Input::Tick);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Input(life, input) if life == self.life => self.tell(input),
            Happening::Tick(life) if life == self.life => {
                self.next_tick = None;
                self.tell(Input::Tick);
            }
            Happening::Input(..) | Happening::Tick(_) => {}
            Happening::Command(life, id, command) => self.command(life, id, command),
            Happening::Write(life, request) => self.write(life, request),
            Happening::Arrive(life, request) => self.arrive(life, request),
            Happening::Record(life, request, hidden) => self.record(life, request, hidden),
            Happening::Question(life, id, processor) => self.question(life, id, processor),
            Happening::Accept(id) => self.accept(id),
            Happening::Second => self.second(),
        }
    }

    fn tell(&mut self, input: Input) {
        let now = Now {
            at: self.now,
            wall: Millis(self.wall()),
        };
        let mut effects = Vec::new();
        self.dispatcher.handle(now, input, &mut effects);
        self.tally.held_max = self.tally.held_max.max(self.dispatcher.held_count());
        for effect in effects {
            self.carry_out(effect);
        }
        let next_tick = self.dispatcher.next_tick(self.now).max(self.now + ms(1));
        if self.next_tick.is_none_or(|at| next_tick < at) {
            self.next_tick = Some(next_tick);
            self.at(next_tick, Happening::Tick(self.life));
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let life = self.life;
        let soon = self.now + self.network();
        match effect {
            Effect::Submit(id, command) => self.at(soon, Happening::Command(life, id, command)),
            Effect::Send(request) => {
                let paused = self.chance(self.faults.paused_before_write);
                let pause = ms(if paused {
                    self.rng.random_range(0..8_000)
                } else {
                    0
                });
                self.at(self.now + pause, Happening::Write(life, request));
            }
            Effect::Ask { id, processor, .. } => {
                self.at(soon, Happening::Question(life, id, processor));
            }
            Effect::PollHealth(place) => {
                let processor = &self.processors[place];
                let report = HealthReport {
                    failing: self.faults.failing > 400,
                    delay_min: processor.delay,
                };
                let report = Some(report).filter(|_| !processor.is_dead);
                self.at(soon, Happening::Input(life, Input::Health(place, report)));
            }
            Effect::ReadDue(query) => {
                let page = if self.chance(self.faults.ledger_silent) {
                    Err(Unavailable::Timeout)
                } else {
                    Ok(self.ledger.0.payments_due(query))
                };
                self.at(soon, Happening::Input(life, Input::Due(page)));
            }
        }
    }

    fn apply(&mut self, command: Command) -> Outcome {
        let now = Timestamp::from_nanos(self.wall() * 1_000_000);
        let (books, ticker) = &mut self.ledger;
        books.apply(Batch::one(command), ticker, now).remove(0)
    }

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
        let life = self.life;
        self.at(self.now, Happening::Input(life, Input::Accepted));
    }

    /// A command arrives even from a dispatcher that is gone; its answer may be lost.
    fn command(&mut self, life: u32, id: PaymentId, command: Command) {
        if self.chance(self.faults.ledger_silent / 2) {
            let unavailable = Err(Unavailable::Overloaded);
            return self.at(
                self.now,
                Happening::Input(life, Input::Outcome(id, unavailable)),
            );
        }
        let is_release = matches!(command, Command::ReleasePayment { .. });
        let outcome = self.apply(command);
        self.tally.releases += u64::from(is_release && outcome.result.is_ok());
        let result = if self.chance(self.faults.ledger_silent / 2) {
            Err(Unavailable::Timeout)
        } else {
            Ok(Box::new(outcome))
        };
        let soon = self.now + self.network();
        self.at(soon, Happening::Input(life, Input::Outcome(id, result)));
    }

    fn report(&mut self, life: u32, request: &SendRequest, answer: Answer) {
        let input = Input::Answered(request.id, request.attempt, answer);
        self.at(self.now, Happening::Input(life, input));
    }

    fn write(&mut self, life: u32, mut request: SendRequest) {
        let lease_holds = self.now + TIMEOUT <= request.lease_until;
        if !lease_holds && self.bug != Some(Bug::LeaseUnchecked) {
            self.tally.lease_over += 1;
            let answer = Answer::NotRecorded(NotRecorded::LeaseOver);
            return self.report(life, &request, answer);
        }
        if self.chance(self.faults.no_connection) {
            let answer = Answer::NotRecorded(NotRecorded::Unreachable);
            return self.report(life, &request, answer);
        }
        let told = (request.processor, request.requested_at);
        if self.told.insert(request.id, told) == Some(told) {
            self.tally.resends += 1;
            if self.bug == Some(Bug::RequestedAtRenewed) {
                request.requested_at = Millis(self.wall());
            }
        }
        if !self.chance(self.faults.request_lost) {
            let arrival = self.now + self.network();
            self.at(arrival, Happening::Arrive(life, request));
        }
        let (id, attempt) = (request.id, request.attempt);
        let timeout = Input::Answered(id, attempt, Answer::Unknown);
        // The report that comes first counts; the dispatcher ignores the other.
        self.at(self.now + TIMEOUT, Happening::Input(life, timeout));
    }

    fn arrive(&mut self, life: u32, request: SendRequest) {
        let refuses_all = self.faults.refusing > 0 && request.id.to_u128().is_multiple_of(7);
        if self.processors[request.processor].is_dead {
            return;
        }
        if self.chance(self.faults.busy) {
            let retry_after = Some(ms(100));
            let answer = Answer::NotRecorded(NotRecorded::Busy { retry_after });
            return self.respond(life, request, answer);
        }
        if refuses_all || self.chance(self.faults.refusing) {
            return self.respond(life, request, Answer::Refused);
        }
        let processor = &self.processors[request.processor];
        let (delay, late_max) = (processor.delay, processor.late_max);
        if self.chance(self.faults.failing) {
            let answer = Answer::NotRecorded(NotRecorded::Failing);
            return self.respond(life, request, answer);
        }
        let mut at = self.now + delay;
        if self.chance(self.faults.recorded_late) {
            self.tally.late += 1;
            at += self.rng.random_range(Duration::ZERO..late_max);
        }
        let is_error = self.chance(self.faults.error_after_recording);
        self.at(at, Happening::Record(life, request, is_error));
    }

    fn record(&mut self, life: u32, request: SendRequest, is_error: bool) {
        let id = request.id;
        if self.processors[request.processor].kept.contains_key(&id) {
            self.tally.duplicates += 1;
            return self.respond(life, request, Answer::AlreadyRecorded);
        }
        if self
            .processors
            .iter()
            .any(|other| other.kept.contains_key(&id))
        {
            self.broken = Some(format!("payment {id} is recorded by two processors"));
        }
        let kept = Kept {
            amount: request.amount,
            requested_at: request.requested_at,
        };
        self.processors[request.processor].kept.insert(id, kept);
        let answer = match is_error {
            true => Answer::Unknown,
            false => Answer::Recorded,
        };
        self.respond(life, request, answer);
    }

    fn respond(&mut self, life: u32, request: SendRequest, answer: Answer) {
        if self.chance(self.faults.answer_lost) {
            return;
        }
        let (id, attempt) = (request.id, request.attempt);
        let at = self.now + self.network();
        self.at(
            at,
            Happening::Input(life, Input::Answered(id, attempt, answer)),
        );
    }

    fn question(&mut self, life: u32, id: PaymentId, place: usize) {
        let fails = self.chance(self.faults.question_fails);
        let processor = &self.processors[place];
        let found = match processor.kept.get(&id) {
            _ if processor.is_dead || fails => Found::Failed,
            Some(kept) => Found::Recorded {
                amount: Some(kept.amount),
                requested_at: kept.requested_at,
            },
            None => Found::Absent,
        };
        let at = self.now + self.network();
        self.at(at, Happening::Input(life, Input::Asked(id, found)));
    }

    fn second(&mut self) {
        if self.chance(self.faults.crash_in_s) {
            self.tally.restarts += 1;
            self.life += 1;
            self.begin();
        }
        if self.chance(self.faults.clock_step_in_s) {
            self.wall_offset_ms = self.rng.random_range(-60_000..60_000);
        }
        self.at(self.now + ms(1_000), Happening::Second);
    }

    fn payments(&self) -> Vec<Payment> {
        let payment = |id: &PaymentId| match self.ledger.0.state().payment(*id) {
            Some(UsedPayment::Accepted(payment)) => Some(payment),
            _ => None,
        };
        self.amounts.keys().filter_map(payment).collect()
    }

    fn is_pinned_to_the_dead(&self, payment: &Payment) -> bool {
        let PaymentState::Sent { processor, .. } = &payment.state else {
            return false;
        };
        let is_it = |place: &usize| self.policy.processors[*place].name == *processor;
        (0..2)
            .find(is_it)
            .is_some_and(|place| self.processors[place].is_dead)
    }

    /// Whether nothing is left to wait for.
    fn is_over(&self) -> bool {
        let writes_left = self.happenings.values().any(|h| {
            matches!(
                h,
                Happening::Write(..) | Happening::Arrive(..) | Happening::Record(..)
            )
        });
        let is_left =
            |payment: &Payment| payment.state.is_due() && !self.is_pinned_to_the_dead(payment);
        !writes_left && !self.payments().iter().any(is_left)
    }

    /// Lastro and both processors, payment by payment.
    fn audit(&mut self) -> Result<(), String> {
        for payment in self.payments() {
            let id = payment.id;
            let mut kept = self
                .policy
                .processors
                .iter()
                .zip(&self.processors)
                .filter_map(|(policy, processor)| Some((&policy.name, processor.kept.get(&id)?)));
            let (kept, twice) = (kept.next(), kept.next().is_some());
            let amount = self.amounts[&id];
            let is_right = match (&payment.state, kept) {
                _ if twice => false,
                (
                    PaymentState::Settled {
                        processor,
                        requested_at,
                    },
                    Some((name, kept)),
                ) => {
                    self.tally.settled += 1;
                    let label = (processor, *requested_at) == (name, kept.requested_at);
                    label && (payment.amount, kept.amount) == (amount, amount)
                }
                (PaymentState::Refused { .. }, None) => {
                    self.tally.refused += 1;
                    true
                }
                (PaymentState::Sent { .. }, None) => {
                    self.tally.pinned += 1;
                    self.is_pinned_to_the_dead(&payment)
                }
                _ => false,
            };
            if !is_right {
                let state = &payment.state;
                return Err(format!(
                    "payment {id} of {amount} is {state:?}, and kept as {kept:?}"
                ));
            }
        }
        Ok(())
    }
}
