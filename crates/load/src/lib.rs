//! Loads: scenarios that drive a server, judge every answer, score the run and report it.
//!
//! - [`rinha_2024`] is the 2024 challenge's official load with its score;
//! - [`rinha_2025`] is the 2025 challenge's, with its payment processors, checks and score;
//! - [`capacity`] finds the highest rate of the same mix that holds a latency bound;
//! - [`bank`] is the distributed bank's client, with an audit at the end;
//! - [`sustained`] is only a report: that of `lastro bench --sustain`.
//!
//! Loads are open: arrivals are planned in time and never wait for answers, and latency counts from
//! the planned arrival, so a slow server cannot hide its queue. Only the 2025 challenge's users wait for
//! an answer before they go on, since its own do. How late the generator itself was is measured and
//! reported beside.
//!
//! A generator is one thread. What a request costs it: one write, one read, one timer entry, one
//! task, the parsing of the answer and four histogram entries.
//!
//! **Architecture Invariant:** a load knows a server by its HTTP face only; it shares no code with
//! it, so that it cannot share its mistakes. It only ever goes to loopback addresses.

mod arrivals;
pub mod bank;
pub mod capacity;
mod figures;
mod http;
mod machine;
mod pacer;
mod progress;
mod recorder;
pub mod report;
pub mod rinha_2024;
pub mod rinha_2025;
mod score;
pub mod sustained;
mod target;
mod user;

pub use figures::{
    Bucket, FaultFigures, Figures, Generator, Latency, OutcomeCount, Part, Percentile,
};
pub use http::{Answer, Client, Connections, HttpFailure};
pub use score::{SLA, Score, ScoreFigures};
pub use target::Target;
