//! Payments, and a client that looks like the challenge's.

use std::time::Duration;

use processor::{Decimal, Payment, Processor, ProcessorSettings, Running};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use uuid::Uuid;

/// A processor of the challenge's, in process.
pub(crate) fn processor() -> Processor {
    Processor::new(ProcessorSettings::official("default"))
}

/// A payment of 19.90 that nobody has sent before.
pub(crate) fn payment() -> Payment {
    Payment {
        correlation_id: Uuid::new_v4(),
        amount: Decimal::hundredths(1_990),
        requested_at: "2025-07-15T12:34:56.000Z".parse().unwrap(),
    }
}

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A served processor with a client.
pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) client: Client,
}

impl Served {
    pub(crate) fn start(name: &str) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        Self {
            running: Running::start(listen, ProcessorSettings::official(name)).unwrap(),
            client: Client::new(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(crate) async fn pay(&self, payment: &Payment) -> Result<Response, reqwest::Error> {
        let request = self.client.post(self.url("/payments"));
        request.json(payment).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        read(response).await
    }

    /// A call of the admin's with the token.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let request = self.client.request(method, self.url(path));
        let request = request.header("X-Rinha-Token", "123").body(body.to_owned());
        read(request.send().await.unwrap()).await
    }
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}
