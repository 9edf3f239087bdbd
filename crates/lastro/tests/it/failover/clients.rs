//! Clients that ask any node, repeat under the same id what was not answered, and keep every answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::operation::{ACCOUNTS, CREDIT_LIMIT, Fate, Movement, Operation};

/// Operations of one client in a second.
const RATE: u64 = 20;
const CLIENTS: u64 = 3;
/// How many operations of one client wait for their answers at most.
const IN_FLIGHT_MAX: usize = 6;
/// How long a client waits for one answer: longer than a node does.
const TIMEOUT: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(100);
/// How long an operation is repeated: longer than anything lasts that happens here.
const PATIENCE: Duration = Duration::from_secs(180);

/// When a request that was answered had been sent, and when it was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) sent: Instant,
    pub(super) answered: Instant,
}

/// What the clients share, and all they were answered.
pub(super) struct Book {
    http: Client,
    /// Where the nodes are; one that is away answers nothing.
    pub(super) nodes: RwLock<Vec<String>>,
    stop: AtomicBool,
    pub(super) fates: Mutex<Vec<(Operation, Fate)>>,
    /// Payments that were answered 202, in centavos.
    pub(super) accepted: Mutex<HashMap<Uuid, u64>>,
    pub(super) writes: Mutex<Vec<Span>>,
    pub(super) reads: Mutex<Vec<Span>>,
    /// The highest entry number of each account that was answered.
    newest: BTreeMap<&'static str, AtomicU64>,
    /// What no answer may say.
    pub(super) wrong: Mutex<Vec<String>>,
    /// Answers other than 2xx, by status and code.
    pub(super) troubles: Mutex<BTreeMap<String, u64>>,
}

impl Book {
    pub(super) fn new(nodes: Vec<String>) -> Arc<Self> {
        let http = Client::builder().timeout(TIMEOUT).build().unwrap();
        Arc::new(Self {
            http,
            nodes: RwLock::new(nodes),
            stop: AtomicBool::new(false),
            fates: Mutex::default(),
            accepted: Mutex::default(),
            writes: Mutex::default(),
            reads: Mutex::default(),
            newest: ACCOUNTS.map(|id| (id, AtomicU64::new(0))).into(),
            wrong: Mutex::default(),
            troubles: Mutex::default(),
        })
    }

