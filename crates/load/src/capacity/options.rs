//! What is driven and how.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::Connections;
use crate::target::Target;

/// What is driven and how.
#[derive(Debug, Clone)]
pub struct CapacityOptions {
    /// The server, where one is driven.
    pub target: Option<Target>,
    /// The bare handler, where it is driven.
    pub bare: Option<BareOptions>,
    /// The modes, one curve each.
    pub connections: Vec<Connections>,
    /// The bound that 99 % of a step's requests must hold.
    pub p99_max: Duration,
    /// How long a step is.
    pub step: Duration,
    /// The first step's requests per second.
    pub rate_first: u32,
    /// The highest step's.
    pub rate_max: u32,
    /// The most connections at once.
    pub connections_max: usize,
    /// What the random choices begin with.
    pub seed: u64,
    /// How long a request may take before it is given up.
    pub timeout: Duration,
}

/// The bare handler.
#[derive(Debug, Clone)]
pub struct BareOptions {
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// Where it is driven: a proxy before it, or itself.
    pub target: Option<Target>,
}
