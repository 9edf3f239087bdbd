//! `capacity`: the highest rate of the challenge's mix that holds a latency bound without an error.
//!
//! The rate doubles from step to step until a step fails, then the gap is halved until it is a
//! twentieth. Each step is an open load at one constant rate; one that was nearly fast enough is
//! tried once more. A step that is more than a second
//! behind its plan ends early: it has failed.
//!
//! A bare handler, which answers the same bytes without a ledger, can be driven beside: directly it
//! shows what the generator can do, behind a proxy what the proxy lets through.

mod bare;
mod options;
mod report;
mod search;
mod step;

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::LocalSet;

use crate::http::Connections;
use crate::machine;
use crate::target::Target;

pub use bare::Bare;
pub use options::{BareOptions, CapacityOptions};
pub use report::{CapacityReport, Curve};
pub use step::{Held, Step};

use search::Search;

/// Between steps: sockets and queues of a failed step calm down.
const CALM: Duration = Duration::from_millis(300);

/// What a curve is driven against.
struct Subject {
    name: &'static str,
    target: Target,
}

/// Finds the capacities and reports them.
pub fn run(options: &CapacityOptions) -> anyhow::Result<CapacityReport> {
    check(options)?;
    machine::raise_open_files_max();
    let bare = options
        .bare
        .as_ref()
        .map(|bare| Bare::start(bare.listen))
        .transpose()?;
    let mut subjects = Vec::new();
    if let Some(target) = &options.target {
        subjects.push(Subject {
            name: "target",
            target: target.clone(),
        });
    }
    if let (Some(bare), Some(chosen)) = (&bare, &options.bare) {
        subjects.push(Subject {
            name: if chosen.target.is_some() {
                "bare behind proxy"
            } else {
                "bare"
            },
            target: match &chosen.target {
                Some(target) => target.clone(),
                None => Target::at(bare.address())?,
            },
        });
    }
    let runtime = machine::runtime()?;
    LocalSet::new().block_on(&runtime, curves(options, &subjects))
}

fn check(options: &CapacityOptions) -> anyhow::Result<()> {
    ensure!(
        options.target.is_some() || options.bare.is_some(),
        "there is nothing to drive"
    );
    ensure!(
        !options.connections.is_empty(),
        "there is no mode to drive in"
    );
    ensure!(options.rate_first > 0, "the first rate must be at least 1");
    ensure!(
        options.rate_first <= options.rate_max && options.rate_max <= 1_000_000,
        "the first rate must not be above the highest, nor that above 1,000,000"
    );
    let seconds = options.step.as_secs();
    ensure!((1..=600).contains(&seconds), "a step has 1 to 600 seconds");
    Ok(())
}

async fn curves(options: &CapacityOptions, subjects: &[Subject]) -> anyhow::Result<CapacityReport> {
    let mut curves = Vec::new();
    for subject in subjects {
        step::look_before(options, &subject.target)
            .await
            .with_context(|| format!("{} does not answer", subject.target))?;
        for connections in &options.connections {
            curves.push(curve(options, subject, *connections).await?);
        }
    }
    Ok(CapacityReport::new(options, curves))
}

/// A step, and once more when it was nearly held: a hiccup of the machine is no capacity.
async fn step_twice(
    options: &CapacityOptions,
    subject: &Subject,
    connections: Connections,
    rate: u32,
) -> anyhow::Result<Step> {
    let mut step = step::run(options, &subject.target, connections, rate).await?;
    eprintln!("{}", step.line());
    let p99_max_ms = options.p99_max.as_secs_f64() * 1e3;
    let is_slow = matches!(step.held, Held::TooSlow | Held::GeneratorLate);
    if is_slow && step.latency.p99_ms < 10.0 * p99_max_ms {
        tokio::time::sleep(CALM).await;
        step = step::run(options, &subject.target, connections, rate).await?;
        eprintln!("{} (again)", step.line());
    }
    tokio::time::sleep(CALM).await;
    Ok(step)
}

async fn curve(
    options: &CapacityOptions,
    subject: &Subject,
    connections: Connections,
) -> anyhow::Result<Curve> {
    let mut search = Search::new(options.rate_first, options.rate_max);
    let mut steps = Vec::new();
    eprintln!("{}, {}:", subject.name, connections.name());
    while let Some(rate) = search.next() {
        let step = step_twice(options, subject, connections, rate).await?;
        search.tell(rate, step.held.is_held());
        steps.push(step);
    }
    Ok(Curve {
        subject: subject.name,
        target: subject.target.to_string(),
        connections,
        capacity_per_s: search.best(),
        steps,
    })
}
