//! A small HTTP server whose answers a test decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use load::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A request as a test sees it.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// Answers it.
    Now(u16, String),
    /// Answers it after a while.
    After(Duration, u16, String),
    /// Resets the connection.
    Reset,
}

/// Decides every answer.
pub(crate) trait Handler: Send + Sync + 'static {
    fn reply(&self, request: &Request<'_>) -> Reply;
}

impl<F: Fn(&Request<'_>) -> Reply + Send + Sync + 'static> Handler for F {
    fn reply(&self, request: &Request<'_>) -> Reply {
        self(request)
    }
}

/// A running server; it ends when dropped.
pub(crate) struct Double {
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Double {
    pub(crate) fn start(handler: Arc<impl Handler>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    tokio::select! {
                        () = told.notified() => return,
                        accepted = listener.accept() => {
                            tokio::spawn(connection(accepted.unwrap().0, Arc::clone(&handler)));
                        }
                    }
                }
            });
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn target(&self) -> Target {
        Target::at(self.address).unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn connection(mut stream: TcpStream, handler: Arc<impl Handler>) {
    let mut received = Vec::new();
    loop {
        if let Some((bytes, reply)) = replied(&received, &*handler) {
            received.drain(..bytes);
            let (after, status, body) = match reply {
                Reply::Now(status, body) => (Duration::ZERO, status, body),
                Reply::After(after, status, body) => (after, status, body),
                Reply::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
            };
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let answer = format!(
                "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        } else if !matches!(stream.read_buf(&mut received).await, Ok(bytes) if bytes > 0) {
            return;
        }
    }
}

fn replied(received: &[u8], handler: &impl Handler) -> Option<(usize, Reply)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received).unwrap() else {
        return None;
    };
    let length = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |header| {
            std::str::from_utf8(header.value).unwrap().parse().unwrap()
        });
    let body = received.get(head..head + length)?;
    let request = Request {
        method: request.method.unwrap(),
        path: request.path.unwrap(),
        body,
    };
    Some((head + length, handler.reply(&request)))
}
