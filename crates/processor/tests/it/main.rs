//! Every behaviour of the processor: in process with time that is paused, and over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod behaviour;
mod faults;
mod http;
mod support;
