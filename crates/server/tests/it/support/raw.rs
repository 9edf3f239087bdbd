//! Bytes on a socket, for what no client would send.

use std::time::Duration;

use serde_json::Value;
use server::ListenAddress;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// A connection.
pub(crate) struct Raw {
    socket: Box<dyn Socket>,
    received: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and code of a problem body.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        let body = self.json();
        assert_eq!(body["status"], self.status);
        (self.status, body["code"].as_str().unwrap().to_owned())
    }
}

impl Raw {
    pub(crate) async fn connect(address: &ListenAddress) -> Self {
        let socket: Box<dyn Socket> = match address {
            ListenAddress::Tcp { host, port } => {
                Box::new(TcpStream::connect((host.as_str(), *port)).await.unwrap())
            }
            ListenAddress::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
        };
        Self {
            socket,
            received: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends as long as the other side takes it.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer; `None` when the connection ends before one is whole.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        self.answer_to("GET").await
    }

    /// The next answer to a request of this method: HEAD's have no body.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<RawAnswer> {
        loop {
            if let Some(answer) = self.take_answer(method) {
                return Some(answer);
            }
            let read = timeout(PATIENCE, self.socket.read_buf(&mut self.received)).await;
            match read.expect("an answer or an end") {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
    }

    fn take_answer(&mut self, method: &str) -> Option<RawAnswer> {
        let end = self.received.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let length = if method == "HEAD" { 0 } else { length };
        if self.received.len() < end + length {
            return None;
        }
        let body = self.received[end..end + length].to_vec();
        self.received.drain(..end + length);
        let status = head[9..12].parse().unwrap();
        Some(RawAnswer { status, head, body })
    }

    /// Takes some of what comes; `None` at the end.
    pub(crate) async fn take_some(&mut self, bytes_max: usize) -> Option<usize> {
        let mut bytes = vec![0; bytes_max];
        let read = timeout(PATIENCE, self.socket.read(&mut bytes)).await;
        let count = read.expect("bytes or an end").unwrap_or(0);
        (count > 0).then_some(count)
    }

    /// Waits until the other side closes; `true` when nothing more came before.
    pub(crate) async fn closed(&mut self) -> bool {
        loop {
            let read = timeout(PATIENCE, self.socket.read_buf(&mut self.received)).await;
            match read.expect("an end") {
                Ok(count) if count > 0 => {}
                _ => return self.received.is_empty(),
            }
        }
    }
}
