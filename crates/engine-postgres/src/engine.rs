//! The engine as callers hold it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId, DueQuery,
    Engine, EventPage, EventQuery, LedgerId, LimitChange, ListPage, ListedTransfer, Millis,
    Outcome, Payment, PaymentId, PaymentList, PendingEnd, ProcessorSummary, Resolution, Statement,
    StatementQuery, Timestamp, TransferId, TransferList, UsedPayment, UsedTransfer,
};
use tokio::task::JoinHandle;

use crate::call::Store;
use crate::claims::PaymentClaims;
use crate::durability::Durability;
use crate::error::PostgresOpenError;
use crate::expiry;
use crate::listed;
use crate::metrics::Metrics;
use crate::migrate::{self, Migrated};
use crate::opened_for::OpenedFor;
use crate::options::{Beginning, PostgresOptions};
use crate::pool::connect;
use crate::queue::{Answered, Calls, Queue};
use crate::watch;
use crate::webhooks::WebhookRows;

/// The rules over PostgreSQL. Any number of nodes may share one database.
///
/// Its futures need a tokio runtime with time and network. Dropping it lets the calls finish that
/// are queued.
pub struct PostgresEngine {
    store: Store,
    queue: Queue<Measured>,
    expiry: JoinHandle<()>,
    primary: JoinHandle<()>,
}

/// The store, as the metrics see it.
struct Measured {
    store: Store,
    metrics: Metrics,
}

impl Calls for Measured {
    const CALL_BYTES_MAX: usize = 4 << 20;
    const CALL_REQUESTS_MAX: usize = 1_024;

    async fn call(&self, batches: &[Batch], deadline: Instant) -> Answered {
        let began = Instant::now();
        self.metrics.pool(&self.store.pool);
        let answered = self.store.call(batches, deadline).await;
        let commands_count = batches.iter().map(|batch| batch.commands().len()).sum();
        self.metrics.call(commands_count, began.elapsed());
        answered
    }

    async fn call_together(&self, batches: &[Batch], deadline: Instant) -> Option<Answered> {
        let began = Instant::now();
        self.metrics.pool(&self.store.pool);
        let answered = self.store.call_together(batches, deadline).await?;
        let commands_count = batches.iter().map(|batch| batch.commands().len()).sum();
        self.metrics.call(commands_count, began.elapsed());
        Some(answered)
    }

    fn waiting(&self, bytes: usize) {
        self.metrics.queue_bytes(bytes);
    }
}

impl PostgresEngine {
    /// Connects to the database of this URL, migrates it where that is asked for, and starts.
    ///
    /// # Errors
    ///
    /// See [`PostgresOpenError`].
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let store = Store::open(url, options, OpenedFor::Engine).await?;
        let measured = Measured {
            store: store.clone(),
            metrics: Metrics::new(),
        };
        let (bytes_max, calls_max) = (options.queue_bytes_max, options.calls_max);
        let queue = Queue::start(Arc::new(measured), bytes_max, calls_max);
        let expiry = tokio::spawn(expiry::run(store.clone()));
        let primary = tokio::spawn(watch::watch(store.pool.clone()));
        Ok(Self {
            store,
            queue,
            expiry,
            primary,
        })
    }

    /// What an answer waits for, by the database's settings when they were last seen.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.store.durability.now()
    }

    /// Which ledger it is.
    #[must_use]
    pub const fn ledger_id(&self) -> LedgerId {
        self.store.ledger_id
    }

    /// The claims of a node that dispatches payments, under leases that last so long.
    #[must_use]
    pub fn claims(&self, lasts: Duration) -> PaymentClaims {
        PaymentClaims::new(self.store.clone(), lasts)
    }

    /// The endpoints of webhooks, for a node that others know by this name and whose claims last so long.
    #[must_use]
    pub fn webhooks(&self, node: String, lasts: Duration) -> WebhookRows {
        WebhookRows::new(self.store.clone(), node, lasts)
    }

    /// How far the database's clock is ahead of what was expected, in seconds, while it is not
    /// believed: then no writes are taken.
    #[must_use]
    pub fn clock_ahead_s(&self) -> Option<u64> {
        self.store.clock.ahead_s()
    }

    /// Whether commits wait for a synchronous standby that is away: then no writes are taken.
    #[must_use]
    pub fn is_standby_away(&self) -> bool {
        self.store.standby.is_away()
    }

    /// Whether the database answered when it was last asked, half a second ago or so.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.store.answers.load(Ordering::Relaxed)
    }
}

