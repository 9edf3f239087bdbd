//! Requests to one processor, over connections that are kept.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::config::ProcessorUrl;
use super::gate::{Gate, Gated, Left};

/// The longest body of an answer that is read.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How many connections are kept while nothing is asked.
const IDLE_MAX: usize = 256;

pub(super) struct Client {
    url: ProcessorUrl,
    timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    gate: Gate,
    /// Ends the connection's task, and with it the connection, when dropped.
    task: AbortOnDrop,
    is_fresh: bool,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A whole answer.
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Whole {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

impl Client {
    pub(super) fn new(url: ProcessorUrl, timeout: Duration) -> Self {
        Self {
            url,
            timeout,
            idle: Mutex::default(),
        }
    }

    /// Asks for a path below the processor's URL; the first byte leaves by `leave_by` or none does.
    ///
    /// # Errors
    ///
    /// Without a whole answer within the timeout: whether bytes have left.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        leave_by: Instant,
    ) -> Result<Whole, Left> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let connection = match self.idle_connection() {
                Some(connection) => connection,
                None => self.connect(deadline).await?,
            };
            let was_fresh = connection.is_fresh;
            let request = self.request(&method, path, body.as_ref()).ok_or(Left::No)?;
            match self.over(connection, request, leave_by, deadline).await {
                // The connection had been closed meanwhile: another may do.
                Err(Left::No) if !was_fresh && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Bytes>,
    ) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url.base_path))
            .header(HOST, &self.url.authority);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request
            .body(Full::new(body.cloned().unwrap_or_default()))
            .ok()
    }

    async fn over(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        leave_by: Instant,
        deadline: Instant,
    ) -> Result<Whole, Left> {
        connection.gate.open(leave_by);
        let exchange = async {
            let response = connection.sender.send_request(request).await.ok()?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.ok()?;
            Some(Whole {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let whole = tokio::time::timeout_at(deadline.into(), exchange).await;
        let left = connection.gate.close();
        let Ok(Some(whole)) = whole else {
            return Err(left);
        };
        connection.is_fresh = false;
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(whole)
    }

    /// The connection used last that is still open.
    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        loop {
            let connection = idle.pop()?;
            if connection.sender.is_ready() && !connection.task.0.is_finished() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, Left> {
        let connecting = async {
            let stream = TcpStream::connect(&self.url.connect_to).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let gate = Gate::default();
            let gated = Gated {
                stream,
                gate: gate.clone(),
            };
            let (sender, connection) = http1::handshake(TokioIo::new(gated)).await.ok()?;
            let task = tokio::spawn(async move {
                // How it ended is told by its request.
                let _ = connection.await;
            });
            Some(Connection {
                sender,
                gate,
                task: AbortOnDrop(task),
                is_fresh: true,
            })
        };
        match tokio::time::timeout_at(deadline.into(), connecting).await {
            Ok(Some(connection)) => Ok(connection),
            Ok(None) | Err(_) => Err(Left::No),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn client(listener: &TcpListener, timeout: Duration) -> Client {
        let url = format!("http://{}", listener.local_addr().unwrap());
        Client::new(url.parse().unwrap(), timeout)
    }

    #[tokio::test]
    async fn nothing_leaves_once_it_is_too_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(&listener, Duration::from_secs(5));
        let late = Instant::now();
        let body = Some(Bytes::from_static(b"{}"));
        let left = client.exchange(Method::POST, "/payments", body, late).await;
        assert_eq!(left.err(), Some(Left::TooLate));
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    }

    #[tokio::test]
    async fn what_left_and_was_not_answered_is_told_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(&listener, Duration::from_millis(50));
        let leave_by = Instant::now() + Duration::from_secs(60);
        let left = client.exchange(Method::GET, "/", None, leave_by).await;
        assert_eq!(left.err(), Some(Left::Yes));
        drop(listener);
        let left = client.exchange(Method::GET, "/", None, leave_by).await;
        assert_eq!(left.err(), Some(Left::No));
    }
}
