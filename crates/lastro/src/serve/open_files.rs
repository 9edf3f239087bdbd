//! Who may have how many of the files that this process may open, and how much of its memory: every connection
//! takes of both.
//!
//! What the ledger needs comes first, so that a flood of connections leaves it the descriptors for
//! its next segment; what is left is for connections.

use anyhow::ensure;
use rustix::process::{Resource, getrlimit, setrlimit};
use server::{GrpcLimits, Limits, TlsFiles};

use super::config::Config;
use super::engine_config::EngineConfig;
use super::memory::Memory;
use super::role::Role;

/// The runtime, listeners, the log, locks, and the folders' own files.
const OWN: usize = 64;
/// Connections of callers that ask for metrics.
const METRICS: usize = 64;
/// Connections to databases and to the ledger node.
const OUTGOING: usize = 64;
/// Connections to payment processors.
const PROCESSORS: usize = 128;
/// Connections to the receiver of one endpoint of webhooks: those with a request, and those that are kept.
const WEBHOOK_ENDPOINT: usize = 32;
/// With fewer connections than these nothing can be served well.
const CONNECTIONS_MIN: usize = 32;

/// How many files each may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFiles {
    limit: usize,
    pub(super) memory: Memory,
    /// Sealed segments of the ledger's journal, for readers.
    pub(super) segments_max: usize,
    pub(super) http_connections_max: usize,
    pub(super) grpc_connections_max: usize,
    /// Of those that may be in their handshake beside them; unused without TLS.
    http_handshakes_max: usize,
    grpc_handshakes_max: usize,
    pub(super) metrics_handshakes_max: usize,
}

/// How many sealed segments readers may keep open.
fn segments_max(limit: usize, config: &Config) -> usize {
    match config.engine {
        EngineConfig::Embedded => (limit / 16).clamp(8, 256),
        EngineConfig::Postgres { .. }
        | EngineConfig::Remote { .. }
        | EngineConfig::WriteBehind(_) => 0,
    }
}

/// As many as HTTP has, where there are files enough.
fn metrics_handshakes_max(limit: usize, config: &Config) -> usize {
    match config.tls.metrics {
        Some(_) => (limit / 16).clamp(METRICS, Limits::default().handshakes_max),
        None => 0,
    }
}

/// What is kept back before connections of callers get any.
fn needed(limit: usize, config: &Config) -> usize {
    let processors = config.payments.as_ref().map_or(0, |_| PROCESSORS);
    OWN + METRICS
        + metrics_handshakes_max(limit, config)
        + OUTGOING
        + processors
        + config.webhooks.len() * WEBHOOK_ENDPOINT
        + segments_max(limit, config)
}

/// The fewest files that are enough, above a limit that is not: a part of what is kept back grows with the limit,
/// by not more than an eighth of it.
fn fewest(limit: usize, config: &Config) -> usize {
    let mut fewest = limit;
    while fewest < needed(fewest, config) + CONNECTIONS_MIN {
        fewest = needed(fewest, config) + CONNECTIONS_MIN;
    }
    fewest
}

impl OpenFiles {
    /// Shares out what `limit` allows.
    pub(super) fn plan(limit: usize, memory: Memory, config: &Config) -> anyhow::Result<Self> {
        let segments_max = segments_max(limit, config);
        let metrics_handshakes_max = metrics_handshakes_max(limit, config);
        let needed = needed(limit, config);
        ensure!(
            limit >= needed + CONNECTIONS_MIN,
            "this process may open {limit} files, and needs at least {}: raise the limit (ulimit \
             -n, LimitNOFILE= of systemd)",
            fewest(limit, config)
        );
        let left = limit - needed;
        let grpc_share = match (&config.grpc_listen, config.role) {
            (None, _) => 0,
            (Some(_), Role::Ledger) => left / 2,
            (Some(_), Role::All | Role::Api) => left / 4,
        };
        let (of_http, of_grpc) = (Limits::default(), GrpcLimits::default());
        let grpc_handshakes_max = handshakes(grpc_share, &config.tls.grpc, of_grpc.handshakes_max);
        let grpc_connections_max = (grpc_share - grpc_handshakes_max).min(of_grpc.connections_max);
        let grpc_connections_max = memory.connections(grpc_connections_max);
        let http_share = left - grpc_connections_max - grpc_handshakes_max;
        let http_handshakes_max = handshakes(http_share, &config.tls.http, of_http.handshakes_max);
        let http_connections_max = (http_share - http_handshakes_max).min(of_http.connections_max);
        let http_connections_max = memory.connections(http_connections_max);
        Ok(Self {
            limit,
            memory,
            segments_max,
            http_connections_max,
            grpc_connections_max,
            http_handshakes_max,
            grpc_handshakes_max,
            metrics_handshakes_max,
        })
    }

    /// What callers over HTTP may take.
    pub(super) fn http_limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            connections_max: self.http_connections_max,
            handshakes_max: self.http_handshakes_max,
            bodies_bytes_max: self.memory.room(usual.bodies_bytes_max),
            answers_bytes_max: self.memory.room(usual.answers_bytes_max),
            ..usual
        }
    }

    /// What callers over gRPC may take.
    pub(super) fn grpc_limits(&self) -> GrpcLimits {
        let usual = GrpcLimits::default();
        GrpcLimits {
            connections_max: self.grpc_connections_max,
            handshakes_max: self.grpc_handshakes_max,
            messages_bytes_max: self.memory.room(usual.messages_bytes_max),
            answers_bytes_max: self.memory.room(usual.answers_bytes_max),
            ..usual
        }
    }

    /// Says what was planned.
    pub(super) fn report(&self) {
        let Self {
            limit,
            segments_max,
            http_connections_max,
            grpc_connections_max,
            ..
        } = *self;
        let usual = Limits::default().connections_max;
        if segments_max > 0 && self.memory.is_little_for_a_ledger() {
            tracing::warn!(
                "this process may use {} MB of memory, and a ledger in files wants 256 MB: with less the kernel may \
                 end the process while it is busy. Raise the limit (MemoryMax= of systemd, `mem_limit` of a container)",
                self.memory.bytes() >> 20
            );
        }
        let memory_mb = self.memory.bytes() >> 20;
        if http_connections_max < usual {
            tracing::warn!(
                limit,
                memory_mb,
                http_connections_max,
                grpc_connections_max,
                segments_max,
                "this process may open {limit} files and use {memory_mb} MB of memory: it serves at most \
                 {http_connections_max} connections over HTTP instead of {usual}, and {grpc_connections_max} over \
                 gRPC. For more raise the limits (ulimit -n, LimitNOFILE= and MemoryMax= of systemd)"
            );
        } else {
            tracing::info!(
                limit,
                memory_mb,
                http_connections_max,
                grpc_connections_max,
                segments_max,
                "this process may open {limit} files and use {memory_mb} MB of memory"
            );
        }
    }
}

/// How many of a face's files handshakes of TLS may take.
fn handshakes(share: usize, tls: &Option<TlsFiles>, max: usize) -> usize {
    match tls {
        Some(_) => (share / 4).min(max),
        None => 0,
    }
}

/// Raises the limit to what this process may have, not what shells allow at first. Returns it.
pub(super) fn raise_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files: {error}");
    }
    // Without a limit there is more than anybody needs.
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}
