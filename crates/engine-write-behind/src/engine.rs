//! The engine as callers hold it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_postgres::{Queue, Tables, WebhookRows};
use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId, Command,
    DueQuery, Engine, EventPage, EventQuery, LedgerId, LimitChange, ListPage, ListedTransfer,
    Millis, Outcome, Payment, PaymentId, PaymentList, PendingEnd, ProcessorSummary, Resolution,
    Statement, StatementQuery, Timestamp, TransferId, TransferList, Unavailable, UsedPayment,
    UsedTransfer,
};
use stdx::invariant;
use tokio::task::JoinHandle;

use crate::data_loss::Dropped;
use crate::error::{Trouble, WriteBehindOpenError};
use crate::front::Front;
use crate::guard::Condition;
use crate::link::{Function, Link};
use crate::options::WriteBehindOptions;
use crate::repair::{Origin, repair};
use crate::settings::RedisDurability;
use crate::{address, balances, clock, keeper, persist};

/// What was found when the engine was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Which ledger it is: the database says so.
    pub ledger_id: LedgerId,
    /// The durability in force.
    pub durability: RedisDurability,
    /// What the database promises of all that Redis lets go of.
    pub database: engine_postgres::Durability,
    /// Where Redis' state comes from.
    pub origin: Origin,
    /// Up to here everything is persisted.
    pub persisted: u64,
    /// The ledger's position.
    pub position: u64,
    /// What this Redis alone had, and lost: another one took over meanwhile without it.
    pub dropped: Option<Dropped>,
}

/// How far the database is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many entries are not persisted.
    pub entries: u64,
    /// How old the oldest of them is.
    pub age: Duration,
}

/// Redis in front, PostgreSQL behind. Any number of nodes may share both.
///
/// Its futures need a tokio runtime with time and network. Dropping it lets the calls finish that
/// are queued; what is not persisted stays in Redis.
pub struct WriteBehindEngine {
    front: Arc<Front>,
    queue: Queue<Front>,
    tasks: Vec<JoinHandle<()>>,
}

impl WriteBehindEngine {
    /// Connects to both, compares them, rebuilds Redis where it is empty, and starts.
    ///
    /// # Errors
    ///
    /// See [`WriteBehindOpenError`].
    pub async fn open(
        redis_url: &str,
        database_url: &str,
        options: WriteBehindOptions,
    ) -> Result<(Self, Opened), WriteBehindOpenError> {
        stdx::describe_metrics!(crate::metrics::METRICS);
        let link = Link::new(redis_url, options.redis_authority.as_deref())?;
        let tables = Tables::open(database_url, &options.database).await?;
        let address = address::place(redis_url)?;
        let front = Arc::new(Front::new(link, address, tables, options));
        let settings = front.look_at_settings().await?;
        let agreed = repair(&front).await?;
        let opened = Opened {
            ledger_id: front.tables.ledger_id(),
            durability: settings.durability,
            database: front.tables.durability(),
            origin: match agreed.rebuilt {
                None => Origin::Kept,
                Some(_) => Origin::Rebuilt,
            },
            persisted: agreed.persisted,
            position: agreed.position,
            dropped: agreed.dropped,
        };
        let clock = clock::open(&front).await?;
        let condition = match clock.ahead_s() {
            None => Condition::Ready,
            Some(_) => Condition::of(&Trouble::ClockJumped(Timestamp::default())),
        };
        let clock = front.clock.set(clock);
        invariant!(clock.is_ok(), "only this function opens it");
        front.begin(agreed);
        front.guard.note(condition, true);
        let (bytes_max, calls_max) = (front.options.queue_bytes_max, front.options.calls_max);
        let queue = Queue::start(Arc::clone(&front), bytes_max, calls_max);
        let tasks = vec![
            tokio::spawn(keeper::run(Arc::downgrade(&front))),
            tokio::spawn(persist::run(Arc::clone(&front))),
            tokio::spawn(balances::run(front.tables.clone())),
        ];
        let engine = Self {
            front,
            queue,
            tasks,
        };
        Ok((engine, opened))
    }

