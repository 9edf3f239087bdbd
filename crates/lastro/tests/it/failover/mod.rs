//! Three nodes over a PostgreSQL that loses machines, and an independent audit of every answer.
//!
//! Clients move, reserve, batch and pay money, and read, over all nodes while something happens to the
//! database's hosts. Every operation is repeated under its id until it is answered. Then the [`audit`] holds
//! each answer against what the ledger and the processors have: nothing answered is lost, nothing is there
//! twice, no limit was passed, no read showed less than what had been answered before it.

mod audit;
mod clients;
mod fault;
mod operation;
mod upgrade;
mod world;

use std::time::Duration;

use testkit::servers::Cluster;

use crate::support::is_long;
use fault::Fault;
use world::World;

/// How long clients work before something happens, and after it is over.
const CALM: Duration = Duration::from_secs(2);
/// What is promised of the time until writes are answered again.
const PROCESS_BOUND: Duration = Duration::from_secs(10);
const HOST_BOUND: Duration = Duration::from_secs(30);

/// Each of them so often: 3 times, in the long run 30.
fn rounds() -> u32 {
    std::env::var("LASTRO_FAILOVER_ROUNDS").map_or(30, |rounds| rounds.parse().unwrap())
}

/// Lets these faults happen, one after another, and audits all that was answered.
async fn survive(faults: &[Fault]) {
    if let Err(why) = Cluster::permitted() {
        println!("not tested: {why}");
        return;
    }
    let mut world = World::start().await;
    for fault in faults {
        let lasted = world.suffer(*fault).await;
        println!("{fault:?}: no write was answered for {lasted:?}");
    }
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_and_a_switchover_lose_nothing_that_was_answered() {
    survive(&[Fault::ServerKilled, Fault::Switchover]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_standbys_nothing_is_answered_but_reads() {
    survive(&[Fault::StandbysGone]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_many_times_loses_nothing_that_was_answered() {
    if !is_long() {
        return;
    }
    if let Err(why) = Cluster::permitted() {
        println!("not tested: {why}");
        return;
    }
    let only = std::env::var("LASTRO_FAILOVER_ONLY").unwrap_or_default();
    let mut figures = Vec::new();
    for fault in Fault::ALL {
        if !format!("{fault:?}").contains(&only) {
            continue;
        }
        let mut world = World::start().await;
        let mut times = Vec::new();
        for round in 1..=rounds() {
            let lasted = world.suffer(fault).await;
            println!("{fault:?} {round}: no write was answered for {lasted:?}");
            times.push(lasted);
        }
        world.audit().await;
        times.sort();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        figures.push(format!("{fault:?}: p50 {median:?}, max {longest:?}"));
        println!("{}", figures.join("\n"));
        if let Some(bound) = fault.promise() {
            assert!(longest < bound, "{fault:?} took {longest:?}, not {bound:?}");
        }
    }
}
