//! Drives the engine with a fixed number of calls in flight.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use ledger::{BATCH_COMMANDS_MAX, Batch, Command, Engine, Outcome, Refusal};
use stdx::whole_nanos;

use tokio::task::{JoinSet, LocalSet};

use super::rows::{Ended, Process, Rows};
use super::workload::{Client, Workload};

const DEADLINE: Duration = Duration::from_secs(60);

/// What was seen.
pub(super) struct Driven {
    pub(super) created_count: u64,
    pub(super) refused_count: u64,
    pub(super) elapsed: Duration,
    /// How long a call took, in nanoseconds.
    pub(super) latency_ns: Histogram<u64>,
    pub(super) rss_bytes: u64,
    /// The journal's frames before the transfers.
    pub(super) setup_frames: usize,
    /// The figures of each stretch, where they were asked for.
    pub(super) rows: Option<Ended>,
}

/// What the clients share, all on one thread.
struct Shared {
    left: u64,
    created_count: u64,
    refused_count: u64,
    latency_ns: Histogram<u64>,
    rows: Option<Rows>,
    progress: ProgressBar,
}

/// Opens the engine in the runtime that drives it, and closes it at the end. `begin_rows` is called when
/// the accounts are open.
pub(super) fn drive(
    open: impl AsyncFnOnce() -> anyhow::Result<Arc<dyn Engine>>,
    workload: &Arc<Workload>,
    begin_rows: impl FnOnce() -> anyhow::Result<Option<Rows>>,
) -> anyhow::Result<Driven> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let engine = runtime.block_on(open())?;
    let setup_frames = runtime.block_on(open_accounts(&*engine, workload))?;
    let shared = Rc::new(RefCell::new(Shared {
        left: workload.transfers,
        created_count: 0,
        refused_count: 0,
        latency_ns: Histogram::new_with_max(60_000_000_000, 3)?,
        rows: begin_rows()?,
        progress: progress(workload.transfers),
    }));
    let started = Instant::now();
    LocalSet::new().block_on(&runtime, clients(&engine, workload, &shared))?;
    let elapsed = started.elapsed();
    let rss_bytes = Process::Own.rss_bytes()?;
    let mut shared = shared.borrow_mut();
    shared.progress.finish_and_clear();
    let rows = shared.rows.take().map(Rows::end).transpose()?;
    Ok(Driven {
        created_count: shared.created_count,
        refused_count: shared.refused_count,
        elapsed,
        latency_ns: shared.latency_ns.clone(),
        rss_bytes,
        setup_frames,
        rows,
    })
}

async fn open_accounts(engine: &dyn Engine, workload: &Workload) -> anyhow::Result<usize> {
    let commands = workload.open_accounts()?;
    let mut frames = 0;
    for chunk in commands.chunks(BATCH_COMMANDS_MAX) {
        let outcomes = submit(engine, chunk.to_vec()).await?;
        ensure!(
            outcomes.iter().all(|outcome| outcome.result.is_ok()),
            "an account was refused"
        );
        frames += 1;
    }
    Ok(frames)
}

async fn clients(
    engine: &Arc<dyn Engine>,
    workload: &Arc<Workload>,
    shared: &Rc<RefCell<Shared>>,
) -> anyhow::Result<()> {
    let mut clients = JoinSet::new();
    for number in 0..workload.concurrency as u64 {
        let (engine, shared) = (Arc::clone(engine), Rc::clone(shared));
        let client = workload.client(number);
        let batch = workload.batch;
        clients.spawn_local(async move { one_client(&*engine, client, batch, &shared).await });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}

async fn one_client(
    engine: &dyn Engine,
    mut client: Client,
    batch: usize,
    shared: &RefCell<Shared>,
) -> anyhow::Result<()> {
    loop {
        let count = {
            let mut shared = shared.borrow_mut();
            let count = shared.left.min(batch as u64);
            shared.left -= count;
            count
        };
        if count == 0 {
            return Ok(());
        }
        let (commands, refused): (Vec<Command>, Vec<bool>) =
            (0..count).map(|_| client.next()).unzip();
        let started = Instant::now();
        let outcomes = submit(engine, commands).await?;
        let elapsed_ns = whole_nanos(started.elapsed());
        let shared = &mut *shared.borrow_mut();
        shared.latency_ns.saturating_record(elapsed_ns);
        shared.progress.inc(count);
        if let Some(rows) = &mut shared.rows {
            rows.record(count, elapsed_ns, &shared.progress)?;
        }
        for (outcome, refused) in outcomes.iter().zip(refused) {
            match (&outcome.result, refused) {
                (Ok(_), false) => shared.created_count += 1,
                (Err(Refusal::InsufficientFunds { .. }), true) => shared.refused_count += 1,
                _ => bail!("expected refused: {refused}, got {outcome:?}"),
            }
        }
    }
}

async fn submit(engine: &dyn Engine, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
    let batch = Batch::independent(commands)?;
    let mut outcomes = engine
        .submit(vec![batch], Instant::now() + DEADLINE)
        .await?;
    outcomes.pop().context("a batch was not answered")
}

fn progress(transfers: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} transfers, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(transfers).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
