#![doc = include_str!("../README.md")]

mod account_id;
mod call;
mod client;
mod code;
mod error;
mod follow;
mod methods;
mod options;
mod problem;
mod records;
mod requests;
mod retry;
mod walk;
mod whole_statement;
mod words;
mod writes;

pub use account_id::{AccountId, AccountIdInvalid};
pub use client::{Answered, Client};
pub use code::Code;
pub use error::{BatchRefused, Error, OutcomeUnknown, Unavailable};
pub use follow::Follow;
pub use options::{ClientKey, ClientOptions, OptionsInvalid};
pub use problem::Problem;
pub use records::{
    Account, AccountBalance, AccountsPage, After, Balance, BalanceWhen, BalancesPage, Batch,
    BatchDecided, CurrencyTotal, Delivery, DeliveryTry, Dispatch, EndpointRecord, Entry, Event,
    EventsPage, LimitChange, LimitsPage, Metadata, Outcome, PaymentRecord, PaymentsPage,
    ProcessorAnswer, QueuedTransfer, RefusedCommand, Resolution, StatementPage, StatementWindow,
    Transfer, TransfersPage, UnsettledPayment, UnsettledPaymentsPage,
};
pub use requests::{
    AccountsQuery, BalancesQuery, Change, Command, DeliveriesQuery, EventsQuery, LimitsQuery,
    NewAccount, NewBatch, NewPayment, NewPost, NewReversal, NewSplit, NewSplitPost, NewTransfer,
    NewVoid, PaymentsQuery, Resolve, Split, StatementQuery, TransfersQuery, UnsettledPaymentsQuery,
    new_id,
};
pub use retry::Retry;
pub use walk::Walk;
pub use whole_statement::WholeStatement;
pub use words::{
    DeliveryState, EndpointState, Frozen, ListOrder, PaymentState, PendingState, QueuedState,
    ResolutionKind, TransferKind,
};
pub use writes::Write;
