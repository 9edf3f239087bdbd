//! The rules over PostgreSQL: any number of nodes share one ledger.
//!
//! - A call is one database transaction: lock and read what its commands name, decide with the
//!   very rules of `ledger` over that snapshot, write what the events say, commit, answer.
//! - Outcomes are those of every other engine by construction: the rules exist once.
//! - An id is used once because its table's primary key says so; the later of two nodes is rolled
//!   back, tries again, and finds the first one's outcome.
//! - A look-up of what was not read is noticed, not guessed: the attempt does not count and is made
//!   anew with more.
//! - The time is the database's, later for each event of an account than for the one before.
//!
//! | what | round trips |
//! |---|---|
//! | a call of any size | 2: locks and reads; writes and the commit |
//! | a call that has to end a pending transfer whose other side it did not name | up to 3 more |
//! | a call whose accounts have a thousand or more pending transfers due | 2 more for each thousand |
//! | a read | 1 |
//! | a page of the feed | 1; at its end up to 3 more, shared by all who wait |
//!
//! What this gives up: the rules as one SQL function would take one round trip, and locks would be
//! held for that much shorter. Rules written twice would have to be kept the same for ever; calls
//! that carry all that arrived meanwhile pay the round trips once for many commands.
//!
//! Locks are taken in one order everywhere, so that nobody waits in a circle: payments by id,
//! limited accounts by id, then new ids as they are written, stripes of unlimited accounts last.
//!
//! **Architecture Invariant:** nothing is decided upon what is not locked, or immutable, or guarded
//! by a unique key.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod account_pages;
mod address;
mod apply;
mod behind;
mod call;
mod caller_keys;
mod certificates;
mod claims;
mod clock;
mod codec;
mod connect;
mod copying;
mod due;
mod durability;
mod engine;
mod error;
mod events;
mod expiry;
mod feed;
mod horizon;
mod import;
mod keys;
mod known;
mod lease;
mod limits;
mod listed;
mod lists;
mod load;
mod metrics;
mod migrate;
mod numbers;
mod open;
mod opened_for;
mod options;
mod pages;
mod past;
mod pipeline;
#[cfg(test)]
mod plans;
mod pool;
mod primary;
mod queue;
mod read;
mod rights;
mod rows;
mod settings;
mod snapshot;
mod standby;
mod sums;
mod tables;
mod tls;
mod verify;
mod watch;
mod webhooks;
mod write;

pub use caller_keys::CallerKeys;
pub use claims::PaymentClaims;
pub use clock::{JudgedClock, ReadClock, Uptime, newest_record, uptime};
pub use connect::Session;
pub use durability::Durability;
pub use engine::{PostgresEngine, begin, fill_lists, migrate};
pub use error::{ConnectError, Failure, PostgresOpenError};
pub use events::{Events, EventsError, each_account};
pub use import::{Import, ImportError};
pub use lease::Lease;
pub use metrics::METRICS;
pub use migrate::Migrated;
pub use options::{Beginning, PostgresOptions};
pub use pages::{LimitedAccount, every_account};
pub use pool::{connect_to_verify, has_password, hosts, is_encrypted, place};
pub use primary::Newest;
pub use queue::{Answered, Calls, Queue};
pub use tables::{Tables, write_balances, write_history};
pub use verify::{Finding, Progress, Verified, verify};
pub use webhooks::WebhookRows;
