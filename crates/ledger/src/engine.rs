//! The port that everything above depends on: one write entrance and a few reads.

use std::fmt;
use std::pin::Pin;
use std::time::Instant;

use crate::account::Account;
use crate::account_list::{AccountsPage, AccountsQuery};
use crate::batch::Batch;
use crate::feed::{EventPage, EventQuery};
use crate::id::{AccountId, BatchId, PaymentId, ProcessorName, TransferId};
use crate::lists::{LimitChange, ListPage, ListedTransfer, PaymentList, TransferList};
use crate::outcome::Outcome;
use crate::payment::{DuePlace, Payment};
use crate::resolution::Resolution;
use crate::state::{UsedPayment, UsedTransfer};
use crate::time::{Millis, Timestamp};
use crate::transfer::{Entry, PendingEnd};

/// The most entries a page of a statement may have.
pub const STATEMENT_PAGE_MAX: usize = 1_000;

/// A boxed future, so that engines can be held as `dyn Engine`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What every call of the port answers with.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unavailable>>;

/// A ledger, wherever it is kept.
///
/// # Guarantees
///
/// - An answered outcome survives what the engine's durability promises, and every later read on
///   every node shows it.
/// - Batches of one call are applied in order, and the same commands have the same outcomes on
///   every engine.
/// - No call outlives its deadline by much: then it is `Unavailable`.
pub trait Engine: Send + Sync + 'static {
    /// Applies batches in order and answers with each command's outcome, in the same shape.
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>>;

    /// What the batches would be answered if they were submitted now: nothing is done, and no id is used.
    fn preview(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>>;

    /// The account as it is; `None` when there is none.
    fn account(&self, id: AccountId, deadline: Instant) -> Answer<'_, Option<Account>>;

    /// A page of an account's statement together with the account, from one instant; `None` when
    /// there is no such account. Unlimited accounts keep no statement: their pages are empty.
    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>>;

    /// An account's balance right after `at`, 0 before its first entry; `None` when there is no such account. That
    /// of an unlimited account is what it is now less what every transfer since has changed: it takes time with their
    /// number, and is a `Timeout` where they are too many; over Redis it is not supported.
    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>>;

    /// The newest time all of whose events can be read: none is decided any more with this time or an earlier one. So
    /// what several reads say of a moment up to it belongs together. Not supported over Redis.
    fn safe_time(&self, deadline: Instant) -> Answer<'_, Timestamp>;

    /// How a transfer's id was used.
    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>>;

    /// How a pending transfer ended; `None` where no pending transfer has this id, or it has not
    /// ended, or it expired before its ledger kept when. An end never changes.
    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>>;

    /// How a payment's id was used.
    fn payment(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Option<UsedPayment>>;

    /// What operators decided of a payment, newest first, at most [`RESOLUTIONS_READ_MAX`];
    /// none where there is no such payment.
    ///
    /// [`RESOLUTIONS_READ_MAX`]: crate::RESOLUTIONS_READ_MAX
    fn resolutions(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Vec<Resolution>>;

    /// Settled payments per processor, those accepted since the last purge, by their
    /// `requested_at` in `from ..= to`; ordered by the processor's name.
    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>>;

    /// A page of the payments that are accepted or sent, in the order of their places. One that cannot
    /// be read is left out. A page that is not full is the last.
    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>>;

    /// When the newest payment was accepted; 0 where there is none. What is accepted after this was
    /// asked is later: a purge that names the answer takes nothing of it.
    fn newest_payment_accepted_at(&self, deadline: Instant) -> Answer<'_, Timestamp>;

    /// A page of the accounts, the system's included, in the byte order of their ids: at most
    /// [`ACCOUNTS_PAGE_MAX`], of at most [`ACCOUNTS_EXAMINED_MAX`] looked at. A walk from page to page
    /// leaves out no account that was there when it began, and lists none twice. Not supported over Redis.
    ///
    /// [`ACCOUNTS_PAGE_MAX`]: crate::ACCOUNTS_PAGE_MAX
    /// [`ACCOUNTS_EXAMINED_MAX`]: crate::ACCOUNTS_EXAMINED_MAX
    fn accounts(&self, query: AccountsQuery, deadline: Instant) -> Answer<'_, AccountsPage>;

    /// The first outcomes of the atomic batch that used this id, in the order of its commands; `None` where
    /// none did. As many as a batch has commands, and none is marked as replayed that was not when the batch
    /// was decided. Not supported over Redis.
    fn batch(&self, id: BatchId, deadline: Instant) -> Answer<'_, Option<Vec<Outcome>>>;

    /// A page of a list of transfers, each as it stands now. A page that is not full is the last. Not supported
    /// over Redis.
    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>>;

    /// A page of a list of payments, each as it stands now. A page that is not full is the last. Not supported over
    /// Redis.
    fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<Payment>>;

    /// A page of the credit limits that an account was given, from the one that it was opened with; the place of each has the
    /// id 0. Empty of an unlimited account and of one that is not there. A page that is not full is the last. Not
    /// supported over Redis.
    fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<LimitChange>>;

    /// A page of everything that was decided, in the ledger's own order: each event is on one page of a reader
    /// that goes on from where the page before has ended. `None` if the position to begin at does not belong
    /// to this ledger. Only what is durable is shown. Waits no longer than the query lets it.
    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>>;
}

/// Which page of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementQuery {
    /// Whose statement.
    pub account_id: AccountId,
    /// Only entries with smaller numbers; the newest when `None`.
    pub before: Option<u64>,
    /// How many entries at most; engines give no more than [`STATEMENT_PAGE_MAX`].
    pub limit: usize,
}

/// A page of a statement, with the account it belongs to as it was at the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: Account,
    /// Newest first.
    pub entries: Vec<Entry>,
}

