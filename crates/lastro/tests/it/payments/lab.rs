//! Two processors, Lastro's folder, what was asked for, and an auditor.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use processor::{Decimal, Payment, Processor, ProcessorSettings, Running};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::{binary, folder};

pub(crate) const NAMES: [&str; 2] = ["default", "fallback"];

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A data folder, two processors, and what was accepted.
pub(crate) struct Lab {
    folder: TempDir,
    processors: [Running; 2],
    client: Client,
    /// What was answered 202, in centavos.
    pub(crate) accepted: HashMap<Uuid, u64>,
    /// What was asked for and not answered.
    unanswered: HashMap<Uuid, u64>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let processors =
            NAMES.map(|name| Running::start(listen, ProcessorSettings::official(name)).unwrap());
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

    /// The preferred processor and the other.
    pub(crate) fn processors(&self) -> [&Processor; 2] {
        self.processors.each_ref().map(Running::processor)
    }

    /// The file that names the processors.
    pub(crate) fn config(&self) -> String {
        let config = self.folder.path().join("lastro.toml");
        config.to_str().unwrap().to_owned()
    }

    pub(crate) fn serve(&self) -> LastroProcess {
        let config = self.config();
        LastroProcess::serve(&binary(), &self.data(), &["--config", &config]).unwrap()
    }

    /// Likewise, as one of the nodes over a database.
    pub(crate) fn serve_over(&self, database_url: &str) -> LastroProcess {
        self.serve_with(database_url, &[])
    }

    /// Likewise, with these arguments too.
    pub(crate) fn serve_with(&self, database_url: &str, more: &[&str]) -> LastroProcess {
        let config = self.config();
        let arguments = [
            "--config",
            &config,
            "--enable-purge",
            "--engine",
            "postgres",
            "--metrics-listen",
            "127.0.0.1:0",
        ];
        let arguments = [&arguments[..], &["--database-url", database_url], more].concat();
        LastroProcess::serve(&binary(), &self.data(), &arguments).unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Asks for payments, 16 at once, until the time is over, enough were asked for, or nobody is
    /// there any more, and for the summary all the while.
    pub(crate) async fn pay(&mut self, process: &LastroProcess, time: Duration, count_max: usize) {
        self.pay_at(&[process.url()], time, count_max).await;
    }

    /// Likewise, of several processes in turn.
    pub(crate) async fn pay_at(&mut self, urls: &[&str], time: Duration, count_max: usize) {
        let until = Instant::now() + time;
        let payers = (0..16).map(|payer| {
            let url = urls[usize::try_from(payer).unwrap() % urls.len()].to_owned();
            let client = self.client.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while Instant::now() < until && answers.len() < count_max.div_ceil(16) {
                    let (id, centavos) = (Uuid::new_v4(), 1_000 + answers.len() as u64 + payer);
                    let answer = pay(&client, &url, id, centavos).await;
                    answers.push((id, centavos, answer == Some(202)));
                    if answer.is_none() {
                        break;
                    }
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

    /// Asks again, under the same ids, for what was not answered.
    pub(crate) async fn ask_again(&mut self, process: &LastroProcess) {
        for (id, centavos) in std::mem::take(&mut self.unanswered) {
            let answer = pay(&self.client, process.url(), id, centavos).await;
            assert_eq!(answer, Some(202), "{id}");
            self.accepted.insert(id, centavos);
        }
    }

    /// What the processors have.
    pub(crate) fn kept(&self) -> HashMap<Uuid, (usize, Payment)> {
        let mut kept = HashMap::new();
        for (place, processor) in self.processors().into_iter().enumerate() {
            for payment in processor.payments() {
                let twice = kept.insert(payment.correlation_id, (place, payment));
                assert_eq!(twice, None, "recorded by two processors");
            }
        }
        kept
    }

    /// Waits until the processors have all that was accepted.
    pub(crate) async fn drained(&self) {
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

    pub(crate) async fn get(&self, process: &LastroProcess, path: &str) -> Value {
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
    pub(crate) async fn audit(&self, process: &LastroProcess) {
        self.drained().await;
        let asked: Vec<_> = self.accepted.iter().chain(&self.unanswered).collect();
        let mut ended = Vec::with_capacity(asked.len());
        for (id, _) in &asked {
            ended.push(self.ended(process, **id).await);
        }
        // Only now: a payment whose acceptance was not answered may have been paid meanwhile.
        let kept = self.kept();
        for ((id, centavos), told) in asked.iter().zip(&ended) {
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
    pub(crate) async fn audit_sums(
        &self,
        process: &LastroProcess,
        kept: &HashMap<Uuid, (usize, Payment)>,
    ) {
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

/// The status of the answer; `None` where there was none.
async fn pay(client: &Client, url: &str, id: Uuid, centavos: u64) -> Option<u16> {
    let amount = format!("{}.{:02}", centavos / 100, centavos % 100);
    let body = format!(r#"{{"correlationId":"{id}","amount":{amount}}}"#);
    let request = client.post(format!("{url}/payments"));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let response = request.send().await.ok()?;
    Some(response.status().as_u16())
}
