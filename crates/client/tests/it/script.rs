//! A server that answers each request with the next step, and keeps the requests.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lastro_client::{Client, ClientOptions, Retry};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Status, further lines of the head, body.
    Answer(u16, &'static str, String),
    /// The connection is closed without an answer.
    Cut,
    /// A head that promises more than comes, then the end.
    Half(&'static str, String),
    /// Nothing, for as long as the caller waits.
    Silence,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// The method and the path.
    pub(crate) line: String,
    /// The lines of the head, with small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Arrived {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The server. It ends with the test's process.
pub(crate) struct Script {
    pub(crate) url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Script {
    pub(crate) fn new(steps: impl Into<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut steps = steps.into();
        steps.reverse();
        let (steps, arrived) = (
            Arc::new(Mutex::new(steps)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let kept = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (steps, kept) = (Arc::clone(&steps), Arc::clone(&kept));
                std::thread::spawn(move || serve(&stream, &steps, &kept));
            }
        });
        Self { url, arrived }
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().clone()
    }

    /// A client with short pauses.
    pub(crate) fn client(&self) -> Client {
        client(&self.url, Duration::from_secs(30))
    }
}

pub(crate) fn client(url: &str, within: Duration) -> Client {
    let retry = Retry {
        within,
        attempt: Duration::from_secs(10),
        first_pause: Duration::from_millis(1),
        pause_max: Duration::from_millis(10),
    };
    Client::with(&ClientOptions {
        retry,
        ..ClientOptions::new(url)
    })
    .unwrap()
}

fn serve(stream: &TcpStream, steps: &Mutex<Vec<Step>>, arrived: &Mutex<Vec<Arrived>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        arrived.lock().push(request);
        let step = steps.lock().pop();
        let mut to = stream;
        match step.expect("a request that the script does not have") {
            Step::Answer(status, lines, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Status\r\n{lines}content-length: {length}\r\n\r\n{body}"
                );
                to.write_all(answer.as_bytes()).unwrap();
            }
            Step::Half(lines, body) => {
                let answer =
                    format!("HTTP/1.1 200 OK\r\n{lines}content-length: 100000\r\n\r\n{body}");
                to.write_all(answer.as_bytes()).unwrap();
                return;
            }
            Step::Cut => return,
            Step::Silence => std::thread::sleep(Duration::from_secs(60)),
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Arrived> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        reader
            .read_line(&mut head)
            .ok()
            .filter(|count| *count > 0)?;
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Arrived {
        line: line.trim_end().to_owned(),
        head,
        body: String::from_utf8(body).unwrap(),
    })
}

/// A problem that says whether anything was done.
pub(crate) fn problem(status: u16, lines: &'static str, nothing_done: bool) -> Step {
    let body = json!({
        "type": "/docs/errors#overloaded", "title": "t", "status": status, "code": "overloaded", "detail": "ask again",
        "nothing_done": nothing_done,
    });
    Step::Answer(status, lines, body.to_string())
}

/// A success.
pub(crate) fn success(status: u16, lines: &'static str, body: &Value) -> Step {
    Step::Answer(status, lines, body.to_string())
}

pub(crate) fn account() -> Value {
    json!({
        "id": "a", "currency": "BRL", "credit_limit": 0, "debits_posted": 0, "credits_posted": 18_446_744_073_709_551_615_u64,
        "debits_pending": 0, "credits_pending": 0, "balance": -1, "available": null, "entry_count": 0, "closed": false,
        "frozen": "sideways", "timestamp": "2026-01-01T00:00:00.000000001Z", "a_member_of_a_newer_server": true,
    })
}

pub(crate) fn transfer() -> Value {
    json!({
        "id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b", "kind": "transfer", "debit_account_id": "a",
        "credit_account_id": "b", "amount": 1, "description": "d", "timestamp": "2026-01-01T00:00:00.000000001Z",
        "a_member_of_a_newer_server": true,
    })
}
