//! Requests to one processor, over connections that are kept for a while.
//!
//! A request that is given up must not be delivered later. So each socket is told before it
//! connects that closing it resets the connection and throws away what was not sent, and that the
//! kernel gives up unacknowledged bytes after the request's timeout: that holds also where this
//! process is killed or frozen. With TLS that is below the encryption: what is thrown away are parts of
//! records that nobody can read alone.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use stdx::ErrorChain;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::access::{Access, ProcessorAccess};
use super::config::{ProcessorConfig, ProcessorUrl};
use super::gate::{Gate, Gated, Left};
use crate::template::Outgoing;

/// The longest body of an answer that is read.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How many connections are kept while nothing is asked.
const IDLE_MAX: usize = 256;

pub(super) struct Client {
    url: ProcessorUrl,
    access: ProcessorAccess,
    timeout: Duration,
    age_max: Duration,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    gate: Gate,
    /// Ends the connection's task, and with it the connection, when dropped.
    task: AbortOnDrop,
    opened_at: Instant,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExchangeFailed {
    pub(super) left: Left,
    pub(super) why: Cow<'static, str>,
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
    pub(super) fn new(config: &ProcessorConfig, timeout: Duration) -> Self {
        Self {
            url: config.url.clone(),
            access: config.access.clone(),
            timeout,
            age_max: config.connection_age_max,
            idle: Mutex::default(),
        }
    }

    /// Makes a call below the processor's URL; the first byte leaves by `leave_by` or none does.
    ///
    /// # Errors
    ///
    /// Without a whole answer within the timeout: whether bytes have left, and why there is none.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing,
        leave_by: Instant,
    ) -> Result<Whole, ExchangeFailed> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let connection = match self.idle_connection() {
                Some(connection) => connection,
                None => self.connect(deadline).await?,
            };
            let was_fresh = connection.is_fresh;
            let request = self.request(outgoing).ok_or(ExchangeFailed {
                left: Left::No,
                why: "the request cannot be written".into(),
            })?;
            match self.over(connection, request, leave_by, deadline).await {
                // The connection had been closed meanwhile: another may do.
                Err(ExchangeFailed { left: Left::No, .. })
                    if !was_fresh && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    fn request(&self, outgoing: &Outgoing) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&outgoing.method)
            .uri(format!("{}{}", self.url.base_path, outgoing.path))
            .header(HOST, &self.url.authority);
        let access = self.access.current();
        let headers = request.headers_mut()?;
        for (name, value) in outgoing.headers.iter().chain(&access.headers) {
            headers.insert(name, value.clone());
        }
        let body = match &outgoing.body {
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Full::new(body.clone())
            }
            None => Full::default(),
        };
        request.body(body).ok()
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
            let (head, body) = response
                .map_err(|error| because("the connection broke", &error))?
                .into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => Cow::Borrowed("the answer has more than 64 kB"),
                false => because("the connection broke within the answer", error.as_ref()),
            })?;
            Ok(Whole {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let whole = tokio::time::timeout_at(deadline.into(), exchange).await;
        let left = connection.gate.close();
        let whole = whole.unwrap_or(Err("no whole answer came in time".into()));
        let whole = whole.map_err(|why| ExchangeFailed { left, why })?;
        connection.is_fresh = false;
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(whole)
    }

    /// The connection used last that is still open and not too old.
    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        loop {
            let connection = idle.pop()?;
            let is_young = connection.opened_at.elapsed() < self.age_max;
            if is_young && connection.sender.is_ready() && !connection.task.0.is_finished() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, ExchangeFailed> {
        let access = self.access.current();
        let failed = |why| ExchangeFailed {
            left: Left::No,
            why,
        };
        match tokio::time::timeout_at(deadline.into(), self.connecting(&access)).await {
            Ok(connected) => {
                connected.map_err(|error| failed(because("there is no connection", error.as_ref())))
            }
            Err(_) => Err(failed("there is no connection: none came in time".into())),
        }
    }

    async fn connecting(
        &self,
        access: &Access,
    ) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let gate = Gate::default();
        let gated = Gated {
            stream: self.stream().await?,
            gate: gate.clone(),
        };
        let (sender, task) = match &self.url.server_name {
            None => speak_http(gated).await?,
            Some(name) => {
                let tls = access.tls.as_ref().ok_or("TLS is not configured")?;
                gate.open_for_handshake();
                let connector = TlsConnector::from(Arc::clone(&tls.0));
                let encrypted = connector.connect(name.clone(), gated).await?;
                gate.close();
                speak_http(encrypted).await?
            }
        };
        Ok(Connection {
            sender,
            gate,
            task,
            opened_at: Instant::now(),
            is_fresh: true,
        })
    }
}

/// Speaks HTTP over a stream until the task is dropped.
async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> hyper::Result<(SendRequest<Full<Bytes>>, AbortOnDrop)> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let task = tokio::spawn(async move {
        // How it ended is told by its request.
        let _ = connection.await;
    });
    Ok((sender, AbortOnDrop(task)))
}

fn because(what: &str, error: &(dyn Error + 'static)) -> Cow<'static, str> {
    Cow::Owned(format!("{what}: {}", ErrorChain(error)))
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
mod tests;
