//! What the server answers, with the API's own names.
//!
//! Amounts are integers in the currency's minor unit: 5000 is 50.00 BRL. Times are RFC 3339 texts with nanoseconds, as
//! the server wrote them. Members that a newer server adds are left out.

mod account;
mod batch;
mod event;
mod payment;
mod statement;
mod transfer;
mod webhook;

pub use account::{
    Account, AccountBalance, AccountsPage, Balance, BalanceWhen, BalancesPage, CurrencyTotal,
    LimitChange, LimitsPage,
};
pub use batch::{Batch, Outcome};
pub use event::{BatchDecided, Event, EventsPage, RefusedCommand};
pub use payment::{
    Dispatch, PaymentRecord, PaymentsPage, ProcessorAnswer, Resolution, UnsettledPayment,
    UnsettledPaymentsPage,
};
pub use statement::{Entry, StatementPage, StatementWindow};
pub use transfer::{After, QueuedTransfer, Transfer, TransfersPage};
pub use webhook::{Delivery, DeliveryTry, EndpointRecord};

/// The caller's own texts by name.
pub type Metadata = std::collections::BTreeMap<String, String>;
