//! One step: the mix at one constant rate.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::Serialize;

use super::CapacityOptions;
use crate::arrivals::{Ramp, arrivals};
use crate::figures::{Figures, Latency, latency};
use crate::http::{Client, Connections, HttpFailure};
use crate::machine::{self, Busy};
use crate::pacer::{InFlight, pace};
use crate::recorder::Recorder;
use crate::rinha_2024::{Arrival, KINDS, Requests};
use crate::target::Target;
use crate::user;

/// Behind its plan by more, a step is over.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The first part of each step fills the pool and is not counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// Whether a step held, or what it failed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Every answer was right, and the bound held.
    Held,
    /// Every answer was right, but too many were late.
    TooSlow,
    /// Too many were late, and so was the generator: the step says more of this machine than of
    /// the target.
    GeneratorLate,
    /// Some answers were wrong or missing.
    Failures,
    /// Requests could not be sent as planned.
    Overloaded,
}

impl Held {
    pub(super) const fn is_held(self) -> bool {
        matches!(self, Self::Held)
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::TooSlow => "too slow",
            Self::GeneratorLate => "generator late",
            Self::Failures => "failures",
            Self::Overloaded => "overloaded",
        }
    }
}

/// What a step showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Planned requests per second.
    pub rate: u32,
    /// Whether it held.
    pub held: Held,
    /// How many requests were counted.
    pub requests_count: u64,
    /// How many of them failed.
    pub failures_count: u64,
    /// How long they took.
    #[serde(flatten)]
    pub latency: Latency,
    /// 99 % began at most this late.
    pub lateness_p99_us: f64,
    /// The generator's processor time per request.
    pub generator_cpu_us_per_request: f64,
    /// What failed most, with an example.
    pub fault: Option<String>,
}

impl Step {
    pub(super) fn line(&self) -> String {
        let fault = self.fault.as_deref().unwrap_or_default();
        format!(
            "  {:>8}/s  p50 {:>8.2} ms  p99 {:>8.2} ms  max {:>8.2} ms  {:>6} failed  {}  {fault}",
            self.rate,
            self.latency.p50_ms,
            self.latency.p99_ms,
            self.latency.max_ms,
            self.failures_count,
            self.held.name()
        )
    }
}

/// What a step's users share.
struct Shared {
    client: Client,
    recorder: RefCell<Recorder>,
    warm_up: RefCell<Recorder>,
    counted_from: Instant,
}

pub(super) async fn run(
    options: &CapacityOptions,
    target: &Target,
    connections: Connections,
    rate: u32,
) -> anyhow::Result<Step> {
    let origin = Instant::now() + Duration::from_millis(10);
    let shared = Rc::new(Shared {
        client: client(options, target, connections),
        recorder: RefCell::new(Recorder::new(KINDS, options.p99_max)?),
        warm_up: RefCell::new(Recorder::new(KINDS, options.p99_max)?),
        counted_from: origin + WARM_UP,
    });
    let per_second = f64::from(rate);
    let ramp = Ramp {
        from: per_second,
        to: per_second,
        duration: WARM_UP + options.step,
    };
    let requests = Requests::new(target);
    let mut rng = SmallRng::seed_from_u64(options.seed ^ u64::from(rate));
    let in_flight = InFlight::new(options.connections_max * 2);
    let cpu = machine::thread_cpu();
    let started_count = pace(
        origin,
        arrivals(&[ramp]).map(|at| (at, ())),
        &in_flight,
        |behind| behind < BEHIND_MAX,
        |planned, ()| {
            let arrival = Arrival::of_the_mix(&requests, &mut rng);
            arrive(Rc::clone(&shared), planned, arrival)
        },
    )
    .await?;
    in_flight.drain().await;
    let busy = Busy {
        elapsed: origin.elapsed(),
        cpu: machine::thread_cpu().saturating_sub(cpu),
    };
    let is_whole = started_count == ramp.count();
    Ok(judge(options, rate, is_whole, started_count, &shared, busy))
}

/// Looks whether the target answers at all.
pub(super) async fn look_before(
    options: &CapacityOptions,
    target: &Target,
) -> Result<(), HttpFailure> {
    let request = Requests::new(target).statement(1);
    client(options, target, Connections::New)
        .exchange(&request, |_| ())
        .await
}

fn client(options: &CapacityOptions, target: &Target, connections: Connections) -> Client {
    Client::new(
        target.clone(),
        connections,
        options.connections_max,
        options.timeout,
    )
}

async fn arrive(shared: Rc<Shared>, planned: Instant, arrival: Arrival) {
    let recorder = if planned < shared.counted_from {
        &shared.warm_up
    } else {
        &shared.recorder
    };
    user::ask(
        &shared.client,
        recorder,
        arrival.kind,
        planned,
        &arrival.request,
        |answer| (arrival.judge(answer), None::<()>),
    )
    .await;
}

fn judge(
    options: &CapacityOptions,
    rate: u32,
    is_whole: bool,
    started_count: u64,
    shared: &Shared,
    busy: Busy,
) -> Step {
    let (recorder, warm_up) = (shared.recorder.borrow(), shared.warm_up.borrow());
    let latency = latency(&recorder.all.latency_ns);
    let figures = Figures::new(&recorder, busy);
    let failures_count = recorder.all.failures_count + warm_up.all.failures_count;
    let held = if failures_count > 0 {
        Held::Failures
    } else if !is_whole {
        Held::Overloaded
    } else if latency.p99_ms > options.p99_max.as_secs_f64() * 1e3 {
        if figures.generator.lateness_p99_us > options.p99_max.as_secs_f64() * 1e6 / 2.0 {
            Held::GeneratorLate
        } else {
            Held::TooSlow
        }
    } else {
        Held::Held
    };
    let faults = recorder.faults.iter().chain(&warm_up.faults);
    Step {
        rate,
        held,
        requests_count: recorder.all.requests_count,
        failures_count,
        latency,
        lateness_p99_us: figures.generator.lateness_p99_us,
        generator_cpu_us_per_request: cpu_us_per_request(busy, started_count),
        fault: faults
            .max_by_key(|(_, fault)| fault.count)
            .map(|(code, fault)| format!("{code}: {}", fault.example)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn cpu_us_per_request(busy: Busy, started_count: u64) -> f64 {
    busy.cpu.as_secs_f64() * 1e6 / started_count.max(1) as f64
}
