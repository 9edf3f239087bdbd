//! Payments under `kill -9`, pauses and outages, with the real binary and real processors: each
//! accepted payment is recorded once, at one processor, and Lastro says so.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use processor::{Decimal, Faults, Payment, Running, Settings};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::{assert_clean, binary, folder};

const NAMES: [&str; 2] = ["default", "fallback"];

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn is_long() -> bool {
    std::env::var_os("LASTRO_LONG").is_some()
}

/// A data folder, two processors, and what was accepted.
struct Lab {
    folder: TempDir,
    processors: Vec<Running>,
    client: Client,
    /// What was answered 202, in centavos.
    accepted: HashMap<Uuid, u64>,
    /// What was asked for and not answered.
    unanswered: HashMap<Uuid, u64>,
}

impl Lab {
    fn new() -> Self {
        let start = |name: &&str| {
            Running::start("127.0.0.1:0".parse().unwrap(), Settings::official(name)).unwrap()
        };
        let processors: Vec<Running> = NAMES.iter().map(start).collect();
        let folder = folder();
        let mut config = "[payments]\npreferred_wait_ms = 300\n".to_owned();
        for (name, running) in NAMES.iter().zip(&processors) {
            config += &format!(
                "[[processors]]\nname = '{name}'\nurl = '{}'\ntimeout_ms = 1000\n\
                 definite_5xx = [{{ status = 500, empty_body = true }}]\n",
                running.url()
            );
        }
        std::fs::write(folder.path().join("lastro.toml"), config).unwrap();
        Self {
            folder,
            processors,
            client: Client::new(),
            accepted: HashMap::new(),
            unanswered: HashMap::new(),
        }
    }

    fn serve(&self) -> LastroProcess {
        let config = self.folder.path().join("lastro.toml");
        let arguments = ["--config", config.to_str().unwrap()];
        LastroProcess::serve(&binary(), &self.data(), &arguments).unwrap()
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Asks for payments, 16 at once, until the time is over or enough were asked for, and for the
    /// summary all the while.
    async fn pay(&mut self, process: &LastroProcess, time: Duration, count_max: usize) {
        let until = Instant::now() + time;
        let payers = (0..16).map(|payer| {
            let (client, url) = (self.client.clone(), process.url().to_owned());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while Instant::now() < until && answers.len() < count_max.div_ceil(16) {
                    let (id, centavos) = (Uuid::new_v4(), 1_000 + answers.len() as u64 + payer);
                    answers.push((id, centavos, pay(&client, &url, id, centavos).await));
                    let _ = client.get(format!("{url}/payments-summary")).send().await;
                }
                answers
            })
        });
        for payer in payers.collect::<Vec<_>>() {
            for (id, centavos, is_accepted) in payer.await.unwrap() {
                let list = if is_accepted {
                    &mut self.accepted
                } else {
                    &mut self.unanswered
                };
                list.insert(id, centavos);
            }
        }
    }

    /// What the processors have.
    fn kept(&self) -> HashMap<Uuid, (usize, Payment)> {
        let mut kept = HashMap::new();
        for (place, running) in self.processors.iter().enumerate() {
            for payment in running.processor().payments() {
                let twice = kept.insert(payment.correlation_id, (place, payment));
                assert_eq!(twice, None, "recorded by two processors");
            }
        }
        kept
    }

    /// Waits until the processors have all that was accepted.
    async fn drained(&self) {
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            let kept = self.kept();
            let missing = self
                .accepted
                .keys()
                .filter(|id| !kept.contains_key(*id))
                .count();
            if missing == 0 {
                return;
            }
            assert!(
                Instant::now() < patience,
                "{missing} payments are not recorded"
            );
            tokio::time::sleep(ms(50)).await;
        }
    }

    async fn get(&self, process: &LastroProcess, path: &str) -> Value {
        let response = self
            .client
            .get(format!("{}{path}", process.url()))
            .send()
            .await;
        response.unwrap().json().await.unwrap()
    }

    /// A payment as Lastro tells it, once it has ended.
    async fn ended(&self, process: &LastroProcess, id: Uuid) -> Value {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let told = self.get(process, &format!("/v1/payments/{id}")).await;
            if !["accepted", "sent"].contains(&told["state"].as_str().unwrap_or_default()) {
                return told;
            }
            assert!(Instant::now() < patience, "{told}");
            tokio::time::sleep(ms(20)).await;
        }
    }

    /// Lastro, both processors and the ledger's accounts, payment by payment.
    async fn audit(&self, process: &LastroProcess) {
        self.drained().await;
        let kept = self.kept();
        let asked: Vec<_> = self.accepted.iter().chain(&self.unanswered).collect();
        for (id, centavos) in &asked {
            let told = self.ended(process, **id).await;
            let Some((place, payment)) = kept.get(*id) else {
                assert!(self.unanswered.contains_key(*id), "{id} is lost");
                assert_ne!(told["state"], "settled", "{told}");
                continue;
            };
            assert_eq!(told["processor"], NAMES[*place], "{told}");
            assert_eq!(told["amount"], json!(centavos), "{told}");
            let amount = Decimal::hundredths(i64::try_from(**centavos).unwrap());
            assert_eq!(payment.amount, amount, "{id}");
            let told_at: jiff::Timestamp = told["requested_at"].as_str().unwrap().parse().unwrap();
            assert_eq!(told_at, payment.requested_at, "{told}");
        }
        for id in kept.keys() {
            assert!(
                asked.iter().any(|(asked, _)| *asked == id),
                "{id} was never asked for"
            );
        }
        self.audit_sums(process, &kept).await;
    }

    /// The summary and the processors' accounts say what the processors have.
    async fn audit_sums(&self, process: &LastroProcess, kept: &HashMap<Uuid, (usize, Payment)>) {
        let summary = self.get(process, "/payments-summary").await;
        for (place, name) in NAMES.iter().enumerate() {
            let there = kept.iter().filter(|(_, (at, _))| *at == place);
            let asked = |id| self.accepted.get(id).or_else(|| self.unanswered.get(id));
            let there: Vec<u64> = there.map(|(id, _)| *asked(id).unwrap()).collect();
            assert_eq!(summary[name]["totalRequests"], json!(there.len()), "{name}");
            let sum: u64 = there.iter().sum();
            if sum > 0 {
                let account = format!("/v1/accounts/processor:{name}:BRL");
                let account = self.get(process, &account).await;
                assert_eq!(account["balance"], json!(sum), "{name}");
            }
        }
    }
}

