//! Traces: which requests are traced, and the spans that they leave.
//!
//! | step | who | what it costs |
//! |---|---|---|
//! | a request begins at a face | [`Spans::begin`] | one comparison while traces are off; one random number while they are on |
//! | it is worked for | [`within`], [`places`] | nothing, unless it is traced |
//! | a part of its work ends | [`Spans::end`] | for a traced request: a span in a bounded queue, which nobody waits for |
//! | spans leave the process | who called [`start`] | takes them from the queue, at its own pace |
//!
//! A caller that sends a `traceparent` (W3C Trace Context) decides whether its request is traced. Of the
//! other requests a share is, the [`Ratio`]. Spans that find the queue full are dropped and counted: a
//! request never waits for the place that its spans go to.
//!
//! **Architecture Invariant:** it knows neither HTTP nor the protocol in which spans are sent, and starts
//! no thread.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod context;
mod metrics;
mod places;
mod queue;
mod ratio;
mod span;
mod spans;
#[cfg(test)]
mod tests;

pub use context::{Parent, SpanContext};
pub use metrics::{DropReason, METRICS, count_dropped, count_exported};
pub use places::{Place, Places, places, within};
pub use queue::{SPANS_WAITING_MAX, Waiting, is_on, start};
pub use ratio::{Ratio, RatioInvalid};
pub use span::{Finished, SpanKind, Value};
pub use spans::{CONTEXTS_MAX, Headers, Incoming, Spans};
