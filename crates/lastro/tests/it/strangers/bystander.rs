//! A caller that wants to be served: two hundred requests in each second, come what may, and now and then a new
//! connection.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client};
use serde_json::json;
use testkit::certificates::Authority;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Between two requests.
const PACE: Duration = Duration::from_millis(5);
/// Each so many requests one is made over a new connection.
const NEWCOMER_EACH: u32 = 50;
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Bystander {
    runtime: Runtime,
    url: String,
    secret: String,
    /// Keeps its connections.
    regular: Client,
    /// Makes a connection for each request.
    newcomer: Client,
}

/// How it was served. Latencies are those of requests over kept connections, from the moment at which each was due.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) answered: usize,
    pub(super) newcomers: usize,
    pub(super) failed: usize,
    pub(super) p99_us: u128,
    p50_us: u128,
    max_us: u128,
    first_failure: Option<String>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            answered,
            newcomers,
            failed,
            ..
        } = self;
        write!(
            f,
            "{answered} answered, {newcomers} over new connections, {failed} failed; p50 {} us, p99 {} us, max {} us",
            self.p50_us, self.p99_us, self.max_us
        )?;
        match &self.first_failure {
            Some(failure) => write!(f, "; the first failure: {failure}"),
            None => Ok(()),
        }
    }
}

impl Bystander {
    pub(super) fn new(url: &str, secret: &str, authority: Option<&Authority>) -> Self {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
        headers.insert(AUTHORIZATION, bearer);
        let client = || {
            let mut client = Client::builder()
                .default_headers(headers.clone())
                .http1_only()
                .timeout(PATIENCE);
            if let Some(authority) = authority {
                let pem = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
                client = client.use_rustls_tls().add_root_certificate(pem);
            }
            client
        };
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            url: url.to_owned(),
            secret: secret.to_owned(),
            regular: client().build().unwrap(),
            newcomer: client().pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Makes a statement that is worth reading.
    pub(super) fn fill(&self) {
        let commands: Vec<_> = (0..1_000)
            .map(|_| {
                json!({
                    "kind": "transfer", "id": Uuid::new_v4(), "debit_account_id": "world:BRL",
                    "credit_account_id": "1", "amount": 1, "description": "0123456789",
                })
            })
            .collect();
        let batch = json!({"atomic": false, "commands": commands});
        let sent = self.regular.post(format!("{}/v1/batches", self.url));
        let answer = self
            .runtime
            .block_on(async { sent.json(&batch).send().await })
            .unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Asks to be served for this long.
    pub(super) fn watch(&self, time: Duration) -> Figures {
        self.runtime.block_on(self.ask_for(time))
    }

    async fn ask_for(&self, time: Duration) -> Figures {
        let started = Instant::now();
        let mut asked = Vec::new();
        let mut number = 0;
        loop {
            let due = started + PACE * number;
            if due >= started + time {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            let is_newcomer = number % NEWCOMER_EACH == 0;
            let client = if is_newcomer {
                &self.newcomer
            } else {
                &self.regular
            };
            let asking = ask(client.clone(), self.url.clone(), number % 2 == 0);
            asked.push(tokio::spawn(async move {
                let failure = asking.await.err();
                (is_newcomer, due.elapsed().as_micros(), failure)
            }));
            number += 1;
        }
        let mut figures = Figures::default();
        let mut latencies = Vec::new();
        for asked in asked {
            let (is_newcomer, latency_us, failure) = asked.await.unwrap();
            match failure {
                Some(failure) => {
                    figures.failed += 1;
                    figures.first_failure.get_or_insert(failure);
                }
                None if is_newcomer => figures.newcomers += 1,
                None => {
                    figures.answered += 1;
                    latencies.push(latency_us);
                }
            }
        }
        latencies.sort_unstable();
        let at = |percent: usize| {
            let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
            latencies.get(index).copied().unwrap_or(0)
        };
        figures.p50_us = at(50);
        figures.p99_us = at(99);
        figures.max_us = at(100);
        figures
    }
}

async fn ask(client: Client, url: String, is_write: bool) -> Result<(), String> {
    let request = if is_write {
        let body = json!({
            "id": Uuid::new_v4(), "debit_account_id": "world:BRL", "credit_account_id": "2", "amount": 1,
            "description": "bystander",
        });
        client.post(format!("{url}/v1/transfers")).json(&body)
    } else {
        client.get(format!("{url}/v1/accounts/2"))
    };
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{status}: {text}"))
    }
}
