//! One connection to the ledger, from the socket to HTTP/2.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
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
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // Calls are written whole: waiting for more would only delay them.
            stream.set_nodelay(true)?;
            match tls {
                None => http(stream).await,
                Some(tls) => encrypted(stream, tls, host).await,
            }
        }
    }
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
