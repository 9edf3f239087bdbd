//! What a caller may take: bytes, headers, connections, time.

use std::time::Duration;

/// The bounds of a face. Nothing waits for ever and no heap grows without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a `/v1` request, in bytes: 1 MiB. Beyond: 413.
    pub body_bytes_max: usize,
    /// The largest body of a batch, in bytes: 4 MiB. Beyond: 413.
    pub batch_body_bytes_max: usize,
    /// The largest body on the 2024 challenge's routes, in bytes: 4 KiB. Beyond: 413.
    pub challenge_body_bytes_max: usize,
    /// How many bytes the bodies of which more than 16 KiB has arrived may take together: 64 MiB.
    /// Beyond: 503 `overloaded`.
    pub bodies_bytes_max: usize,
    /// How many bytes the answers larger than 16 KiB may take together until their callers have
    /// taken them: 64 MiB. Beyond: 503 `overloaded`.
    pub answers_bytes_max: usize,
    /// The largest request head, in bytes: 16 KiB (8 KiB is the least that is kept). Beyond: 431.
    pub header_bytes_max: usize,
    /// The most headers of a request: 100. Beyond: 431.
    pub header_count_max: usize,
    /// The longest path with its query, in bytes: 2 KiB. Beyond: 414.
    pub uri_bytes_max: usize,
    /// The most connections at once: 16,384. Further ones are answered 503 and closed.
    pub connections_max: usize,
    /// The most TLS handshakes at once: 1,024. For another one the oldest gives way if it has taken 1 s; else
    /// the new connection is closed.
    pub handshakes_max: usize,
    /// How long a TLS handshake may take: 10 s.
    pub handshake_timeout: Duration,
    /// The most requests at once over one connection of HTTP/2: 256. Further ones wait at the caller.
    pub streams_max: u32,
    /// How long a request's head may take from its first byte on: 10 s. Beyond: 408.
    pub header_timeout: Duration,
    /// How long a connection may stand idle between requests: 75 s, longer than the 60 s of common
    /// proxies, so that they close first.
    pub idle_timeout: Duration,
    /// How long an answer may take to be taken as a whole: 30 s. Beyond, the connection is closed.
    pub answer_timeout: Duration,
    /// How long a request may take from its head on, its body included: 5 s. A body that is not
    /// there by then: 408. So is a body of more than 16 KiB of which no 16 KiB arrive within 2 s.
    pub request_timeout: Duration,
    /// How long the engine may take for an answer: 2 s. Beyond: 504 `timeout`.
    pub engine_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            batch_body_bytes_max: 4 * 1024 * 1024,
            challenge_body_bytes_max: 4 * 1024,
            bodies_bytes_max: 64 * 1024 * 1024,
            answers_bytes_max: 64 * 1024 * 1024,
            header_bytes_max: 16 * 1024,
            header_count_max: 100,
            uri_bytes_max: 2 * 1024,
            connections_max: 16_384,
            handshakes_max: 1_024,
            handshake_timeout: Duration::from_secs(10),
            streams_max: 256,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            answer_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            engine_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    pub(crate) const fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.connections_max,
            handshakes_max: self.handshakes_max,
            handshake_timeout: self.handshake_timeout,
        }
    }
}

/// The bounds on connections alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) connections_max: usize,
    pub(crate) handshakes_max: usize,
    pub(crate) handshake_timeout: Duration,
}
