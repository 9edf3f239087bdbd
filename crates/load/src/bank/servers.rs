//! The servers, and asking them until one answers.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::BankOptions;
use crate::http::{Client, Connections};

/// The first wait before a repetition; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The most connections to one server.
const CONNECTIONS_MAX: usize = 256;

/// The servers.
pub(super) struct Servers {
    clients: Vec<(String, Client)>,
    rng: RefCell<SmallRng>,
    /// How many requests were sent again.
    pub(super) repetitions_count: Cell<u64>,
}

/// An answer, and what it took.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The server that answered.
    pub(super) server: usize,
}

impl Servers {
    pub(super) fn new(options: &BankOptions) -> Self {
        let client = |target: &crate::Target| {
            let connections = Connections::KeptAlive;
            let client = Client::new(
                target.clone(),
                connections,
                CONNECTIONS_MAX,
                options.timeout,
            );
            (target.head(), client)
        };
        Self {
            clients: options.servers.iter().map(client).collect(),
            rng: RefCell::new(SmallRng::seed_from_u64(options.seed)),
            repetitions_count: Cell::new(0),
        }
    }

    /// Asks a server, any unless one is named, and again until there is an answer that is one: a
    /// 500, 502, 503 or 504 says nothing of what was done. `None` when the deadline passes.
    pub(super) async fn ask(
        &self,
        named: Option<usize>,
        method: &str,
        path: &str,
        body: &str,
        deadline: Instant,
    ) -> Option<Answered> {
        let mut wait = WAIT_FIRST;
        loop {
            let server = named.unwrap_or_else(|| self.any());
            let (head, client) = &self.clients[server];
            let request = request(head, method, path, body);
            let exchange =
                client.exchange(&request, |answer| (answer.status, answer.body.to_vec()));
            let answered = tokio::time::timeout_at(deadline.into(), exchange).await;
            if let Ok(Ok((status, body))) = answered
                && !matches!(status, 500 | 502 | 503 | 504)
            {
                return Some(Answered {
                    status,
                    body,
                    server,
                });
            }
            if Instant::now() + wait >= deadline {
                return None;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
            self.repetitions_count.set(self.repetitions_count.get() + 1);
        }
    }

    fn any(&self) -> usize {
        self.rng.borrow_mut().random_range(0..self.clients.len())
    }
}

fn request(head: &str, method: &str, path: &str, body: &str) -> Vec<u8> {
    let content = if body.is_empty() {
        String::new()
    } else {
        let length = body.len();
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
    };
    format!("{method} {path} HTTP/1.1\r\n{head}{content}\r\n{body}").into_bytes()
}
