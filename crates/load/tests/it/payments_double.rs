//! A small backend of the 2025 challenge in memory, honest or with one planted flaw.
//!
//! It is as slow-witted as a backend may be: it pays in the handler's own time, asks no health, and on
//! trouble tries the other processor. That is right as long as the processors are healthy or answer
//! definite failures, which is what these tests let them do.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use processor::{Decimal, Payment};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::double::{Handler, Reply, Request};

/// What is wrong with the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Payments of the fallback are called the default's and the other way round.
    WrongLabel,
    /// Each tenth payment goes to both processors.
    PaysTwice,
    /// Each tenth payment goes to none.
    LosesTenth,
    /// Each tenth payment is answered 422, and paid all the same.
    RefusesAndPays,
    /// Each tenth payment is a cent too much.
    WrongAmount,
    /// Summaries of a range take two seconds.
    SlowSummary,
    /// Sums are made of floating-point numbers.
    FloatSums,
    /// Each tenth payment is counted before it is sent, with that time, and sent a second later with
    /// another.
    StampsOnReceipt,
}

/// The backend. Payments are paid on a runtime of its own.
pub(crate) struct PaymentsDouble {
    flaw: Flaw,
    urls: [String; 2],
    client: Client,
    runtime: tokio::runtime::Runtime,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    posted_count: u64,
    paid: [Vec<Payment>; 2],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    correlation_id: Uuid,
    amount: Decimal,
}

impl PaymentsDouble {
    pub(crate) fn new(flaw: Flaw, urls: [String; 2]) -> Self {
        Self {
            flaw,
            urls,
            client: Client::new(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            state: Arc::default(),
        }
    }

    fn pay(&self, body: &[u8]) -> Reply {
        let posted: Posted = serde_json::from_slice(body).unwrap();
        let is_tenth = {
            let mut state = self.state.lock();
            state.posted_count += 1;
            state.posted_count.is_multiple_of(10)
        };
        let is_flawed = |flaw| is_tenth && self.flaw == flaw;
        if is_flawed(Flaw::LosesTenth) {
            return Reply::Now(202, String::new());
        }
        let amount = if is_flawed(Flaw::WrongAmount) {
            posted.amount + Decimal::hundredths(1)
        } else {
            posted.amount
        };
        let sending = Sending {
            urls: self.urls.clone(),
            client: self.client.clone(),
            state: Arc::clone(&self.state),
            id: posted.correlation_id,
            amount,
        };
        if is_flawed(Flaw::StampsOnReceipt) {
            self.runtime.spawn(sending.late());
        } else if is_flawed(Flaw::PaysTwice) {
            self.runtime.spawn(sending.twice());
        } else {
            self.runtime.spawn(sending.once());
        }
        if is_flawed(Flaw::RefusesAndPays) {
            return Reply::Now(422, String::new());
        }
        Reply::Now(202, String::new())
    }

    fn summary(&self, query: &str) -> Reply {
        let bound = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, text) = pairs.find(|(found, _)| *found == name)?;
            Some(text.parse::<Timestamp>().unwrap())
        };
        let from = bound("from").unwrap_or(Timestamp::MIN);
        let to = bound("to").unwrap_or(Timestamp::MAX);
        let state = self.state.lock();
        let mut sides = state.paid.each_ref().map(|paid| {
            let within = |payment: &&Payment| (from..=to).contains(&payment.requested_at);
            let paid: Vec<&Payment> = paid.iter().filter(within).collect();
            if self.flaw == Flaw::FloatSums {
                let amounts = paid.iter().map(|paid| paid.amount.to_string());
                let sum: f64 = amounts.map(|amount| amount.parse::<f64>().unwrap()).sum();
                return json!({"totalRequests": paid.len(), "totalAmount": sum});
            }
            let mut sum = Decimal::ZERO;
            for payment in &paid {
                sum += payment.amount;
            }
            json!({"totalRequests": paid.len(), "totalAmount": sum})
        });
        if self.flaw == Flaw::WrongLabel {
            sides.reverse();
        }
        let [default, fallback] = sides;
        let body = json!({"default": default, "fallback": fallback}).to_string();
        if self.flaw == Flaw::SlowSummary && !query.is_empty() {
            return Reply::After(Duration::from_secs(2), 200, body);
        }
        Reply::Now(200, body)
    }
}

impl Handler for PaymentsDouble {
    fn reply(&self, request: &Request<'_>) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        match (request.method, path) {
            ("POST", "/payments") => self.pay(request.body),
            ("GET", "/payments-summary") => self.summary(query),
            ("POST", "/purge-payments") => {
                *self.state.lock() = State::default();
                Reply::Now(200, String::new())
            }
            _ => Reply::Now(404, String::new()),
        }
    }
}

/// A payment on its way.
struct Sending {
    urls: [String; 2],
    client: Client,
    state: Arc<Mutex<State>>,
    id: Uuid,
    amount: Decimal,
}

impl Sending {
    fn now(&self) -> Payment {
        let millisecond = Timestamp::now().as_millisecond();
        Payment {
            correlation_id: self.id,
            amount: self.amount,
            requested_at: Timestamp::from_millisecond(millisecond).unwrap(),
        }
    }

    /// To the first that takes it; a 500 is a definite no.
    async fn once(self) {
        for index in [0, 1].into_iter().cycle() {
            let payment = self.now();
            if self.send(index, &payment).await {
                self.state.lock().paid[index].push(payment);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn twice(self) {
        let payment = self.now();
        for index in [0, 1] {
            if self.send(index, &payment).await {
                self.state.lock().paid[index].push(payment);
            }
        }
    }

    async fn late(self) {
        let payment = self.now();
        self.state.lock().paid[0].push(payment);
        tokio::time::sleep(Duration::from_secs(1)).await;
        while !self.send(0, &self.now()).await {}
    }

    async fn send(&self, index: usize, payment: &Payment) -> bool {
        let request = self.client.post(format!("{}/payments", self.urls[index]));
        let answer = request.json(payment).send().await.unwrap();
        answer.status() == 200
    }
}
