//! The bare handler: the challenges' answers, byte for byte of one size, without a ledger.
//!
//! It has a thread of its own, parses only where a request ends and what it is about, and answers
//! from memory. It is the least that a server does, so what a load achieves against it is the wall
//! of everything else: the generator, and the proxy between.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::rinha_2024::ACCOUNTS;

const LINE: &str = concat!(
    r#"{"valor":10,"tipo":"c","descricao":"descricao","#,
    r#""realizada_em":"2024-01-17T02:34:38.543030Z"}"#
);

/// Connections that may wait to be taken.
const BACKLOG: i32 = 4096;

/// A request is never longer.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// A running bare handler; it ends when dropped.
#[derive(Debug)]
pub struct Bare {
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The answers, ready to be sent.
struct Answers {
    transactions: Vec<Vec<u8>>,
    statements: Vec<Vec<u8>>,
    /// Of the 2025 challenge's payments.
    accepted: Vec<u8>,
    not_found: Vec<u8>,
}

impl Bare {
    /// Starts one at a loopback address.
    pub fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        ensure!(
            listen.ip().is_loopback(),
            "the bare handler only listens on loopback addresses, not on {listen}"
        );
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("the bare handler cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        // A step of new connections may begin with many at once.
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("bare".to_owned())
            .spawn(move || {
                if let Err(error) = serve(listener, &told) {
                    eprintln!("the bare handler ended: {error}");
                }
            })?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has said already what it ended by.
            let _ = thread.join();
        }
    }
}

fn serve(listener: TcpListener, stop: &Notify) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let answers = Arc::new(Answers::new());
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            tokio::select! {
                () = stop.notified() => return Ok(()),
                accepted = listener.accept() => {
                    // A connection that is gone already is no reason to end.
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(connection(stream, Arc::clone(&answers)));
                    }
                }
            }
        }
    })
}

/// Answers until the other side ends it; a broken connection needs no words.
async fn connection(mut stream: TcpStream, answers: Arc<Answers>) {
    let mut received = Vec::with_capacity(1024);
    loop {
        match request(&received) {
            Some(request) => {
                let answer = answers.to(&request, &received);
                if stream.write_all(answer).await.is_err() || request.is_last {
                    return;
                }
                received.drain(..request.bytes);
            }
            None if received.len() > REQUEST_BYTES_MAX => return,
            None => {
                if !matches!(stream.read_buf(&mut received).await, Ok(bytes) if bytes > 0) {
                    return;
                }
            }
        }
    }
}

/// A whole request.
struct Request {
    bytes: usize,
    is_last: bool,
}

/// Where the first request ends; `None` while it is not there.
fn request(received: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received).ok()? else {
        return None;
    };
    let mut body = 0;
    let mut is_last = request.version == Some(0);
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body = std::str::from_utf8(header.value)
                .ok()?
                .trim()
                .parse()
                .ok()?;
        } else if header.name.eq_ignore_ascii_case("connection") {
            is_last = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let bytes = head + body;
    (received.len() >= bytes).then_some(Request { bytes, is_last })
}

impl Answers {
    fn new() -> Self {
        let lines = [LINE; 10].join(",");
        let transaction = |limit: &i64| json(&format!(r#"{{"limite":{limit},"saldo":-9098}}"#));
        let statement = |limit: &i64| {
            json(&format!(
                r#"{{"saldo":{{"total":-9098,"data_extrato":"2024-01-17T02:34:41.217753Z","limite":{limit}}},"ultimas_transacoes":[{lines}]}}"#
            ))
        };
        Self {
            transactions: ACCOUNTS.iter().map(transaction).collect(),
            statements: ACCOUNTS.iter().map(statement).collect(),
            accepted: b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\
                date: Wed, 17 Jan 2024 02:34:41 GMT\r\n\r\n"
                .to_vec(),
            not_found: b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        }
    }

    /// `POST /clientes/1/transacoes`, `GET /clientes/1/extrato` and `POST /payments`, told apart by
    /// their first letters; the account is the digit.
    fn to(&self, request: &Request, received: &[u8]) -> &[u8] {
        let received = &received[..request.bytes];
        let (answers, rest) = match received {
            _ if received.starts_with(b"POST /payments ") => return &self.accepted,
            [b'P', b'O', b'S', b'T', b' ', rest @ ..] => (&self.transactions, rest),
            [b'G', b'E', b'T', b' ', rest @ ..] => (&self.statements, rest),
            _ => return &self.not_found,
        };
        let digit = rest.strip_prefix(b"/clientes/").and_then(<[u8]>::first);
        let account = digit.and_then(|digit| usize::from(*digit).checked_sub(usize::from(b'1')));
        account
            .and_then(|account| answers.get(account))
            .unwrap_or(&self.not_found)
    }
}

/// An answer with the headers that the server's own answers have.
fn json(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         date: Wed, 17 Jan 2024 02:34:41 GMT\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
