//! Every event of the ledger in a database, in one order: what a copy of it is made from.
//!
//! - All tables are read in one snapshot of the database, page by page, each row once.
//! - The events are sorted by time on the disk, so that memory stays the same however many there are.
//! - Nodes decide at the same time, so two events of different accounts may have the same time; then
//!   their bytes decide. The order is always the same for the same events.
//! - The events of an atomic batch stay together, right before the batch's own, although others may
//!   have times between theirs: an event comes after one that is later than itself by at most
//!   [`ledger::BATCH_COMMANDS_MAX`] nanoseconds, and never after a later one of the same account or payment.
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

mod bridge;
mod error;
mod group;
mod sort;
mod sources;

use std::collections::VecDeque;
use std::path::Path;

use ledger::{Account, AccountId, Event, Limit};
use tokio_postgres::{IsolationLevel, Transaction};

use crate::codec::{account_id, limited_account, stripe_columns, unlimited_account};
use crate::connect::Session;
use crate::migrate;
use crate::options::PostgresOptions;
use crate::pool::connect_to_verify;
use crate::verify::Progress;
use crate::verify::pages::Pages;
use bridge::Bridge;
use sort::{Item, Sorted};

pub use error::{EventsError, NotKept};

/// The events of a ledger, in order. See the [module](self).
pub struct Events {
    sorted: Sorted,
    /// Taken from `sorted` and not given yet.
    held: VecDeque<Item>,
    not_kept: NotKept,
    events_count: u64,
    /// Only where an earlier version has written to the database.
    bridge: Option<Bridge>,
    /// Taken from `bridge` and not given yet.
    bridged: VecDeque<Vec<Event>>,
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
        let sources::Read {
            sorter,
            not_kept,
            events_count,
            standings,
        } = reading.finish();
        Ok(Self {
            sorted: sorter.finish()?,
            held: VecDeque::new(),
            not_kept,
            events_count,
            bridge: standings.map(Bridge::to),
            bridged: VecDeque::new(),
        })
    }

    /// How many there are, without those that are made up.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.events_count
    }

    /// What an earlier version did not keep of them.
    #[must_use]
    pub fn not_kept(&self) -> NotKept {
        let made_up = self.bridge.as_ref().map_or(0, Bridge::made_up_count);
        NotKept {
            changes: self.not_kept.changes + made_up,
            ..self.not_kept
        }
    }

    /// The next event, or the next atomic batch: its members' events, then its own. `None` at the end.
    ///
    /// # Errors
    ///
    /// When the sorted file cannot be read, or a member of a batch is missing.
    pub fn next_together(&mut self) -> Result<Option<Vec<Event>>, EventsError> {
        let Some(bridge) = &mut self.bridge else {
            return group::next(&mut self.sorted, &mut self.held);
        };
        if let Some(bridged) = self.bridged.pop_front() {
            return Ok(Some(bridged));
        }
        match group::next(&mut self.sorted, &mut self.held)? {
            Some(together) => self.bridged = bridge.before(together)?,
            None => return Ok(bridge.at_the_end()),
        }
        Ok(self.bridged.pop_front())
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
