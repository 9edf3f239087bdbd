//! Payments under `kill -9`, pauses and outages, with the real binary and real processors: each
//! accepted payment is recorded once, at one processor, and Lastro says so.

mod clock;
mod damaged;
mod dead;
pub(crate) mod lab;
mod resolved;
mod router;
mod shapes;
mod shared;

use std::time::{Duration, Instant};

use processor::Faults;
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::{Nodes, assert_clean, is_long, signal};
use lab::{Lab, ms};

/// What the preferred processor does to its callers, another thing each round.
fn trouble(round: u64) -> Faults {
    match round % 4 {
        0 => Faults::default(),
        1 => Faults {
            every_nth: 3,
            ..Faults::drop_after_recording()
        },
        2 => Faults {
            every_nth: 3,
            ..Faults::fail_after_recording()
        },
        _ => Faults {
            every_nth: 5,
            ..Faults::record_late(ms(1_200))
        },
    }
}

/// How long payments are asked for before something is killed.
fn a_while() -> Duration {
    ms(100 + u64::from(Uuid::new_v4().as_bytes()[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_during_dispatch_pays_nothing_twice_and_loses_nothing() {
    let mut lab = Lab::new();
    let rounds = if is_long() { 20 } else { 5 };
    for round in 0..rounds {
        let [default, fallback] = lab.processors();
        default.set_faults(trouble(round));
        default.set_delay(ms(30));
        fallback.set_failing(round % 2 == 0);
        let process = lab.serve();
        lab.pay(&process, a_while(), 200).await;
        process.kill();
    }
    let process = lab.serve();
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_api_nodes_during_dispatch_pays_nothing_twice_and_loses_nothing() {
    let mut lab = Lab::new();
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&["--config", &lab.config()]);
    let other = nodes.api("other");
    lab.processors()[0].set_delay(ms(30));
    let rounds = if is_long() { 20 } else { 5 };
    for round in 0..rounds {
        lab.processors()[0].set_faults(trouble(round));
        let victim = nodes.api("victim");
        let url = victim.url().to_owned();
        let killed = async {
            tokio::time::sleep(a_while()).await;
            victim.kill();
        };
        let urls = [url.as_str()];
        tokio::join!(lab.pay_at(&urls, ms(10_000), 8_000), killed);
        lab.ask_again(&other).await;
    }
    lab.audit(&other).await;
    assert!(other.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_the_lease_pays_nothing_twice() {
    let mut lab = Lab::new();
    lab.processors()[0].set_delay(ms(20));
    let process = lab.serve();
    let pauses: &[u64] = if is_long() {
        &[30, 400, 6_500, 6_500, 9_000]
    } else {
        &[30, 6_500]
    };
    for pause in pauses {
        lab.pay(&process, ms(100), 100).await;
        signal(&process, "-STOP");
        tokio::time::sleep(ms(*pause)).await;
        signal(&process, "-CONT");
    }
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_kept_in_bounded_memory_and_paid_once() {
    let mut lab = Lab::new();
    for processor in lab.processors() {
        processor.set_failing(true);
    }
    let process = lab.serve();
    let before = resident_kb(&process);
    let count = if is_long() { 100_000 } else { 8_000 };
    let started = Instant::now();
    lab.pay(&process, Duration::from_secs(300), count).await;
    assert!(
        lab.accepted.len() >= count,
        "{} accepted",
        lab.accepted.len()
    );
    let accepted_in = started.elapsed();
    let grown = resident_kb(&process).saturating_sub(before);
    for processor in lab.processors() {
        processor.set_failing(false);
    }
    let started = Instant::now();
    lab.drained().await;
    let drained_in = started.elapsed();
    println!(
        "{count} payments accepted in {accepted_in:?} and {grown} kB, drained in {drained_in:?}: {} per second",
        count as f64 / drained_in.as_secs_f64()
    );
    // What the books keep of each, and nothing of the dispatcher's but its window.
    assert!(
        grown < 40_000 + u64::try_from(count).unwrap(),
        "{grown} kB for {count} payments"
    );
    if is_long() {
        let kept = lab.kept();
        tokio::time::sleep(ms(2_000)).await;
        lab.audit_sums(&process, &kept).await;
    } else {
        lab.audit(&process).await;
    }
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}

fn resident_kb(process: &LastroProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_what_is_under_way() {
    let mut lab = Lab::new();
    lab.processors()[0].set_delay(ms(300));
    let process = lab.serve();
    lab.pay(&process, ms(150), 60).await;
    assert!(process.stop().unwrap().success());
    let kept_by_the_stop = lab.kept().len();
    assert!(kept_by_the_stop > 0);
    let process = lab.serve();
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
}
