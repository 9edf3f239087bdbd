//! The rules of a ledger.
//!
//! [`decide`] turns a state and a [`Command`] into an [`Event`]; [`evolve`] brings a state to what
//! an event says; replaying the events gives the same state, bit for bit. Everything above depends
//! on the [`Engine`] port.
//!
//! **Architecture Invariant:** no I/O, no clock, no randomness, no thread, no HTTP. Time and ids
//! are handed in.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod account;
mod account_list;
mod apply;
mod batch;
mod by;
mod claims;
mod clock_guard;
mod command;
mod command_kind;
mod currency;
mod decide;
mod engine;
mod event;
mod expiries;
mod feed;
mod first_command;
mod id;
mod ledger_id;
mod lists;
mod memory;
mod money;
mod notes;
mod outcome;
mod payer;
mod payment;
mod preview;
#[cfg(feature = "testing")]
pub mod reference;
mod resolution;
mod state;
mod text;
mod time;
mod totals;
mod transfer;
mod unsettled;

pub use account::{Account, Frozen, Movement, Side};
pub use account_list::{
    ACCOUNTS_EXAMINED_MAX, ACCOUNTS_PAGE_MAX, AccountsPage, AccountsPageFilling, AccountsQuery,
};
pub use apply::{RecordingState, apply, expire};
pub use batch::{
    AtomicDecision, BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, Batch, BatchInvalid, decide_atomic,
};
pub use by::By;
pub use claims::{Claims, ClaimsLease, HealthReport, HealthTurn};
pub use clock_guard::{ClockBounds, ClockGuard, ClockJumped, TIME_MAX};
pub use command::{AcceptPayment, Command, Field, MoveMoney, OpenAccount, ReverseTransfer};
pub use command_kind::{CommandKind, UsedId};
pub use currency::{Currency, InvalidCurrency, Listing, NotCurrent};
pub use decide::{Decision, check_content, check_form, decide};
pub use engine::{
    Answer, BalanceAt, BoxFuture, DueQuery, Engine, ProcessorSummary, STATEMENT_PAGE_MAX,
    Statement, StatementQuery, Unavailable,
};
pub use event::{BatchDecided, Digest, Event, MemberFailure};
pub use expiries::{DueFor, DueWalk, Expiries, TimedPending};
pub use feed::{EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, PlacedEvent};
pub use id::{
    ACCOUNT_ID_LENGTH_MAX, AccountId, BatchId, InvalidId, PROCESSOR_NAME_LENGTH_MAX, PaymentId,
    ProcessorName, TransferId,
};
pub use ledger_id::{LedgerId, LedgerIdInvalid};
pub use lists::{
    LIST_PAGE_MAX, LimitChange, ListName, ListOrder, ListPage, ListPlace, ListedTransfer,
    PaymentList, TransferList,
};
pub use memory::Memory;
pub use money::{AMOUNT_MAX, Limit, TOTAL_MAX};
pub use notes::{
    InvalidMetadata, InvalidReference, METADATA_BYTES_MAX, Metadata, Notes, REFERENCE_LENGTH_MAX,
    Reference,
};
pub use outcome::{NotReversible, Outcome, Record, Refusal};
pub use payment::{
    DuePlace, Payment, PaymentExpected, PaymentState, PaymentStateName, RefusedCode,
};
pub use preview::preview;
pub use resolution::{
    PaymentResolved, RESOLUTIONS_READ_MAX, Resolution, ResolutionKind, ResolvePayment,
};
pub use state::{State, StateMut, UsedBatch, UsedPayment, UsedTransfer, evolve};
pub use text::{DESCRIPTION_LENGTH_MAX, InvalidNote, Note, is_description, is_kept_description};
pub use time::{Clock, Millis, Ticker, Timestamp};
pub use totals::Totals;
pub use transfer::{After, Entry, PendingEnd, PendingState, Standing, Transfer, TransferKind};
pub use unsettled::{
    Dispatching, LAST_ANSWER_CHARS_MAX, LastAnswer, UNSETTLED_PAGE_MAX, Unsettled, UnsettledPlace,
    UnsettledQuery, UnsettledState,
};
