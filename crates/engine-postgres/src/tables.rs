//! The same tables, written later by somebody in front of them.
//!
//! What came first elsewhere is persisted here in two steps, each in a transaction of the caller's:
//! what happened (ids, entries, pending transfers, batches), and what it made of the accounts. Both
//! have to be given every event once and in order; who writes keeps a position beside.

use std::time::{Duration, Instant};

use ledger::{
    AccountId, BalanceAt, BatchId, Entry, Event, EventPage, EventQuery, LedgerId, PendingEnd,
    StateMut, Timestamp, Transfer, TransferId, Unavailable, UsedBatch, UsedTransfer, evolve,
};

use crate::call::Store;
use crate::codec::account_columns;
use crate::durability::Durability;
use crate::error::{Failure, PostgresOpenError};
use crate::lease::Lease;
use crate::opened_for::OpenedFor;
use crate::options::PostgresOptions;
use crate::rows::Rows;
use crate::snapshot::Snapshot;
use crate::webhooks::WebhookRows;
use crate::write::write;

const LIMITED: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM lastro.accounts account WHERE account_id = ANY ($1)"
);
const UNLIMITED: &str = "
    SELECT account_id, currency, opened_at FROM lastro.stripes
    WHERE account_id = ANY ($1) AND stripe = 0";

/// The ledger's tables, without an engine that decides upon them: nothing changes by itself.
#[derive(Clone)]
pub struct Tables(Store);

impl Tables {
    /// Connects to the database of this URL, and migrates it where that is asked for.
    ///
    /// # Errors
    ///
    /// See [`PostgresOpenError`].
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        Ok(Self(Store::open(url, options, OpenedFor::Behind).await?))
    }

    /// What a commit waits for, by the database's settings when it was connected to.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.0.durability.now()
    }

    /// Which ledger it is.
    #[must_use]
    pub const fn ledger_id(&self) -> LedgerId {
        self.0.ledger_id
    }

    /// The endpoints of webhooks, for a node that others know by this name and whose claims last so long.
    #[must_use]
    pub fn webhooks(&self, node: String, lasts: Duration) -> WebhookRows {
        WebhookRows::new(self.0.clone(), node, lasts)
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.0
    }

    /// A connection of one's own. It is closed, not reused, unless it is given back by
    /// [`Lease::done`].
    ///
    /// # Errors
    ///
    /// When there is none by the deadline.
    pub async fn lease(&self, deadline: Instant) -> Result<Lease, Failure> {
        Lease::take(&self.0.pool, deadline).await
    }

    /// How a transfer's id was used, as far as that is persisted.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn transfer(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<UsedTransfer>, Unavailable> {
        self.0.transfer(id, deadline).await
    }

    /// How a pending transfer ended, as far as that is persisted.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn pending_end(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<PendingEnd>, Unavailable> {
        self.0.pending_end(id, deadline).await
    }

    /// How an atomic batch's id was used, as far as that is persisted.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn batch(
        &self,
        id: BatchId,
        deadline: Instant,
    ) -> Result<Option<UsedBatch>, Unavailable> {
        self.0.batch(id, deadline).await
    }

    /// A page of the feed, as far as that is persisted; see [`Engine::events`](ledger::Engine::events).
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn events(
        &self,
        query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        self.0.events(query, deadline).await
    }

    /// Entries with numbers below `before`, newest first, whatever the account's totals are by now.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn entries(
        &self,
        account_id: &AccountId,
        before: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Entry>, Unavailable> {
        self.0.entries(account_id, before, limit, deadline).await
    }

    /// The balance after the newest entry at `at` or before; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn entry_at(
        &self,
        account_id: &AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, Unavailable> {
        self.0.entry_at(account_id, at, deadline).await
    }
}

/// Persists what happened, in the transaction that the connection is in.
///
/// # Errors
///
/// When the database refuses it or does not answer.
pub async fn write_history(
    lease: &Lease,
    events: &[Event],
    batches: Vec<(BatchId, UsedBatch)>,
) -> Result<(), Failure> {
    let mut snapshot = Snapshot::default();
    for event in events {
        snapshot.remember(event);
    }
    for (id, used) in batches {
        snapshot.remember_batch(id, used);
    }
    write(lease, &Rows::of(&mut snapshot), 0).await
}

/// Brings the accounts to what happened, in the transaction that the connection is in. The rules
/// themselves apply the events, and what the events say of the accounts has to be what comes out.
///
/// # Errors
///
/// When the database refuses it or does not answer, or when the events do not follow from what is
/// there.
pub async fn write_balances(lease: &Lease, events: &[Event]) -> Result<(), Failure> {
    let mut snapshot = Snapshot::default();
    for event in events {
        name_accounts(&mut snapshot, event);
    }
    load_accounts(lease, &mut snapshot).await?;
    for event in events {
        if let Some(id) = missing(&snapshot, event) {
            tracing::error!(account = %id, "an event names an account that is not open");
            return Err(Failure::Damaged("an event"));
        }
        evolve(&mut snapshot, event);
        if let Some(transfer) = event.transfer() {
            check(&snapshot, transfer)?;
        }
        snapshot.newest = snapshot.newest.max(event.timestamp());
    }
    write(lease, &Rows::of_accounts(&snapshot), 0).await
}

pub(crate) fn name_accounts(snapshot: &mut Snapshot, event: &Event) {
    for (id, _) in event.system_accounts() {
        snapshot.keys.account(&id);
    }
    if let Event::AccountOpened { id, .. } = event {
        snapshot.keys.account(id);
    }
    for id in event.accounts_needed() {
        snapshot.keys.account(id);
    }
}

pub(crate) async fn load_accounts(lease: &Lease, snapshot: &mut Snapshot) -> Result<(), Failure> {
    let texts = |ids: &std::collections::BTreeSet<AccountId>| -> Vec<String> {
        ids.iter().map(|id| id.as_str().to_owned()).collect()
    };
    let client = lease.client();
    let limited = client.prepare_cached(LIMITED).await?;
    let ids = texts(&snapshot.keys.limited);
    let limited = client.query(&limited, &[&ids]).await?;
    let unlimited = client.prepare_cached(UNLIMITED).await?;
    let ids = texts(&snapshot.keys.unlimited);
    let unlimited = client.query(&unlimited, &[&ids]).await?;
    snapshot.take_accounts(&limited, &unlimited)
}

/// An account that an event needs open and that is not.
pub(crate) fn missing<'a>(snapshot: &Snapshot, event: &'a Event) -> Option<&'a AccountId> {
    let is_missing = |id: &&AccountId| !snapshot.accounts.contains_key(*id);
    event.accounts_needed().into_iter().find(is_missing)
}

/// Whether the accounts are what the transfer says that they are after it.
pub(crate) fn check(snapshot: &Snapshot, transfer: &Transfer) -> Result<(), Failure> {
    for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
        // Only a limited account that the transfer makes an entry of has figures in it.
        let Some(after) = transfer.after(id) else {
            continue;
        };
        let account = snapshot.accounts.get(id);
        let account = account.ok_or(Failure::Damaged("an event"))?;
        if (account.entry_count, account.balance()) != (after.entry_number, after.balance) {
            tracing::error!(
                account = %id, transfer = %transfer.id, said = ?after, is = ?account,
                "an event says something else of its account than the account itself"
            );
            return Err(Failure::Damaged("an event"));
        }
    }
    Ok(())
}
