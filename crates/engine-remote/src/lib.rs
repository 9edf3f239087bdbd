//! The ledger of another process, over gRPC.
//!
//! [`RemoteEngine`] is an engine whose rules run elsewhere. What it adds:
//!
//! - **Gathering.** What arrives while a call is in flight goes together in the next one, so that
//!   load makes calls larger instead of queues longer. Large batches go in several calls at once.
//! - **Bounds.** A queue past its bytes is `overloaded`; every request has its own deadline, and is
//!   answered `timeout` at it even where its call goes on.
//! - **Repeating.** When a connection is lost, what can be given twice is given again under the
//!   same ids until its deadline; the rest is answered `ledger_unavailable`. While the ledger is
//!   known to be down everything is answered so at once. What may have arrived once is never
//!   answered as if nothing were done, whatever became of its repetition.
//! - **Deadlines that hold.** A call names its deadline on the ledger's own clock: bytes that the
//!   network delivers after it are not begun. A connection that is given up is reset.
//!
//! Per request it costs one encoding, one copy into the call's message and one wake-up; a call costs
//! one HTTP/2 stream, whatever the number of requests in it.
//!
//! **Architecture Invariant:** it decides nothing: outcomes are the ledger's, only `Unavailable` is
//! its own.

mod address;
mod call;
mod clock;
mod connect;
mod engine;
mod gather;
mod key;
mod link;
mod metrics;
mod tls;
mod traced;

pub use address::{AddressInvalid, LedgerAddress};
pub use engine::{RemoteEngine, RemoteOptions};
pub use key::LedgerKey;
pub use metrics::METRICS;
pub use tls::{Tls, TlsError};
