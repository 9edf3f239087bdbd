//! Real servers for tests: PostgreSQL, PgBouncer, Redis, nginx, HAProxy and Envoy, on free ports of loopback.
//!
//! [`Cluster`] is three PostgreSQL under Patroni with three members of etcd, each on a host of its own.
//!
//! Each has a temporary folder of its own, is ready when its start returns, and is killed with all
//! its children when it is dropped; a guardian does the same when the test's process dies without
//! a chance to. Nothing is shared: tests run beside each other.
//!
//! | what waits | at most |
//! |---|---|
//! | a start | [`START_BOUND`], then an error with the end of the server's log |
//! | a stop | [`STOP_BOUND`], then it is killed and that is an error |
//!
//! The programs come from Debian's packages and PyPI (`cargo xtask tools` installs them). One that
//! is not there is an error that says what to install.

mod cluster;
mod family;
mod find;
mod options;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod proxy;
mod redis;
mod sockets;
mod standby;
#[cfg(test)]
mod tests;
mod user;

pub use cluster::{Cluster, DATABASES, ETCDS, WHOLE_BOUND};
pub use find::program;
pub use options::ServerOptions;
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
pub use postgres::Postgres;
pub use process::{ServerProcess, StopSignal};
pub use proxy::{Proxy, ProxyKind};
pub use redis::Redis;
pub use user::can_reach;

use std::time::Duration;

/// How long a server may take to start.
pub const START_BOUND: Duration = Duration::from_secs(60);
/// How long it may take to stop once it was asked to.
pub const STOP_BOUND: Duration = Duration::from_secs(30);
