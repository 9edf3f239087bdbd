//! One connection to the ledger, from the socket to HTTP/2.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::address::LedgerAddress;
use crate::tls::Tls;

/// What of an answer may be on its way before it is read.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// The largest frame that is taken: fewer frames, fewer wake-ups.
const FRAME_BYTES: u32 = 1 << 20;
/// A ledger that does not answer pings for this long is lost.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// For how long the kernel sends again what is not acknowledged. A node that was frozen or killed
/// leaves bytes in it, which would else be delivered minutes later.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// The callers' end of a connection.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// A connection: where requests go in, and the task that ends with it.
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    pub(crate) ends: JoinHandle<()>,
}

/// Connects once.
pub(crate) async fn connect(address: &LedgerAddress, tls: Option<&Tls>) -> io::Result<Connection> {
    match address {
        LedgerAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            match tls {
                None => http(stream).await,
                Some(tls) => encrypted(stream, tls, "localhost").await,
            }
        }
        LedgerAddress::Tcp { host, port } => {
            let stream = tcp(host, *port).await?;
            match tls {
                None => http(stream).await,
                Some(tls) => encrypted(stream, tls, host).await,
            }
        }
    }
}

/// A connection to the first of the host's addresses that takes one.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Before the handshake, so that it holds for the first byte.
        give_up_for_good(&socket)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    let nobody = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    Err(failed.unwrap_or_else(nobody))
}

/// A connection that is given up is reset, its bytes forgotten: closed in the usual way, the kernel
/// would go on delivering them.
fn give_up_for_good(socket: &TcpSocket) -> io::Result<()> {
    use rustix::net::sockopt::{set_socket_linger, set_tcp_user_timeout};
    set_socket_linger(socket, Some(Duration::ZERO))?;
    let timeout_ms = u32::try_from(USER_TIMEOUT.as_millis()).map_err(io::Error::other)?;
    set_tcp_user_timeout(socket, timeout_ms)?;
    // Calls are written whole: waiting for more would only delay them.
    socket.set_nodelay(true)
}

async fn encrypted<S>(stream: S, tls: &Tls, host: &str) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    http(connector.connect(name, stream).await?).await
}

async fn http<S>(stream: S) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let ends = tokio::spawn(async move {
        // Why it ended is of no use: what was on it is given again or answered.
        let _ = connection.await;
    });
    Ok(Connection { sender, ends })
}