impl Statement {
    /// What the next page has to come before; `None` when this is the last.
    #[must_use]
    pub fn next_before(&self) -> Option<u64> {
        self.entries
            .last()
            .map(|entry| entry.number)
            .filter(|number| *number > 1)
    }
}

/// Which page of the payments due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueQuery {
    /// Only payments behind this place; from the oldest on when `None`.
    pub after: Option<DuePlace>,
    /// How many payments at most.
    pub limit: usize,
}

/// A balance at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceAt {
    /// In minor units.
    pub balance: i64,
    /// The newest entry by then; 0 when there was none, and always of an unlimited account.
    pub entry_number: u64,
}

/// What a processor has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorSummary {
    /// The processor.
    pub processor: ProcessorName,
    /// How many payments.
    pub payments_count: u64,
    /// Their exact sum, in minor units.
    pub amount: u128,
}

/// Why the ledger did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// Nothing was done: a queue was full.
    Overloaded,
    /// Nothing was done: there is no space to write to. Reads go on.
    StorageFull,
    /// Nothing was done: the ledger's clock jumped forward, and nobody has accepted that yet. Reads
    /// go on.
    ClockJumped,
    /// Nothing was done: what is written would have to wait for a copy that is away. Reads go on.
    StandbyAway,
    /// The outcome is unknown: the deadline passed. Ask again with the same id.
    Timeout,
    /// The outcome is unknown: a write or a sync failed. Nothing more is written.
    StorageFailed,
    /// The outcome is unknown: the ledger could not be reached, or it is stopping.
    LedgerUnavailable,
    /// Nothing was done: the ledger was started and is still being read.
    Opening,
    /// What was to be read is damaged.
    StorageDamaged,
    /// Nothing was done: this engine does not do what was asked for.
    NotSupported,
    /// Nothing was done: another process has the ledger, and this node's own key may not do that there.
    NodeNotAllowed,
}

impl Unavailable {
    /// The name as the API and the metrics spell it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::StorageFull => "storage_full",
            Self::ClockJumped => "clock_jumped",
            Self::StandbyAway => "standby_away",
            Self::Timeout => "timeout",
            Self::StorageFailed => "storage_failed",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::Opening => "opening",
            Self::StorageDamaged => "storage_damaged",
            Self::NotSupported => "not_supported",
            Self::NodeNotAllowed => "node_not_allowed",
        }
    }

    /// Whether it is certain that nothing was done.
    #[must_use]
    pub const fn nothing_done(self) -> bool {
        match self {
            Self::Overloaded
            | Self::StorageFull
            | Self::ClockJumped
            | Self::StandbyAway
            | Self::Opening
            | Self::StorageDamaged
            | Self::NotSupported
            | Self::NodeNotAllowed => true,
            Self::Timeout | Self::StorageFailed | Self::LedgerUnavailable => false,
        }
    }

    /// The same of a request that an earlier attempt may have applied: whatever became of its
    /// repetition, it is not certain that nothing was done.
    #[must_use]
    pub const fn after_unknown_attempt(self) -> Self {
        if self.nothing_done() {
            Self::LedgerUnavailable
        } else {
            self
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "too much is waiting already; nothing was done",
            Self::StorageFull => "there is no space left to write to; nothing was done",
            Self::ClockJumped => {
                "the ledger's clock jumped forward and is not believed; nothing was done"
            }
            Self::StandbyAway => {
                "the database has no standby to keep a copy of a write; nothing was done"
            }
            Self::Timeout => "the deadline passed; ask again with the same id",
            Self::StorageFailed => "a write failed and nothing more is written; ask again later",
            Self::LedgerUnavailable => "the ledger does not answer; ask again with the same id",
            Self::Opening => "the ledger is being opened; nothing was done",
            Self::StorageDamaged => "what was to be read is damaged",
            Self::NotSupported => "the engine behind this ledger does not do that",
            Self::NodeNotAllowed => {
                "this node's own key may not do that at its ledger node; nothing was done"
            }
        })
    }
}

