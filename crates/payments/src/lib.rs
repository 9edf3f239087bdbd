//! Dispatch of accepted payments to external processors: never twice, the cheapest that works.
//!
//! [`Dispatcher`] decides, and only decides: it is told what happened and answers with what to do.
//!
//! **Architecture Invariant:** the dispatcher's decisions are a pure state machine; network and
//! clock are handed in.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod answer;
mod dispatcher;
mod policy;
#[cfg(test)]
mod simulation;

pub use answer::{Answer, Definite, Found, HealthReport, NotRecorded, classify};
pub use dispatcher::{Dispatcher, Effect, Input, Now, ProcessorStanding, SendRequest, Standing};
pub use policy::{Policy, ProcessorPolicy};
