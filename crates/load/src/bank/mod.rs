//! `bank`: the clients of a distributed bank, and an audit of what came of their money.
//!
//! Random deposits, withdrawals, transfers and balance questions go to random servers. Each
//! operation has an id of its own; after a 500, 502, 503, 504 or a broken connection it is sent
//! again with the same id, to any server, until it is answered or its deadline passes. Then the
//! statements are walked page by page and held against what was answered: no money made or lost, no
//! limit passed, every applied operation there exactly once and as it was sent, no other there at
//! all.
//!
//! The accounts are new ones, named after the time, and every id is the run's own: other callers, another
//! `bank` too, disturb nothing. The outside account `world:BRL` is everybody's, so what it changed by
//! beyond this run's movements is reported and is not a fault. A first answer may be a repetition's: an
//! API node asks the ledger again by itself when a connection breaks.

mod audit;
mod fetch;
mod operation;
mod options;
mod report;
mod servers;
mod teller;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::LocalSet;

use crate::arrivals::{Ramp, arrivals};
use crate::machine::{self, Busy};
use crate::pacer::{InFlight, pace};
use crate::progress::Progress;
use crate::recorder::Recorder;

pub use audit::BankAudit;
pub use options::BankOptions;
pub use report::BankReport;

use operation::{Ids, Operation};
use servers::Servers;
use teller::{Account, KINDS, Teller};

/// The most operations in flight. One beyond waits, and its latency counts the wait.
const IN_FLIGHT_MAX: usize = 2_000;

/// An answer should take less.
const WITHIN: Duration = Duration::from_secs(1);

/// Runs the clients and the audit.
pub fn run(options: &BankOptions) -> anyhow::Result<BankReport> {
    options.check()?;
    machine::raise_open_files_max();
    let runtime = machine::runtime()?;
    LocalSet::new().block_on(&runtime, run_on_this_thread(options))
}

async fn run_on_this_thread(options: &BankOptions) -> anyhow::Result<BankReport> {
    let mut rng = SmallRng::seed_from_u64(options.seed);
    let teller = Rc::new(Teller {
        servers: Servers::new(options),
        recorder: Rc::new(RefCell::new(Recorder::new(KINDS, WITHIN)?)),
        accounts: accounts(options, &mut rng),
        operations: RefCell::new(Vec::new()),
        deadline: options.deadline,
        is_async: options.is_async,
        not_served: Cell::new(false),
    });
    for account in &teller.accounts {
        teller
            .open(account)
            .await
            .with_context(|| format!("cannot open the account {}", account.id))?;
    }
    let world_before = fetch::world_balance(&teller.servers, options.deadline).await?;
    let busy = drive(options, &teller, &mut rng).await?;
    ensure!(
        !teller.not_served.get(),
        "the server answers 404 to POST /v1/operations: it does not take asynchronous operations; \
         leave --async out"
    );
    let seen = fetch::everything(&teller, options.deadline).await?;
    let world_after = fetch::world_balance(&teller.servers, options.deadline).await?;
    let operations = teller.operations.borrow();
    let audit = audit::audit(&operations, &seen, world_after - world_before);
    let recorder = teller.recorder.borrow();
    Ok(BankReport::new(options, &recorder, &teller, audit, busy))
}

/// Accounts that nobody had before, with limits from nothing to BRL 1,000.
fn accounts(options: &BankOptions, rng: &mut SmallRng) -> Vec<Account> {
    let nonce = Timestamp::now().as_microsecond();
    (1..=options.accounts_count)
        .map(|number| Account {
            id: format!("bank:{nonce:x}:{number}"),
            credit_limit: rng.random_range(0..=10) * 10_000,
            entries_count: Cell::new(0),
        })
        .collect()
}

async fn drive(
    options: &BankOptions,
    teller: &Rc<Teller>,
    rng: &mut SmallRng,
) -> anyhow::Result<Busy> {
    let rate = f64::from(options.rate);
    let ramp = Ramp {
        from: rate,
        to: rate,
        duration: Duration::from_secs(options.seconds),
    };
    let in_flight = InFlight::new(IN_FLIGHT_MAX);
    let progress = Progress::new("bank", ramp.count());
    let (cpu, began) = (machine::thread_cpu(), Instant::now());
    teller.recorder.borrow_mut().begin();
    let watch = progress.watch(Rc::clone(&teller.recorder), Rc::clone(&in_flight));
    let mut ids = Ids::new();
    pace(
        Instant::now(),
        arrivals(&[ramp]).map(|at| (at, ())),
        &in_flight,
        |_| !teller.not_served.get(),
        |planned, ()| {
            let operation = Operation::random(&mut ids, teller.accounts.len(), rng);
            let teller = Rc::clone(teller);
            async move { teller.serve(planned, operation).await }
        },
    )
    .await?;
    in_flight.drain().await;
    watch.abort();
    progress.finish();
    Ok(Busy {
        elapsed: began.elapsed(),
        cpu: machine::thread_cpu().saturating_sub(cpu),
    })
}