/// Whether it was answered 202.
async fn pay(client: &Client, url: &str, id: Uuid, centavos: u64) -> bool {
    let amount = format!("{}.{:02}", centavos / 100, centavos % 100);
    let body = format!(r#"{{"correlationId":"{id}","amount":{amount}}}"#);
    let request = client.post(format!("{url}/payments"));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    request
        .send()
        .await
        .is_ok_and(|response| response.status() == 202)
}

fn signal(process: &LastroProcess, name: &str) {
    let id = process.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_during_dispatch_pays_nothing_twice_and_loses_nothing() {
    let mut lab = Lab::new();
    let rounds = if is_long() { 20 } else { 5 };
    for round in 0..rounds {
        let [default, fallback] = lab.processors.as_slice() else {
            unreachable!("there are two");
        };
        let faults = match round % 4 {
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
        };
        default.processor().set_faults(faults);
        default.processor().set_delay(ms(30));
        fallback.processor().set_failing(round % 2 == 0);
        let process = lab.serve();
        let time = ms(100 + u64::from(Uuid::new_v4().as_bytes()[0]));
        lab.pay(&process, time, 200).await;
        process.kill();
    }
    let process = lab.serve();
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_the_lease_pays_nothing_twice() {
    let mut lab = Lab::new();
    lab.processors[0].processor().set_delay(ms(20));
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
    for running in &lab.processors {
        running.processor().set_failing(true);
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
    for running in &lab.processors {
        running.processor().set_failing(false);
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
    lab.processors[0].processor().set_delay(ms(300));
    let process = lab.serve();
    lab.pay(&process, ms(150), 60).await;
    assert!(process.stop().unwrap().success());
    let kept_by_the_stop = lab.kept().len();
    assert!(kept_by_the_stop > 0);
    let process = lab.serve();
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
}
