//! What a caller of the gRPC face may take.

use std::time::Duration;

/// The bounds of the gRPC face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcLimits {
    /// The largest message of a read, in bytes: 4 KiB. That of a submit is
    /// [`proto::submit::REQUEST_BYTES_MAX`]. Beyond: `RESOURCE_EXHAUSTED`.
    pub question_bytes_max: usize,
    /// How many bytes the messages larger than 16 KiB may take together: 256 MiB. Beyond:
    /// `overloaded`.
    pub messages_bytes_max: usize,
    /// The most calls at once: 8,192. Further ones are `overloaded`.
    pub calls_max: usize,
    /// The most calls at once over one connection: 1,024. Further ones wait at the caller.
    pub streams_max: u32,
    /// The most connections at once: 1,024.
    pub connections_max: usize,
    /// How long a call without a `grpc-timeout` may take: 5 s.
    pub deadline_default: Duration,
    /// How long any call may take: 60 s.
    pub deadline_max: Duration,
    /// How long a connection may take for its handshake: 10 s.
    pub handshake_timeout: Duration,
    /// How often a silent connection is asked whether it lives, and how long it may take to answer:
    /// 20 s. One that never has a call is closed after four times as long.
    pub ping_interval: Duration,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            question_bytes_max: 4 * 1024,
            messages_bytes_max: 256 * 1024 * 1024,
            calls_max: 8_192,
            streams_max: 1_024,
            connections_max: 1_024,
            deadline_default: Duration::from_secs(5),
            deadline_max: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
        }
    }
}
