//! A face to test: on port 0, over the reference engine or a double.

mod double;
mod keyring;
mod raw;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use events::Webhooks;
use ledger::reference::ReferenceEngine;
use ledger::{
    Account, AccountId, Batch, Clock, Command, Currency, Dispatching, Engine, OpenAccount,
    Timestamp,
};
use outbox::Operations;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use server::{
    AlwaysReady, App, Callbacks, Health, Hosts, Keys, Limits, ListenAddress, ServerTls, Stopped,
    bind, serve,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use double::{Double, Manner};
pub(crate) use keyring::{Held, Keyring};
pub(crate) use raw::Raw;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_nanos(u64::try_from(since.unwrap().as_nanos()).unwrap())
    }
}

/// A face that serves until it is stopped or dropped.
pub(crate) struct Face {
    pub(crate) address: ListenAddress,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Stopped>,
}

/// What a face is made of in a test.
pub(crate) struct Setup {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) operations: Option<Arc<dyn Operations>>,
    pub(crate) dispatching: Option<Arc<dyn Dispatching>>,
    pub(crate) callbacks: Option<Callbacks>,
    pub(crate) webhooks: Option<Arc<dyn Webhooks>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<dyn Health>,
    pub(crate) limits: Limits,
    pub(crate) hosts: Hosts,
    pub(crate) keys: Keys,
    pub(crate) is_purge_enabled: bool,
    pub(crate) listen: ListenAddress,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) stop_timeout: Duration,
}

impl Setup {
    pub(crate) fn over(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            operations: None,
            dispatching: None,
            callbacks: None,
            webhooks: None,
            clock: Arc::new(SystemClock),
            health: Arc::new(AlwaysReady),
            limits: Limits::default(),
            hosts: Hosts::local_and(Vec::new()),
            keys: Keys::none(),
            is_purge_enabled: true,
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            stop_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) async fn start(self) -> Face {
        let mut listener = bind(&self.listen).await.unwrap();
        if let Some(tls) = self.tls {
            listener = listener.with_tls(tls);
        }
        let address = listener.address().clone();
        let app = App {
            ledger_id: None,
            keys: self.keys,
            engine: self.engine,
            operations: self.operations,
            dispatching: self.dispatching,
            callbacks: self.callbacks,
            webhooks: self.webhooks,
            clock: self.clock,
            health: self.health,
            limits: self.limits,
            hosts: self.hosts,
            is_purge_enabled: self.is_purge_enabled,
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, app, shutdown, self.stop_timeout));
        Face {
            address,
            client: Client::new(),
            stop: Some(stop),
            serving,
        }
    }
}

impl Face {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    /// A request with an `Idempotency-Key`.
    pub(crate) async fn keyed(&self, method: Method, path: &str, key: &str, body: Value) -> Answer {
        let request = self.request(method, path).json(&body);
        answer(request.header("Idempotency-Key", key)).await
    }

    /// A transaction of the 2024 challenge.
    pub(crate) async fn transact(&self, id: u32, tipo: &str, valor: u64, text: &str) -> Answer {
        let body = json!({"valor": valor, "tipo": tipo, "descricao": text});
        self.post(&format!("/clientes/{id}/transacoes"), body).await
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(&self.address).await
    }

    /// Tells the face to stop; the result is there once it has.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn stopped(self) -> Stopped {
        self.serving.await.unwrap()
    }
}

/// An answer with all that a test looks at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
    pub(crate) dry_run: bool,
    pub(crate) location: Option<String>,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
}

impl Answer {
    /// Status and code: what an error is told by.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["detail"].is_string());
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("/docs/errors#{code}"));
        (self.status, code)
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let request_id = header("x-request-id").expect("each answer names its request");
    let mut answer = Answer {
        status: response.status().as_u16(),
        replayed: header("idempotency-replayed").as_deref() == Some("true"),
        dry_run: header("dry-run").as_deref() == Some("true"),
        location: header("location"),
        content_type: header("content-type").unwrap_or_default(),
        retry_after: header("retry-after"),
        body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
    };
    if answer.content_type == "application/problem+json" {
        // It differs from answer to answer: the rest can be compared.
        let body = answer.body.as_object_mut().expect("a problem is an object");
        assert_eq!(body.remove("request_id"), Some(request_id.into()));
    }
    answer
}

/// The challenge's five accounts, open.
pub(crate) async fn five_accounts() -> Arc<ReferenceEngine> {
    five_accounts_at(Arc::new(SystemClock)).await
}

/// The challenge's five accounts, open, in a ledger with this clock.
pub(crate) async fn five_accounts_at(clock: Arc<dyn Clock>) -> Arc<ReferenceEngine> {
    let engine = Arc::new(ReferenceEngine::new(clock));
    let limits = [100_000, 80_000, 1_000_000, 10_000_000, 500_000];
    for (id, credit_limit) in (1..).zip(limits) {
        let open = OpenAccount {
            id: AccountId::new(&format!("{id}")).unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit,
        };
        let batch = Batch::one(Command::OpenAccount(open));
        let deadline = std::time::Instant::now();
        let outcomes = engine.submit(vec![batch], deadline).await.unwrap();
        assert_eq!(outcomes[0][0].code(), "created");
    }
    engine
}

/// A face over the challenge's five accounts, and the engine behind it.
pub(crate) async fn five() -> (Face, Arc<ReferenceEngine>) {
    let engine = five_accounts().await;
    let face = Setup::over(Arc::clone(&engine) as Arc<dyn Engine>)
        .start()
        .await;
    (face, engine)
}

/// A transfer that nobody has reversed, as it is read after it was made.
pub(crate) fn as_read(made: &Value) -> Value {
    let mut read = made.clone();
    read["reversed_amount"] = json!(0);
    read
}

/// An id that no other call of this gives.
pub(crate) fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// All accounts and the number of events: what a refused request must not change.
pub(crate) fn everything(engine: &ReferenceEngine) -> (Vec<(AccountId, Account)>, usize) {
    engine.read(|books| {
        let mut accounts: Vec<_> = books
            .accounts()
            .map(|(id, account)| (id.clone(), *account))
            .collect();
        accounts.sort_by(|a, b| a.0.cmp(&b.0));
        (accounts, books.events().len())
    })
}
