//! Requests to one processor, over connections that are kept.
//!
//! A request that is given up must not be delivered later. So each socket is told before it
//! connects that closing it resets the connection and throws away what was not sent, and that the
//! kernel gives up unacknowledged bytes after the request's timeout: that holds also where this
//! process is killed or frozen.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};

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

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExchangeFailed {
    pub(super) left: Left,
    pub(super) why: &'static str,
}

impl Whole {
    /// When it wants to be asked again: after a number of seconds, or at a time of day.
    pub(super) fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(at.duration_since(now)).ok()
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
    /// Without a whole answer within the timeout: whether bytes have left, and why there is none.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        leave_by: Instant,
    ) -> Result<Whole, ExchangeFailed> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let connection = match self.idle_connection() {
                Some(connection) => connection,
                None => self.connect(deadline).await?,
            };
            let was_fresh = connection.is_fresh;
            let request = self.request(&method, path, body.as_ref());
            let request = request.ok_or(ExchangeFailed {
                left: Left::No,
                why: "the request cannot be written",
            })?;
            match self.over(connection, request, leave_by, deadline).await {
                // The connection had been closed meanwhile: another may do.
                Err(ExchangeFailed { left: Left::No, .. })
                    if !was_fresh && Instant::now() < deadline => {}
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
            .body(body.map_or_else(Full::default, |body| Full::new(body.clone())))
            .ok()
    }

    async fn over(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        leave_by: Instant,
        deadline: Instant,
    ) -> Result<Whole, ExchangeFailed> {
        connection.gate.open(leave_by);
        let exchange = async {
            let response = connection.sender.send_request(request).await;
            let (head, body) = response.map_err(|_| "the connection broke")?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => "the answer has more than 64 kB",
                false => "the connection broke within the answer",
            })?;
            Ok(Whole {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let whole = tokio::time::timeout_at(deadline.into(), exchange).await;
        let left = connection.gate.close();
        let whole = whole.unwrap_or(Err("no whole answer came in time"));
        let whole = whole.map_err(|why| ExchangeFailed { left, why })?;
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

    async fn connect(&self, deadline: Instant) -> Result<Connection, ExchangeFailed> {
        let connecting = async {
            let stream = self.stream().await.ok()?;
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
            Ok(None) | Err(_) => Err(ExchangeFailed {
                left: Left::No,
                why: "there is no connection",
            }),
        }
    }
}

impl Client {
    /// Connects to the first of the processor's addresses that takes a connection.
    async fn stream(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in tokio::net::lookup_host(&self.url.connect_to).await? {
            // A machine may lack a family of addresses: the next one may be of another.
            match socket(address, self.timeout) {
                Ok(socket) => match socket.connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failure = error,
                },
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// A socket that delivers nothing once it was closed, or `timeout` after it was written to.
fn socket(address: SocketAddr, timeout: Duration) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    socket.set_zero_linger()?;
    // The kernel counts in milliseconds, and takes 0 for its own default.
    let millis = u32::try_from(timeout.as_millis().max(1))
        .map_err(|_| io::Error::other("the timeout of a request is longer than 49 days"))?;
    rustix::net::sockopt::set_tcp_user_timeout(&socket, millis)?;
    Ok(socket)
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
        assert_eq!(left.err().map(|failure| failure.left), Some(Left::TooLate));
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut [0; 16]);
        assert!(!matches!(read, Ok(1..)), "{read:?}");
    }

    #[test]
    fn a_time_to_ask_again_has_two_forms() {
        let now = "2026-11-28T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7", Some(7)),
            ("Sat, 28 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sat, 28 Nov 2026 09:59:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            let whole = Whole {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers,
                body: Bytes::new(),
            };
            assert_eq!(
                whole.retry_after(now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_is_given_up_is_reset_and_kept_by_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let timeout = Duration::from_millis(1_234);
        let address = listener.local_addr().unwrap();
        let socket = socket(address, timeout).unwrap();
        assert_eq!(
            rustix::net::sockopt::tcp_user_timeout(&socket).unwrap(),
            1_234
        );
        let linger = rustix::net::sockopt::socket_linger(&socket).unwrap();
        assert_eq!(linger, Some(Duration::ZERO));
        let client = client(&listener, Duration::from_millis(50));
        let leave_by = Instant::now() + Duration::from_secs(60);
        let left = client.exchange(Method::GET, "/", None, leave_by).await;
        assert_eq!(left.err().map(|failure| failure.left), Some(Left::Yes));
        let (mut stream, _) = listener.accept().unwrap();
        let ended = loop {
            match stream.read(&mut [0; 1_024]) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error.kind()),
            }
        };
        assert_eq!(ended, Some(io::ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn what_left_and_was_not_answered_is_told_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(&listener, Duration::from_millis(50));
        let leave_by = Instant::now() + Duration::from_secs(60);
        let left = client.exchange(Method::GET, "/", None, leave_by).await;
        assert_eq!(left.err().map(|failure| failure.left), Some(Left::Yes));
        drop(listener);
        let left = client.exchange(Method::GET, "/", None, leave_by).await;
        assert_eq!(left.err().map(|failure| failure.left), Some(Left::No));
    }
}
