//! `rinha-2024`: the official load of the 2024 challenge, judged and scored as the challenge does.
//!
//! 1. 25 debits of 1 at once on account 1; the statement must show -25; 25 credits; then 0.
//! 2. Five users, one per account, and the check that account 6 is unknown.
//! 3. As soon as that check ends, the load: debits, credits and statements in ramps of 2 minutes,
//!    then at a constant rate for 2 minutes. At full scale the three steps are 61,503 requests.
//!
//! The users of the second step still run when the load begins, on the same accounts. Where a
//! request of the load overlaps a check that asks for one exact balance or for the newest entry,
//! the official simulation blames the server for its own race. Here the check then looks past the
//! load's entries and leaves the exact balance alone: only what is wrong is called wrong.

mod arrival;
mod checks;
mod lab;
mod options;
mod ramps;
mod report;
mod requests;
mod users;

use std::rc::Rc;
use std::time::Instant;

use anyhow::Context;
use tokio::task::LocalSet;

use crate::machine;
use crate::progress::Progress;

use lab::Lab;

pub use options::Rinha2024Options;
pub use report::Rinha2024Report;

pub(crate) use arrival::{Arrival, KINDS};
pub(crate) use checks::ACCOUNTS;
pub(crate) use requests::Requests;

/// Runs the load and reports it.
pub fn run(options: &Rinha2024Options) -> anyhow::Result<Rinha2024Report> {
    options.check()?;
    machine::raise_open_files_max();
    let runtime = machine::runtime()?;
    LocalSet::new().block_on(&runtime, run_on_this_thread(options))
}

async fn run_on_this_thread(options: &Rinha2024Options) -> anyhow::Result<Rinha2024Report> {
    let lab = Lab::new(options)?;
    let not_fresh = lab
        .look_before()
        .await
        .with_context(|| format!("{} does not answer", options.target))?;
    if let Some(why) = &not_fresh {
        eprintln!(
            "warning: the target is not fresh: {why}. The official load expects accounts at 0 with \
             empty statements; its first checks may fail, and are fined, for that reason alone."
        );
    }
    let plan = ramps::plan(options);
    let total = plan.len() as u64 + users::REQUESTS_COUNT;
    let progress = Progress::new("rinha-2024", total);
    let cpu = machine::thread_cpu();
    let began = Instant::now();
    lab.recorder.borrow_mut().begin();
    let watch = progress.watch(Rc::clone(&lab.recorder), Rc::clone(&lab.in_flight));

    users::concurrency_check(&lab).await;
    users::start_validations(&lab).await;
    users::unknown_account(&lab).await;
    ramps::drive(&lab, plan).await?;
    lab.in_flight.drain().await;

    watch.abort();
    progress.finish();
    let busy = machine::Busy {
        elapsed: began.elapsed(),
        cpu: machine::thread_cpu().saturating_sub(cpu),
    };
    let recorder = lab.recorder.borrow();
    Ok(Rinha2024Report::new(
        options, &recorder, not_fresh, total, busy,
    ))
}