    /// Whether writes were taken when it was last tried, a fraction of a second ago.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.front.guard.condition() {
            Condition::Ready if self.front.era_now().is_none() => Condition::refuses(
                Unavailable::LedgerUnavailable,
                "Redis is being compared with the database",
            ),
            condition => condition,
        }
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.condition() == Condition::Ready
    }

    /// The endpoints of webhooks in the database, for a node that others know by this name and whose claims last so
    /// long.
    #[must_use]
    pub fn webhooks(&self, node: String, lasts: Duration) -> WebhookRows {
        self.front.tables.webhooks(node, lasts)
    }

    /// How far Redis' clock is ahead of what was expected, in seconds, while it is not believed.
    #[must_use]
    pub fn clock_ahead_s(&self) -> Option<u64> {
        self.front.clock().ahead_s()
    }

    /// How far the database was behind when it was last looked.
    #[must_use]
    pub fn lag(&self) -> Lag {
        Lag {
            entries: self.front.seen.lag(),
            age: Duration::from_micros(self.front.seen.lag_us.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for WriteBehindEngine {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Whether this engine has all that the batch asks for. No payments and no reversals: Redis keeps a transfer for
/// an hour, and what is reversed may be older. No posts of parts: what Redis keeps of a pending transfer has no
/// place for how much of it is left. No freezes: its functions do not look at them. No reasons for what is changed about an
/// account: there is no place for them either; who decided is only in the log.
fn is_supported(batch: &Batch) -> bool {
    batch.commands().iter().all(|command| match command {
        Command::ChangeLimit { by, .. } | Command::CloseAccount { by, .. } => {
            by.as_ref().is_none_or(|by| by.why.is_none())
        }
        Command::OpenAccount(_)
        | Command::Transfer(_)
        | Command::Pend { .. }
        | Command::Post { .. }
        | Command::Void { .. }
        | Command::Expire { .. } => true,
        Command::AcceptPayment(_)
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::PurgePayments { .. }
        | Command::ResolvePayment(_)
        | Command::Reverse(_)
        | Command::PostPart { .. }
        | Command::ChangeFreeze { .. } => false,
    })
}

impl Engine for WriteBehindEngine {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        if !batches.iter().all(is_supported) {
            return Box::pin(async { Err(Unavailable::NotSupported) });
        }
        Box::pin(async move {
            self.front.check_lag()?;
            self.queue.submit(batches, deadline).await
        })
    }

    fn preview(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        if !batches.iter().all(is_supported) {
            return Box::pin(async { Err(Unavailable::NotSupported) });
        }
        Box::pin(async move { self.front.call(Function::Preview, &batches, deadline).await })
    }

    fn account(&self, id: AccountId, deadline: Instant) -> Answer<'_, Option<Account>> {
        Box::pin(async move { self.front.account(&id, deadline).await })
    }

    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>> {
        Box::pin(self.front.statement(query, deadline))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        Box::pin(async move { self.front.balance_at(&id, at, deadline).await })
    }

    /// What Redis has decided and what the database has are two moments.
    fn safe_time(&self, _: Instant) -> Answer<'_, Timestamp> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        Box::pin(self.front.transfer(id, deadline))
    }

    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>> {
        Box::pin(self.front.pending_end(id, deadline))
    }

    /// There are no payments over this engine.
    fn payment(&self, _: PaymentId, _: Instant) -> Answer<'_, Option<UsedPayment>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Likewise.
    fn resolutions(&self, _: PaymentId, _: Instant) -> Answer<'_, Vec<Resolution>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Likewise.
    fn payments_summary(
        &self,
        _: Option<Millis>,
        _: Option<Millis>,
        _: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Likewise.
    fn payments_due(&self, _: DueQuery, _: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Likewise.
    fn newest_payment_accepted_at(&self, _: Instant) -> Answer<'_, Timestamp> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Redis keeps accounts by id and in no order, and the database, which has them in order, is behind it:
    /// a list from there would leave out accounts whose openings were answered.
    fn accounts(&self, _: AccountsQuery, _: Instant) -> Answer<'_, AccountsPage> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Redis finds a batch's outcomes only beside the commands that it is compared with: who has them asks
    /// again with the same id.
    fn batch(&self, _: BatchId, _: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Redis keeps the last entries of an account and nothing by reference, and the database is behind it, as for
    /// accounts.
    fn transfers(
        &self,
        _: TransferList,
        _: ListPage,
        _: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    fn payments(&self, _: PaymentList, _: ListPage, _: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    /// Redis keeps an account as it is, and the database is behind it.
    fn limits(&self, _: AccountId, _: ListPage, _: Instant) -> Answer<'_, Vec<LimitChange>> {
        Box::pin(async { Err(Unavailable::NotSupported) })
    }

    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>> {
        Box::pin(self.front.events(query, deadline))
    }
}
