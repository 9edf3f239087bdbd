//! Dispatch of accepted payments to external processors: never twice, the cheapest that works.
//!
//! [`Dispatcher`] decides, and only decides: it is told what happened and answers with what to do.
//! [`Dispatch`] is a dispatcher at work, over an engine and real processors.
//!
//! **Architecture Invariant:** the dispatcher's decisions are a pure state machine; network and
//! clock are handed in.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod answer;
mod decimal;
mod dispatcher;
mod driver;
mod metrics;
mod policy;
#[cfg(test)]
mod simulation;
mod template;

pub use answer::{AttemptAnswer, Definite, Found, NotRecorded, classify};
pub use decimal::{decimal_text, minor_units};
pub use dispatcher::{
    Conflict, ConflictKind, Dispatcher, Effect, Input, Now, ProcessorStanding, Question, Seen,
    SendRequest, Standing,
};
pub use driver::{
    Alone, Config, Dispatch, ProcessorAccess, ProcessorConfig, ProcessorTls, ProcessorUrl,
    TakesCallbacks, UrlInvalid, WithPayments, WithoutPayments,
};
pub use metrics::METRICS;
pub use policy::{PROCESSORS_MAX, Policy, ProcessorIndex, ProcessorPolicy};
pub use template::{Template, TemplateFile, TemplateInvalid, is_reserved};
