//! A payment processor to test against: the 2025 challenge's API, in memory.
//!
//! It behaves as the challenge's own processors do, where that hurts too: it waits its delay, *then*
//! looks at its failure switch, then records; it records although the caller has left; it refuses an
//! id that it has; it takes so many payments at once and no more; its health may be asked once in
//! five seconds. [`Faults`] come on top, to order: what a processor in trouble does to its callers.
//!
//! [`Processor`] is the behaviour, usable in process. [`Host`] serves it over HTTP, [`Running`] does
//! so in a thread of its own.
//!
//! **Architecture Invariant:** it shares no code with the server that it tests, and nothing of it
//! outlives the process.

mod api;
mod book;
mod decimal;
mod faults;
mod host;
mod payment;
mod processor;
mod room;
mod running;
mod windows;

pub use decimal::{Decimal, DecimalError};
pub use faults::{Faults, FaultyAnswer};
pub use host::Host;
pub use payment::Payment;
pub use processor::{Health, Processor, ProcessorSettings, Reply, Summary};
pub use running::Running;