    /// Starts all clients; they end some time after [`Book::stop`].
    pub(super) fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(Arc::clone(self).work(number));
        }
        clients
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Opens the accounts.
    pub(super) async fn open_accounts(&self) {
        for id in ACCOUNTS {
            let body = json!({"id": id, "currency": "BRL", "credit_limit": CREDIT_LIMIT});
            let operation = Operation {
                path: "/v1/accounts".to_owned(),
                body,
                movements: Vec::new(),
                hold: None,
            };
            let fate = self.ask(0, &operation).await;
            assert!(matches!(fate, Fate::Applied(_)), "{fate:?}");
        }
    }

    async fn work(self: Arc<Self>, number: u64) {
        let mut rng = SmallRng::seed_from_u64(number);
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let mut pace = tokio::time::interval(Duration::from_millis(1_000 / RATE));
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut asked = JoinSet::new();
        while !self.stop.load(Ordering::Relaxed) {
            pace.tick().await;
            while asked.try_join_next().is_some() {}
            let permit = Arc::clone(&in_flight).acquire_owned().await.unwrap();
            let (book, seed) = (Arc::clone(&self), rng.random());
            asked.spawn(async move {
                book.one(SmallRng::seed_from_u64(seed)).await;
                drop(permit);
            });
        }
        for result in asked.join_all().await {
            let () = result;
        }
    }

    /// Whatever a client wants next.
    async fn one(&self, mut rng: SmallRng) {
        let node = rng.random_range(0..3);
        match rng.random_range(0..20) {
            0..10 => self.settle(node, Operation::transfer(&mut rng)).await,
            10..12 => self.settle(node, Operation::batch(&mut rng)).await,
            12..14 => {
                let operation = Operation::hold(&mut rng);
                let hold = operation.hold.clone();
                let posts = rng.random_range(0..3);
                let is_held = matches!(self.keep(node, operation).await, Fate::Applied(_));
                if let (true, Some(hold), 0..2) = (is_held, hold, posts) {
                    self.settle(node + 1, Operation::end(&hold, posts == 0))
                        .await;
                }
            }
            14..16 => self.pay(node, rng.random_range(100..10_000)).await,
            _ => {
                self.read(node, ACCOUNTS[rng.random_range(0..ACCOUNTS.len())])
                    .await;
            }
        }
    }

    async fn settle(&self, node: usize, operation: Operation) {
        self.keep(node, operation).await;
    }

    async fn keep(&self, node: usize, operation: Operation) -> Fate {
        let fate = self.ask(node, &operation).await;
        if let Fate::Applied(answer) = &fate {
            self.note_entries(&operation.movements, answer);
        }
        self.fates.lock().push((operation, fate.clone()));
        fate
    }

    /// From now on no read of these accounts may show less.
    fn note_entries(&self, movements: &[Movement], answer: &Value) {
        for movement in movements {
            for (side, id) in [("debit", movement.debit), ("credit", movement.credit)] {
                if let (Some(newest), Some(number)) =
                    (self.newest.get(id), answer[side]["entry_number"].as_u64())
                {
                    newest.fetch_max(number, Ordering::SeqCst);
                }
            }
        }
    }

    fn url(&self, node: usize, path: &str) -> String {
        let nodes = self.nodes.read();
        format!("{}{path}", nodes[node % nodes.len()])
    }

    /// Asks one node after another until one answers.
    async fn ask(&self, first: usize, operation: &Operation) -> Fate {
        let until = Instant::now() + PATIENCE;
        let mut node = first;
        while Instant::now() < until {
            let url = self.url(node, &operation.path);
            let sent = Instant::now();
            let answer = self.http.post(url).json(&operation.body).send().await;
            let answer = match answer {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    answer.json::<Value>().await.map(|body| (status, body))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok((200 | 201, body)) => {
                    let answered = Instant::now();
                    self.writes.lock().push(Span { sent, answered });
                    return Fate::Applied(body);
                }
                Ok((404 | 409 | 422, body)) => {
                    let answered = Instant::now();
                    self.writes.lock().push(Span { sent, answered });
                    return Fate::Refused(code(&body).to_owned());
                }
                Ok((status, body)) => self.trouble(&format!("{status} {}", code(&body))),
                Err(_) => self.trouble("no answer"),
            }
            node += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Fate::Unanswered
    }

    fn trouble(&self, what: &str) {
        *self.troubles.lock().entry(what.to_owned()).or_default() += 1;
    }

    async fn pay(&self, first: usize, centavos: u64) {
        let id = Uuid::new_v4();
        let amount = format!("{}.{:02}", centavos / 100, centavos % 100);
        let body = format!(r#"{{"correlationId":"{id}","amount":{amount}}}"#);
        let until = Instant::now() + PATIENCE;
        let mut node = first;
        while Instant::now() < until {
            let request = self.http.post(self.url(node, "/payments"));
            let request = request.header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await;
            if answer.is_ok_and(|answer| answer.status().as_u16() == 202) {
                self.accepted.lock().insert(id, centavos);
                return;
            }
            node += 1;
            tokio::time::sleep(PAUSE).await;
        }
        self.wrong
            .lock()
            .push(format!("payment {id} was never accepted"));
    }

    /// Whether a write that was sent after this moment was answered.
    pub(super) fn has_write_since(&self, moment: Instant) -> bool {
        let writes = self.writes.lock();
        writes.iter().any(|write| write.sent >= moment)
    }

    /// The longest time from this moment on in which no write was answered.
    pub(super) fn longest_pause_since(&self, moment: Instant) -> Duration {
        let writes = self.writes.lock();
        let answered = writes.iter().map(|write| write.answered);
        let mut answered: Vec<_> = answered.filter(|answered| *answered > moment).collect();
        answered.sort();
        let before = std::iter::once(&moment).chain(&answered);
        let pauses = answered.iter().zip(before);
        let longest = pauses
            .map(|(next, before)| next.duration_since(*before))
            .max();
        longest.expect("a write was answered since")
    }

    pub(super) async fn read(&self, node: usize, id: &'static str) {
        let known = self.newest[id].load(Ordering::SeqCst);
        let sent = Instant::now();
        let answer = self.http.get(self.url(node, &format!("/v1/accounts/{id}")));
        let Ok(answer) = answer.send().await else {
            return;
        };
        if answer.status().as_u16() != 200 {
            return;
        }
        let Ok(body) = answer.json::<Value>().await else {
            return;
        };
        let answered = Instant::now();
        self.reads.lock().push(Span { sent, answered });
        let number = body["entry_count"].as_u64().unwrap();
        if number < known {
            let wrong =
                format!("{id}: a read showed entry {number} after entry {known} was answered");
            self.wrong.lock().push(wrong);
        }
        if body["available"].as_i64().unwrap() < 0 {
            self.wrong
                .lock()
                .push(format!("a limit was passed: {body}"));
        }
    }

    /// A page that a node has to answer, for the audit.
    pub(super) async fn get(&self, path: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.http.get(self.url(0, path)).send().await;
            if let Ok(answer) = answer
                && let Ok(body) = answer.json::<Value>().await
                && body["code"].is_null()
            {
                return body;
            }
            assert!(Instant::now() < until, "{path} is not answered");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Repeats an operation; what is answered now.
    pub(super) async fn repeat(&self, operation: &Operation) -> Fate {
        self.ask(0, operation).await
    }
}

fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or("no code")
}
