//! A thin HTTP/1.1 client.
//!
//! One request, one write; one answer, one read, in nearly every case. What comes is parsed by
//! `httparse`, and the answer is handed over where it lies in the connection's buffer. There is no
//! task, no channel and no header map between a scenario and the socket: that is why this is not
//! hyper's client (`examples/clients.rs` measures both).

mod answer;
mod client;
mod connection;
mod failure;

pub use answer::Answer;
pub use client::{Client, Connections};
pub(crate) use connection::Connection;
pub use failure::HttpFailure;
