//! The calls, by subject.

mod accounts;
mod batches;
mod events;
mod payments;
mod statements;
mod transfers;
mod webhooks;
