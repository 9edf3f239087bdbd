//! What a caller of the gRPC face may take.

use std::time::Duration;

use crate::limits::ConnectionLimits;

/// Which commands a gRPC face takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcCommands {
    /// All but those that engines and dispatchers give themselves, where the ledger is; purges only
    /// where they are enabled.
    OfCallers,
    /// All, for who is the ledger's own dispatcher, and for tests of an engine.
    All,
}

/// The bounds of the gRPC face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcLimits {
    /// Which commands are taken: those of callers.
    pub commands: GrpcCommands,
    /// The largest message of a read, in bytes: 4 KiB. That of a submit is
    /// [`proto::submit::REQUEST_BYTES_MAX`]. Beyond: `RESOURCE_EXHAUSTED`.
    pub question_bytes_max: usize,
    /// How many bytes the messages of all calls may take together, whole or not: 256 MiB. Beyond:
    /// `overloaded`.
    pub messages_bytes_max: usize,
    /// How many bytes all answers may take together until their callers have taken them: 256 MiB.
    /// Beyond: `overloaded`, before anything is done.
    pub answers_bytes_max: usize,
    /// The most calls at once, over all connections, from a call's head until the end of its
    /// answer: 8,192. Further ones are `overloaded`.
    pub calls_max: usize,
    /// The most calls at once over one connection: 1,024. Further ones wait at the caller.
    pub streams_max: u32,
    /// The most connections at once: 1,024.
    pub connections_max: usize,
    /// How long a message may take to arrive: 5 s.
    pub message_timeout: Duration,
    /// How long an answer may take to be taken: 30 s. A connection with an older one is closed,
    /// at the latest after twice as long.
    pub answer_timeout: Duration,
    /// How long a call without a `grpc-timeout` may take: 5 s.
    pub deadline_default: Duration,
    /// How long any call may take: 60 s.
    pub deadline_max: Duration,
    /// How long a TLS handshake may take: 10 s.
    pub handshake_timeout: Duration,
    /// The most TLS handshakes at once: 1,024. For another one the oldest gives way if it has taken 1 s; else
    /// the new connection is closed.
    pub handshakes_max: usize,
    /// How often a silent connection is asked whether it lives, and how long it may take to answer:
    /// 20 s. One that never has a call is closed after four times as long.
    pub ping_interval: Duration,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            commands: GrpcCommands::OfCallers,
            question_bytes_max: 4 * 1024,
            messages_bytes_max: 256 * 1024 * 1024,
            answers_bytes_max: 256 * 1024 * 1024,
            calls_max: 8_192,
            streams_max: 1_024,
            connections_max: 1_024,
            message_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            deadline_default: Duration::from_secs(5),
            deadline_max: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 1_024,
            ping_interval: Duration::from_secs(20),
        }
    }
}

impl GrpcLimits {
    pub(crate) const fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.connections_max,
            handshakes_max: self.handshakes_max,
            handshake_timeout: self.handshake_timeout,
        }
    }
}
