//! What callers ask for, with the API's own names.
//!
//! Each struct has a `new` for what is always needed; the rest are fields that can be set:
//!
//! ```
//! use lastro_client::{AccountId, NewTransfer};
//!
//! # fn main() -> Result<(), lastro_client::AccountIdInvalid> {
//! let (from, to) = (AccountId::new("users:7")?, AccountId::new("shops:7")?);
//! let hold = NewTransfer { timeout_s: Some(3_600), ..NewTransfer::new(&from, &to, 800, "hotel") };
//! # assert_eq!(hold.id.get_version_num(), 7);
//! # Ok(())
//! # }
//! ```

mod account;
mod batch;
mod payment;
mod query;
mod transfer;

pub use account::{Change, NewAccount};
pub use batch::{Command, NewBatch};
pub use payment::{NewPayment, Resolve};
pub use query::{
    AccountsQuery, BalancesQuery, DeliveriesQuery, EventsQuery, LimitsQuery, PaymentsQuery,
    StatementQuery, TransfersQuery, UnsettledPaymentsQuery,
};
pub use transfer::{NewPost, NewReversal, NewSplit, NewSplitPost, NewTransfer, NewVoid, Split};

/// A new id: a UUID of version 7. Ids that grow with time cost the ledger least.
#[must_use]
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
