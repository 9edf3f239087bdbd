//! `rinha-2025`: the official load of the 2025 challenge, with its stages, checks and score.
//!
//! 1. Users come evenly, one at first, all at the end: each posts a payment, waits for the answer,
//!    sleeps a second, and posts the next.
//! 2. The processors are made slow and failing, stage by stage, by the clock.
//! 3. Every 10 s the counts of the backend and of both processors are compared over the same time.
//! 4. A second after the last post the totals are read, and the score is reckoned.
//!
//! Beyond the official script: when the processors are healthy again and the backend has paid what it
//! accepted, an audit asks both processors for every single payment.

mod audit;
mod checks;
mod document;
mod face;
mod options;
mod outcome;
mod pictures;
mod processors;
mod report;
mod requests;
mod score;
mod script;
mod users;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use tokio::task::LocalSet;

use crate::capacity::Bare;
use crate::figures::{Latency, latency};
use crate::machine::{self, Busy};
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::target::Target;

pub use audit::Audit;
pub use checks::{Check, Point};
pub use face::Pair;
pub use options::{Processors, Rinha2025Options};
pub use outcome::BareFloor;
pub use report::Rinha2025Report;
pub use score::Score;
pub use script::{Condition, Script, Stage, Totals};

use checks::Beside;
use face::{BackendSummary, Face};
use outcome::Outcome;
use processors::Sides;
use requests::{KINDS, REQUEST_TIMEOUT};
use users::Users;

/// The longest load of a bare handler.
const BARE_MAX: Duration = Duration::from_secs(60);

/// Runs the load and reports it.
pub fn run(options: &Rinha2025Options) -> anyhow::Result<Rinha2025Report> {
    options.check()?;
    machine::raise_open_files_max();
    let runtime = machine::runtime()?;
    LocalSet::new().block_on(&runtime, run_on_this_thread(options))
}

async fn run_on_this_thread(options: &Rinha2025Options) -> anyhow::Result<Rinha2025Report> {
    let sides = Sides::start(options)?;
    sides.prepare().await?;
    let backend = Face::new(options.target.clone(), None);
    look_before(&backend, &options.target).await?;
    let bare = measure_bare(options).await?;
    let recorder = recorder()?;
    let beside = Rc::new(Beside {
        script: options.script.clone(),
        start: Instant::now() + Duration::from_millis(100),
        backend,
        sides,
        users: Users::new(&options.target, &options.script, Rc::clone(&recorder)),
        recorder: Rc::clone(&recorder),
        checks: RefCell::default(),
        points: RefCell::default(),
        stages_failed: RefCell::default(),
    });
    let sampler = tokio::task::spawn_local({
        let beside = Rc::clone(&beside);
        async move { beside.sample().await }
    });
    let mut outcome = drive(&beside).await?;
    outcome.bare = bare;
    eprintln!("the script is over; waiting until everything is paid");
    beside.sides.make_healthy().await;
    let drained = audit::drain(&beside, options.drain_max).await;
    sampler.abort();
    eprintln!(
        "asking both processors for {} payments",
        outcome.accepted_count
    );
    outcome.audit = audit::audit(&beside, outcome.began_at, drained).await;
    outcome.points = beside.points.take();
    let recorder = recorder.borrow();
    Ok(Rinha2025Report::new(options, &recorder, outcome))
}

fn recorder() -> anyhow::Result<Rc<RefCell<Recorder>>> {
    let recorder = Recorder::new(KINDS, REQUEST_TIMEOUT)?.counting_from_the_send();
    Ok(Rc::new(RefCell::new(recorder)))
}

/// The backend must answer its summary; purging it is a favour that it may refuse.
async fn look_before(backend: &Face, target: &Target) -> anyhow::Result<()> {
    let purged = backend.tell("POST", "/purge-payments", "").await;
    purged.with_context(|| format!("{target} does not answer"))?;
    match backend.get::<BackendSummary>("/payments-summary").await {
        Ok((200, Some(_))) => Ok(()),
        Ok((200, None)) => bail!("{target}/payments-summary answers what is no summary"),
        Ok((status, _)) => bail!("{target}/payments-summary is answered {status}"),
        Err(failure) => bail!("{target}/payments-summary is not answered: {failure}"),
    }
}

/// The script from its start until a second after its last post, when the totals are read.
async fn drive(beside: &Rc<Beside>) -> anyhow::Result<Outcome> {
    let users = &beside.users;
    let progress = Progress::new("rinha-2025", beside.script.payments_count());
    let began_at = Timestamp::now();
    let cpu = machine::thread_cpu();
    beside.recorder.borrow_mut().begin();
    let watch = progress.watch(Rc::clone(&beside.recorder), Rc::clone(&users.in_flight));
    let (ran, staged, compared) = tokio::join!(
        users.run(beside.start),
        beside.set_stages(),
        beside.compare()
    );
    ran.and(staged).and(compared)?;
    let busy = Busy {
        elapsed: beside.start.elapsed(),
        cpu: machine::thread_cpu().saturating_sub(cpu),
    };
    watch.abort();
    progress.finish();
    tokio::time::sleep_until((beside.start + users::whole(&beside.script)).into()).await;
    let totals = beside.processors_since(began_at).await;
    let backend = beside.backend_since(began_at).await;
    Ok(Outcome {
        began_at,
        urls: beside.sides.urls.clone(),
        totals: totals.context("the processors do not tell their totals")?,
        backend,
        accepted_count: users.accepted_count.get(),
        busy,
        bare: None,
        checks: beside.checks.take(),
        points: Vec::new(),
        stages_failed: beside.stages_failed.take(),
        audit: Audit::default(),
    })
}

/// The same users against a handler that only answers, behind the same proxy where one is named.
async fn measure_bare(options: &Rinha2025Options) -> anyhow::Result<Option<BareFloor>> {
    let Some(chosen) = &options.bare else {
        return Ok(None);
    };
    let bare = Bare::start(chosen.listen)?;
    let target = match &chosen.target {
        Some(target) => target.clone(),
        None => Target::at(bare.address())?,
    };
    let mut script = options.script.clone();
    script.duration = script.duration.min(BARE_MAX);
    eprintln!("the bare handler at {target}, {:?}", script.duration);
    let recorder = recorder()?;
    let users = Users::new(&target, &script, Rc::clone(&recorder));
    users.run(Instant::now()).await?;
    let recorder = recorder.borrow();
    let all = &recorder.all;
    if all.failures_count > 0 {
        let (requests, failures) = (all.requests_count, all.failures_count);
        bail!("the bare handler at {target} failed {failures} of {requests} requests");
    }
    let latency: Latency = latency(&all.latency_ns);
    Ok(Some(BareFloor {
        target: target.to_string(),
        requests_count: all.requests_count,
        latency,
    }))
}