/// Brings the database of this URL to the newest migration. Nodes that do it at once wait for each
/// other.
///
/// # Errors
///
/// See [`PostgresOpenError`].
pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<Migrated, PostgresOpenError> {
    let mut client = connect(url, options).await?;
    migrate::run(&mut client, options.beginning).await
}

/// Puts into lists what nodes of a version before lists have written since the database was migrated: once all nodes were
/// renewed. What is listed already stays as it is, and nodes go on meanwhile.
///
/// # Errors
///
/// See [`PostgresOpenError`].
pub async fn fill_lists(url: &str, options: &PostgresOptions) -> Result<(), PostgresOpenError> {
    let mut client = connect(url, options).await?;
    migrate::check(&client).await?;
    listed::fill(client.client_mut()).await
}

/// Begins a ledger in the database of this URL, which has none, and returns its id.
///
/// # Errors
///
/// [`PostgresOpenError::HasLedger`] if there is one already; else see [`PostgresOpenError`]. Nothing was
/// changed then, unless whether it was committed is not known
/// ([`Failure::CommitUnknown`](crate::Failure::CommitUnknown)): asking again tells.
pub async fn begin(url: &str, options: &PostgresOptions) -> Result<LedgerId, PostgresOpenError> {
    let mut client = connect(url, options).await?;
    migrate::run(&mut client, Beginning::Required).await?;
    migrate::ledger_id(&**client).await
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        self.expiry.abort();
        self.primary.abort();
    }
}

impl Engine for PostgresEngine {
    fn submit(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(async move {
            self.store.raise_send_lease(&mut batches, deadline).await?;
            self.queue.submit(batches, deadline).await
        })
    }

    fn preview(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(async move {
            self.store.raise_send_lease(&mut batches, deadline).await?;
            self.store.preview(&batches, deadline).await
        })
    }

    fn account(&self, id: AccountId, deadline: Instant) -> Answer<'_, Option<Account>> {
        Box::pin(self.store.account(id, deadline))
    }

    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>> {
        Box::pin(self.store.statement(query, deadline))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        Box::pin(self.store.balance_at(id, at, deadline))
    }

    fn safe_time(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        Box::pin(self.store.safe_time(deadline))
    }

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        Box::pin(self.store.transfer(id, deadline))
    }

    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>> {
        Box::pin(self.store.pending_end(id, deadline))
    }

    fn payment(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Option<UsedPayment>> {
        Box::pin(self.store.payment(id, deadline))
    }

    fn resolutions(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Vec<Resolution>> {
        Box::pin(self.store.resolutions(id, deadline))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        Box::pin(self.store.payments_summary(from, to, deadline))
    }

    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(self.store.payments_due(query, deadline))
    }

    fn newest_payment_accepted_at(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        Box::pin(self.store.newest_payment_accepted_at(deadline))
    }

    fn accounts(&self, query: AccountsQuery, deadline: Instant) -> Answer<'_, AccountsPage> {
        Box::pin(self.store.accounts(query, deadline))
    }

    fn batch(&self, id: BatchId, deadline: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        Box::pin(async move {
            let used = self.store.batch(id, deadline).await?;
            Ok(used.map(|used| used.outcomes))
        })
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        Box::pin(self.store.transfers(list, page, deadline))
    }

    fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<Payment>> {
        Box::pin(self.store.payments(list, page, deadline))
    }

    fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<LimitChange>> {
        Box::pin(self.store.limits(id, page, deadline))
    }

    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>> {
        Box::pin(self.store.events(query, deadline))
    }
}