impl std::error::Error for Unavailable {}

/// Implements the reads of an [`Engine`](crate::Engine) but [`payments_summary`](crate::Engine::payments_summary)
/// by those of the engine in this field: for engines that change what is written, or a single read. One that
/// changes what is previewed says `but preview`.
#[macro_export]
macro_rules! forward_reads {
    ($inner:ident) => {
        $crate::forward_reads!($inner but preview);

        fn preview(
            &self,
            batches: ::std::vec::Vec<$crate::Batch>,
            deadline: ::std::time::Instant,
        ) -> $crate::Answer<'_, ::std::vec::Vec<::std::vec::Vec<$crate::Outcome>>> {
            self.$inner.preview(batches, deadline)
        }
    };
    ($inner:ident but preview) => {
        $crate::forward_reads!(@each $inner
            account(id: $crate::AccountId) -> ::std::option::Option<$crate::Account>;
            statement(query: $crate::StatementQuery) -> ::std::option::Option<$crate::Statement>;
            transfer(id: $crate::TransferId) -> ::std::option::Option<$crate::UsedTransfer>;
            pending_end(id: $crate::TransferId) -> ::std::option::Option<$crate::PendingEnd>;
            payment(id: $crate::PaymentId) -> ::std::option::Option<$crate::UsedPayment>;
            resolutions(id: $crate::PaymentId) -> ::std::vec::Vec<$crate::Resolution>;
            payments_due(query: $crate::DueQuery) -> ::std::vec::Vec<$crate::Payment>;
            newest_payment_accepted_at() -> $crate::Timestamp;
            safe_time() -> $crate::Timestamp;
            accounts(query: $crate::AccountsQuery) -> $crate::AccountsPage;
            batch(id: $crate::BatchId) -> ::std::option::Option<::std::vec::Vec<$crate::Outcome>>;
            events(query: $crate::EventQuery) -> ::std::option::Option<$crate::EventPage>;
        );

        fn balance_at(
            &self,
            id: $crate::AccountId,
            at: $crate::Timestamp,
            deadline: ::std::time::Instant,
        ) -> $crate::Answer<'_, ::std::option::Option<$crate::BalanceAt>> {
            self.$inner.balance_at(id, at, deadline)
        }

        fn transfers(
            &self,
            list: $crate::TransferList,
            page: $crate::ListPage,
            deadline: ::std::time::Instant,
        ) -> $crate::Answer<'_, ::std::vec::Vec<$crate::ListedTransfer>> {
            self.$inner.transfers(list, page, deadline)
        }

        fn payments(
            &self,
            list: $crate::PaymentList,
            page: $crate::ListPage,
            deadline: ::std::time::Instant,
        ) -> $crate::Answer<'_, ::std::vec::Vec<$crate::Payment>> {
            self.$inner.payments(list, page, deadline)
        }

        fn limits(
            &self,
            id: $crate::AccountId,
            page: $crate::ListPage,
            deadline: ::std::time::Instant,
        ) -> $crate::Answer<'_, ::std::vec::Vec<$crate::LimitChange>> {
            self.$inner.limits(id, page, deadline)
        }
    };
    (@each $inner:ident $($read:ident($($name:ident: $kind:ty)?) -> $answer:ty;)+) => {
        $(
            fn $read(
                &self,
                $($name: $kind,)?
                deadline: ::std::time::Instant,
            ) -> $crate::Answer<'_, $answer> {
                self.$inner.$read($($name,)? deadline)
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_applied_is_never_nothing_done() {
        for reason in [
            Unavailable::Overloaded,
            Unavailable::StorageFull,
            Unavailable::Timeout,
            Unavailable::StorageFailed,
            Unavailable::LedgerUnavailable,
            Unavailable::Opening,
            Unavailable::StorageDamaged,
            Unavailable::NotSupported,
            Unavailable::NodeNotAllowed,
        ] {
            let after = reason.after_unknown_attempt();
            assert!(!after.nothing_done());
            assert!(reason.nothing_done() || after == reason);
        }
    }
}
