//! One connection to the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::HttpFailure;
use super::answer::{ANSWER_BYTES_MAX, Answer, Framing, Head, parse_chunks, parse_head};

/// A connection, with the buffers that its answers are read into.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
    keeps_alive: bool,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, HttpFailure> {
        let stream = TcpStream::connect(address).await?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(2048),
            body: Vec::new(),
            keeps_alive: true,
        })
    }

    /// Whether another request may be sent: the server said so, and has neither closed nor sent
    /// anything unasked since. Costs no system call while nothing happened.
    pub(crate) fn is_usable(&self) -> bool {
        self.keeps_alive
            && matches!(
                self.stream.try_read(&mut [0]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock
            )
    }

    /// Sends a request, all of it as it is, and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, HttpFailure> {
        self.received.clear();
        // Unless the answer says otherwise; an exchange given up half way ends the connection too.
        self.keeps_alive = false;
        self.stream.write_all(request).await?;
        let head = self.read_head().await?;
        match head.framing {
            Framing::Length(length) => self.read_until(head.bytes, length).await?,
            Framing::Chunked => {
                while !parse_chunks(&self.received[head.bytes..], &mut self.body)? {
                    self.read_more().await?;
                }
            }
            Framing::UntilClosed => while self.read().await? > 0 {},
        }
        self.keeps_alive = head.keeps_alive;
        let body = match head.framing {
            Framing::Length(length) => &self.received[head.bytes..head.bytes + length],
            Framing::Chunked => &self.body,
            Framing::UntilClosed => &self.received[head.bytes..],
        };
        Ok(Answer {
            status: head.status,
            body,
        })
    }

    async fn read_head(&mut self) -> Result<Head, HttpFailure> {
        loop {
            self.read_more().await?;
            if let Some(head) = parse_head(&self.received)? {
                return Ok(head);
            }
        }
    }

    async fn read_until(&mut self, head: usize, length: usize) -> Result<(), HttpFailure> {
        if length > ANSWER_BYTES_MAX {
            return Err(HttpFailure::Malformed);
        }
        while self.received.len() < head + length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> Result<(), HttpFailure> {
        match self.read().await? {
            0 => Err(HttpFailure::ConnectionClosed),
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> Result<usize, HttpFailure> {
        if self.received.len() > ANSWER_BYTES_MAX {
            return Err(HttpFailure::Malformed);
        }
        Ok(self.stream.read_buf(&mut self.received).await?)
    }
}
