//! Payments by several nodes over one PostgreSQL, under `kill -9`, pauses and a database that dies:
//! each accepted payment is recorded once, at one processor, and every node says so.

use std::process::Command;
use std::time::{Duration, Instant};

use processor::{Faults, FaultyAnswer};
use serde_json::Value;
use testkit::LastroProcess;
use testkit::servers::Postgres;
use uuid::Uuid;

use super::lab::{Lab, ms};
use super::resolved::{assert_refused, one_unknown, resolve};
use super::{a_while, trouble};
use crate::support::{binary, is_long, metrics, signal};

/// The lab's requests have a second, and a lease five more.
const LEASE: Duration = Duration::from_secs(6);

/// Fails unless `lastro verify` finds the ledger in the database clean.
fn assert_clean(url: &str) {
    let verified = Command::new(binary())
        .args(["verify", "--database-url", url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}");
}

fn start() -> (Postgres, String, Lab) {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    (postgres, url, Lab::new())
}

/// Under how many leases payments were claimed.
fn leases_count(postgres: &Postgres) -> usize {
    let claimed = "SELECT count(DISTINCT claimed_by) FROM lastro.payments";
    postgres.psql(claimed).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_nodes_during_dispatch_pays_nothing_twice_and_loses_nothing() {
    let (postgres, url, mut lab) = start();
    let mut nodes = [Some(lab.serve_over(&url)), Some(lab.serve_over(&url))];
    let rounds = if is_long() { 20 } else { 5 };
    for round in 0..rounds {
        let [default, fallback] = lab.processors();
        default.set_faults(trouble(round));
        default.set_delay(ms(30));
        fallback.set_failing(round % 2 == 0);
        let urls = nodes
            .each_ref()
            .map(|node| node.as_ref().unwrap().url().to_owned());
        let urls = urls.each_ref().map(String::as_str);
        let time = a_while();
        let victim = &mut nodes[usize::try_from(round % 2).unwrap()];
        tokio::join!(lab.pay_at(&urls, time + ms(100), 100), async {
            tokio::time::sleep(time).await;
            victim.take().unwrap().kill();
        });
        *victim = Some(lab.serve_over(&url));
    }
    let [Some(one), Some(other)] = &nodes else {
        unreachable!("both run");
    };
    lab.audit(one).await;
    assert_eq!(summary(one).await, summary(other).await);
    // Those that were started again claimed payments, too.
    assert!(leases_count(&postgres) > 2);
    for node in nodes.into_iter().flatten() {
        assert!(node.stop().unwrap().success());
    }
    let leases = postgres.psql("SELECT count(*) FROM lastro.leases");
    assert_eq!(leases.unwrap(), "0", "who stops leaves its lease");
    assert_clean(&url);
}

async fn summary(node: &LastroProcess) -> Value {
    let url = format!("{}/payments-summary", node.url());
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_beyond_its_lease_pays_nothing_twice() {
    let (_postgres, url, mut lab) = start();
    lab.processors()[0].set_delay(ms(20));
    let (stopped, other) = (lab.serve_over(&url), lab.serve_over(&url));
    for _ in 0..if is_long() { 5 } else { 1 } {
        lab.pay_at(&[stopped.url(), other.url()], ms(150), 200)
            .await;
        signal(&stopped, "-STOP");
        let stopped_at = Instant::now();
        lab.pay(&other, ms(200), 100).await;
        // The node that is left pays all of it.
        lab.audit(&other).await;
        tokio::time::sleep((LEASE + ms(1_000)).saturating_sub(stopped_at.elapsed())).await;
        signal(&stopped, "-CONT");
        lab.pay_at(&[stopped.url(), other.url()], ms(100), 100)
            .await;
    }
    lab.audit(&stopped).await;
    assert!(stopped.stop().unwrap().success());
    assert!(other.stop().unwrap().success());
    assert_clean(&url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_processors_knows_how_long_a_request_may_be_under_way() {
    let (_postgres, url, mut lab) = start();
    // Longer than what such a node takes for granted, and than a busy machine takes for this test.
    let config = std::fs::read_to_string(lab.config()).unwrap();
    let config = config.replace("timeout_ms = 1000", "timeout_ms = 300000");
    std::fs::write(lab.config(), config).unwrap();
    // No health report tells of it, so that the payment goes to one of them and stays there.
    for processor in lab.processors() {
        processor.set_faults(Faults {
            answer: FaultyAnswer::Never,
            ..Faults::record_late(ms(3_600_000))
        });
    }
    let one = lab.serve_over(&url);
    let arguments = ["--engine", "postgres", "--database-url", &url];
    let other = LastroProcess::serve(&binary(), &lab.data(), &arguments).unwrap();
    lab.pay(&one, ms(5_000), 1).await;
    let id = one_unknown(&mut lab, &other).await;
    let told = lab.get(&other, &format!("/v1/payments/{id}")).await;
    let body = serde_json::json!({
        "resolution": "release", "attempt": told["attempt"], "who": "ana", "why": "too soon",
    });
    let resolve = format!("{}/v1/payments/{id}/resolve", other.url());
    let resolved = reqwest::Client::new()
        .post(resolve)
        .json(&body)
        .send()
        .await;
    let problem: Value = resolved.unwrap().json().await.unwrap();
    assert_eq!(problem["code"], "payment_under_way", "{problem}");
    let until: jiff::Timestamp = problem["until"].as_str().unwrap().parse().unwrap();
    let sent: jiff::Timestamp = told["timestamp"].as_str().unwrap().parse().unwrap();
    // The request's timeout of 300 s, and 5 s.
    let lease = jiff::SignedDuration::from_secs(305);
    assert_eq!(until.duration_since(sent), lease, "{problem}");
    one.kill();
    assert!(other.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_during_dispatch_pays_nothing_twice_and_loses_nothing() {
    let (mut postgres, url, mut lab) = start();
    lab.processors()[0].set_delay(ms(20));
    let nodes = [lab.serve_over(&url), lab.serve_over(&url)];
    for round in 0..if is_long() { 10 } else { 3 } {
        let urls = nodes.each_ref().map(LastroProcess::url);
        tokio::join!(lab.pay_at(&urls, ms(500), 100), async {
            tokio::time::sleep(ms(200)).await;
            postgres.kill();
            // Once longer than the leases.
            let down = if round == 1 && is_long() {
                LEASE
            } else {
                ms(300)
            };
            tokio::time::sleep(down).await;
            postgres.restart().unwrap();
        });
    }
    lab.audit(&nodes[0]).await;
    for node in nodes {
        assert!(node.stop().unwrap().success());
    }
    assert_clean(&url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_of_a_due_payment_holds_up_no_other() {
    let (postgres, url, mut lab) = start();
    for processor in lab.processors() {
        processor.set_failing(true);
    }
    let node = lab.serve_over(&url);
    lab.pay(&node, ms(5_000), 32).await;
    assert!(node.stop().unwrap().success());
    // The oldest: all others are behind it.
    postgres
        .psql("CREATE TABLE kept AS SELECT * FROM lastro.payments ORDER BY accepted_at LIMIT 1")
        .unwrap();
    let damaged = postgres.psql("SELECT payment_id FROM kept").unwrap();
    let damaged: Uuid = damaged.parse().unwrap();
    let damage = "UPDATE lastro.payments SET record = '\\xffff' WHERE payment_id IN
        (SELECT payment_id FROM kept)";
    postgres.psql(damage).unwrap();
    let amount = lab.accepted.remove(&damaged).unwrap();
    assert!(lab.accepted.len() > 8, "there are others");
    for processor in lab.processors() {
        processor.set_failing(false);
    }
    let mut node = lab.serve_over(&url);
    lab.audit(&node).await;
    let metrics = metrics(&mut node).await;
    let skipped = "lastro_postgres_due_payments_skipped_total";
    let is_counted = |line: &str| line.starts_with(skipped) && !line.ends_with(" 0");
    assert!(metrics.lines().any(is_counted), "{metrics}");
    node.wait_for_log("due payments are not dispatched", ms(10_000))
        .unwrap();
    let named = damaged.to_string();
    assert!(node.logged().iter().any(|line| line.contains(&named)));
    assert!(node.stop().unwrap().success());
    // Restored, it is paid as well.
    let restore = "UPDATE lastro.payments SET record = kept.record FROM kept
        WHERE kept.payment_id = lastro.payments.payment_id";
    postgres.psql(restore).unwrap();
    lab.accepted.insert(damaged, amount);
    let node = lab.serve_over(&url);
    lab.audit(&node).await;
    assert!(node.stop().unwrap().success());
    assert_clean(&url);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_purges_resolves_and_sums_up_what_another_pays() {
    let (_postgres, url, mut lab) = start();
    for processor in lab.processors() {
        processor.set_failing(true);
    }
    let (one, other) = (lab.serve_over(&url), lab.serve_over(&url));
    lab.pay(&one, ms(5_000), 32).await;
    let client = reqwest::Client::new();
    let purge = client.post(format!("{}/purge-payments", other.url()));
    assert_eq!(purge.send().await.unwrap().status(), 200);
    let purged: Vec<Uuid> = lab.accepted.drain().map(|(id, _)| id).collect();
    for id in &purged {
        // One that was on its way just then goes on, and is purged by the next.
        let mut told = lab.get(&one, &format!("/v1/payments/{id}")).await;
        while told["state"] != "refused" {
            let purge = client.post(format!("{}/purge-payments", other.url()));
            assert_eq!(purge.send().await.unwrap().status(), 200);
            told = lab.get(&one, &format!("/v1/payments/{id}")).await;
        }
        assert_eq!(told["code"], "purged");
    }
    // Never told what became of it, this node keeps asking; somebody says so on the other.
    let faults = Faults::record_late(Duration::from_secs(600));
    lab.processors()[0].set_faults(faults);
    lab.processors()[0].set_failing(false);
    lab.pay(&one, ms(5_000), 16).await;
    let id = one_unknown(&mut lab, &other).await;
    resolve(&other, id).await;
    let told = lab.get(&one, &format!("/v1/payments/{id}")).await;
    assert_refused(&told);
    assert_eq!(summary(&one).await, summary(&other).await);
}
