//! The feed of events from the real binary: over kills, and over nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::Response;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Bank, Nodes, assert_clean, folder, rounds, serve};

/// Reads pages from one position on, as a consumer does that keeps where it is.
#[derive(Default)]
struct Reader {
    next: Option<String>,
    events: Vec<Value>,
}

impl Reader {
    /// Reads a page; `false` where the server is not there or does not answer well.
    async fn read(&mut self, bank: &Bank, limit: usize, wait_s: u32) -> bool {
        let after = self.next.as_ref().map(|next| format!("&after={next}"));
        let after = after.unwrap_or_default();
        let url = format!(
            "{}/v1/events?limit={limit}&wait_s={wait_s}{after}",
            bank.url
        );
        let Ok(response) = bank.http.get(url).send().await else {
            return false;
        };
        let status = response.status();
        assert!(!status.is_client_error(), "{:?}", response.text().await);
        let Ok(page) = response.json::<Value>().await else {
            return false;
        };
        if !status.is_success() {
            return false;
        }
        self.next = Some(page["next"].as_str().unwrap().to_owned());
        self.events
            .extend(page["events"].as_array().unwrap().iter().cloned());
        true
    }

    /// Reads until there is nothing more.
    async fn catch_up(&mut self, bank: &Bank) {
        let bound = Instant::now() + Duration::from_secs(60);
        loop {
            let before = self.events.len();
            if self.read(bank, 1_000, 0).await && self.events.len() == before {
                return;
            }
            assert!(Instant::now() < bound, "the feed has no end");
        }
    }

    /// Fails unless each event was read once, in order, and each answered transfer is there.
    fn check(&self, answered: &BTreeSet<String>) {
        let positions: BTreeSet<_> = self
            .events
            .iter()
            .map(|event| event["position"].as_str())
            .collect();
        assert_eq!(
            positions.len(),
            self.events.len(),
            "an event was read twice"
        );
        let times = self.events.iter().map(|event| event["timestamp"].as_str());
        assert!(times.is_sorted_by(|one, other| one < other));
        let ids = self
            .events
            .iter()
            .filter_map(|event| event["transfer"]["id"].as_str());
        let mut seen = BTreeMap::new();
        for id in ids {
            *seen.entry(id.to_owned()).or_insert(0) += 1;
        }
        assert!(seen.values().all(|count| *count == 1));
        let missing: Vec<_> = answered
            .iter()
            .filter(|id| !seen.contains_key(*id))
            .collect();
        assert!(
            missing.is_empty(),
            "{} of {}: {missing:?}",
            missing.len(),
            answered.len()
        );
    }
}

/// Transfers until it is told to stop, and keeps the ids that were answered.
async fn write(
    bank: Arc<Mutex<Bank>>,
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<BTreeSet<String>>>,
) {
    while !stop.load(Ordering::Relaxed) {
        let bank = bank.lock().clone();
        let id = Uuid::new_v4().to_string();
        let body = json!({
            "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1",
            "amount": 1, "description": "d",
        });
        match bank.transfer(&body).await {
            Ok((201, ..)) => _ = answered.lock().insert(id),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_between_pages_lose_and_repeat_nothing() {
    let folder = folder();
    let mut process = serve(folder.path());
    let bank = Arc::new(Mutex::new(Bank::of(&process)));
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let writers = (0..8).map(|_| {
        let answered = Arc::clone(&answered);
        tokio::spawn(write(Arc::clone(&bank), Arc::clone(&stop), answered))
    });
    let writers: Vec<_> = writers.collect();
    let mut reader = Reader::default();
    for round in 0..rounds() {
        let until = Instant::now() + Duration::from_millis(100 + u64::from(round % 5) * 60);
        while Instant::now() < until {
            let now = bank.lock().clone();
            reader.read(&now, 1 + round as usize * 7, 1).await;
        }
        process.kill();
        process = serve(folder.path());
        *bank.lock() = Bank::of(&process);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let now = bank.lock().clone();
    reader.catch_up(&now).await;
    let answered = answered.lock().clone();
    assert!(
        answered.len() > 10 * rounds() as usize,
        "{}",
        answered.len()
    );
    reader.check(&answered);
    let mut anew = Reader::default();
    anew.catch_up(&now).await;
    assert_eq!(anew.events, reader.events);
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_gives_the_feed_of_its_ledger_node() {
    let nodes = Nodes::new();
    let mut ledger = nodes.ledger(&["--demo"]);
    let api = nodes.api("api");
    let bank = Bank::of(&api);
    let mut reader = Reader::default();
    reader.catch_up(&bank).await;
    let mut answered = BTreeSet::new();
    for round in 0..4 {
        let waiting = async {
            let begun = Instant::now();
            assert!(reader.read(&bank, 10, 30).await);
            begun.elapsed()
        };
        let writing = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let id = Uuid::new_v4().to_string();
            let body = json!({
                "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1",
                "amount": 1, "description": "d",
            });
            assert_eq!(bank.transfer(&body).await.unwrap().0, 201);
            id
        };
        let (elapsed, id) = tokio::join!(waiting, writing);
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
        answered.insert(id);
        reader.check(&answered);
        if round % 2 == 0 {
            ledger.kill();
            ledger = nodes.ledger(&["--demo"]);
            let bound = Instant::now() + Duration::from_secs(30);
            while !reader.read(&bank, 10, 0).await {
                assert!(Instant::now() < bound, "the node finds its ledger again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // A reader that waits holds up neither the stop of its node nor that of the ledger node.
    let mut stream = Stream::open(&bank.url, "?after=latest").await;
    let stopped = Instant::now();
    assert!(ledger.stop().unwrap().success());
    assert!(stopped.elapsed() < Duration::from_secs(5));
    assert!(api.stop().unwrap().success());
    while stream.event().await.is_some() {}
}

/// Server-sent events.
struct Stream {
    response: Response,
    received: Vec<u8>,
}

impl Stream {
    async fn open(url: &str, query: &str) -> Self {
        let request = reqwest::Client::new().get(format!("{url}/v1/events{query}"));
        let response = request
            .header(ACCEPT, "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            received: Vec::new(),
        }
    }

    /// The data of the next event; `None` at the end.
    async fn event(&mut self) -> Option<Value> {
        loop {
            let end = self.received.windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.received.drain(..end + 2).collect();
                let block = std::str::from_utf8(&block).unwrap();
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                match data {
                    Some(data) => return Some(serde_json::from_str(data).unwrap()),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(30), self.response.chunk());
            let chunk = chunk.await.expect("an event or an end").ok()??;
            self.received.extend_from_slice(&chunk);
        }
    }
}
