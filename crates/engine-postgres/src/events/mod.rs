//! Every event of the ledger in a database, in one order: what a copy is compared by.
//!
//! - All tables are read in one snapshot of the database, page by page, each row once.
//! - The events are sorted by time on the disk, so that memory stays the same however many there are.
//! - It is for a ledger that one engine decided, whose times strictly increase from event to event: a copy of
//!   one from a data folder. Of nodes that decided beside each other, times alone do not say the order.
//!
//! | event | where it is kept |
//! |---|---|
//! | a transfer, a settlement, a refusal under a transfer's id | `transfers`, whole |
//! | the expiry of a pending transfer | `transfers`: its pending transfer, and when |
//! | an account's opening | `accounts` |
//! | a change of a limit, a closing | `account_changes`, whole |
//! | a payment's acceptance | `payments` |
//! | other changes of payments, refused acceptances | `payment_changes`, whole |
//! | a resolution that settled | `transfers` and `resolutions` |
//! | a purge | `purges`; how many payments it ended is counted in `payments` |
//! | an atomic batch | `batches` |

mod error;
mod sort;
mod sources;

use std::io;
use std::path::Path;

use ledger::{Account, AccountId, Event, Limit};
use tokio_postgres::{IsolationLevel, Transaction};

use crate::codec::{account_id, decode_event, limited_account, stripe_columns, unlimited_account};
use crate::connect::Session;
use crate::migrate;
use crate::options::PostgresOptions;
use crate::pool::connect_to_verify;
use crate::verify::Progress;
use crate::verify::pages::Pages;
use sort::Sorted;

pub use error::EventsError;

/// The events of a ledger that one engine decided, in the order of their times, which strictly increase.
pub struct Events {
    sorted: Sorted,
    count: u64,
}

impl Events {
    /// Reads and sorts them. The sorting takes about as much room in `folder` as the events have
    /// bytes; it is free again when this is dropped, also by a kill.
    ///
    /// # Errors
    ///
    /// See [`EventsError`].
    pub async fn read(
        url: &str,
        options: &PostgresOptions,
        folder: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Self, EventsError> {
        let mut client = connect_to_verify(url, options).await?;
        migrate::check(&client).await?;
        let transaction = snapshot(&mut client).await?;
        let mut reading = sources::Reading::new(transaction, folder, progress)?;
        reading.all().await?;
        let (sorter, count) = reading.finish();
        let sorted = sorter.finish()?;
        Ok(Self { sorted, count })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the sorted file cannot be read.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventsError> {
        let Some(item) = self.sorted.next()? else {
            return Ok(None);
        };
        let event = decode_event(&item.bytes)
            .map_err(|_| io::Error::other("the file does not give back what was written"))?;
        Ok(Some(event))
    }
}

const LIMITED: &str = "SELECT * FROM lastro.accounts";

const UNLIMITED: &str = concat!(
    "SELECT ",
    stripe_columns!(),
    " FROM lastro.stripes ORDER BY account_id, stripe"
);

/// Hands every account of the ledger to `take`, as they were at one moment. Memory does not grow with them.
///
/// # Errors
///
/// See [`EventsError`].
pub async fn each_account(
    url: &str,
    options: &PostgresOptions,
    take: &mut (dyn FnMut(AccountId, Account) + Send),
) -> Result<(), EventsError> {
    let mut client = connect_to_verify(url, options).await?;
    let transaction = snapshot(&mut client).await?;
    let damaged = |_| EventsError::Damaged {
        row: "an account".to_owned(),
    };
    let mut unseen = |_| {};
    let mut pages = Pages::open(&transaction, "accounts", LIMITED).await?;
    loop {
        let rows = pages.next(&transaction, &mut unseen).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let id = account_id(row, "account_id").map_err(damaged)?;
            take(id, limited_account(row).map_err(damaged)?);
        }
    }
    // There are few of these: a currency has one, and one for each processor.
    let rows = transaction.query(UNLIMITED, &[]).await?;
    for stripes in rows.chunk_by(|one, other| {
        let [one, other] = [one, other].map(|row| row.try_get::<_, &str>("account_id").ok());
        one == other
    }) {
        let account = unlimited_account(stripes).map_err(damaged)?;
        if let (Some(first), Some(account)) = (stripes.first(), account) {
            stdx::invariant!(account.limit == Limit::Unlimited, "only these have stripes");
            take(account_id(first, "account_id").map_err(damaged)?, account);
        }
    }
    Ok(())
}

/// Everything is read as it was when this began.
async fn snapshot(client: &mut Session) -> Result<Transaction<'_>, tokio_postgres::Error> {
    client
        .client_mut()
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
}
