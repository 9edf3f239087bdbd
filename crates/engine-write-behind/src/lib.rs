//! Redis in front, PostgreSQL behind: a call is answered from Redis' memory and file, and persisted
//! in the database afterwards, in order. Any number of nodes share both.
//!
//! - One Redis Function applies a call atomically: ids, limits, totals, entries, a stream of what
//!   happened, and the ledger's own position. It is a second copy of the rules; the conformance suite
//!   holds it to the first, and the `BalanceWriter` applies every event once more with the rules
//!   themselves before the database's accounts show it.
//! - Every call carries the epoch of the last comparison of the stores, and the newest position that its
//!   node has seen. With another epoch, in an empty Redis, in one that was restarted and not compared
//!   with the database since, or has gone back to before that position, nothing is applied.
//! - Time is Redis' clock, later for each event than for the one before. A jump of it is not believed:
//!   each call carries the latest time that its node believes, and is not applied by a later one.
//! - What is persisted is the ledger of `engine-postgres`: its tables, its reads.
//!
//! | what | round trips |
//! |---|---|
//! | a call of any size | 1 to Redis |
//! | a call with an id that is older than an hour, or one in a thousand that looks so | 1 to the database and 1 to Redis more |
//! | a read | 1 to Redis; for entries that Redis has let go of 1 to the database |
//!
//! Deciding in the node, with the rules themselves, and having Redis only compare and apply was the
//! other way. Two busy nodes over five accounts would decide nearly every call anew.
//!
//! **Architecture Invariant:** Redis lets go only of what is persisted, and nothing is persisted but
//! in the order of the stream, each time together with the position.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod account;
mod address;
mod balances;
mod bytes;
mod call;
mod clock;
mod compare;
mod data_loss;
mod detach;
mod engine;
mod epoch;
mod error;
mod feed;
mod filter;
mod form;
mod front;
mod guard;
mod keeper;
mod layout;
mod library;
mod link;
mod metrics;
mod moment;
mod nodes;
mod options;
mod pace;
mod persist;
mod positions;
mod queue;
mod read;
mod rebuild;
mod record;
mod refusal;
mod repair;
mod settings;
#[cfg(test)]
mod simulation;
mod verify;

pub use address::{has_password, is_exposed, place};
pub use data_loss::Dropped;
pub use detach::{Detached, detach};
pub use engine::{Lag, Opened, WriteBehindEngine};
pub use error::WriteBehindOpenError;
pub use guard::Condition;
pub use metrics::METRICS;
pub use options::WriteBehindOptions;
pub use positions::{Persisted, persisted};
pub use repair::Origin;
pub use settings::RedisDurability;
pub use verify::{VerifiedStores, verify};
