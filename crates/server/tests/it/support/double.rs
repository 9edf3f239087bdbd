//! An engine that does what no good engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch,
    BatchId, Command, Currency, DueQuery, Engine, EventPage, EventQuery, LimitChange, ListPage,
    ListedTransfer, Millis, Outcome, Payment, PaymentId, PaymentList, PendingEnd, ProcessorSummary,
    Resolution, Statement, StatementQuery, Timestamp, TransferId, TransferList, Unavailable,
    UsedPayment, UsedTransfer,
};
use parking_lot::Mutex;

/// How the double answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// As the engine behind it.
    Well,
    /// As the engine behind it, which has done its work at once, but later.
    Late(Duration),
    /// Not at all.
    Never,
    /// That it is unavailable; nothing is done.
    Unavailable(Unavailable),
    /// As the engine behind it, but to so many questions after so many: it has too much to do.
    OverloadedAfter { well_count: u32, times: u32 },
    /// By panicking.
    Panic,
    /// As the engine behind it, once it behaves otherwise; until then the asking thread is held up.
    HoldsThread,
}

/// The reference engine behind a manner that may change.
pub(crate) struct Double {
    behind: Arc<ReferenceEngine>,
    manner: Mutex<Manner>,
    races: AtomicU32,
    held: AtomicU32,
    asked: AtomicU32,
}

impl Double {
    pub(crate) fn new(behind: Arc<ReferenceEngine>, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            behind,
            manner: Mutex::new(manner),
            races: AtomicU32::new(0),
            held: AtomicU32::new(0),
            asked: AtomicU32::new(0),
        })
    }

    /// How often it was asked anything.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many threads it has held up.
    pub(crate) fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// How many races of purges are left.
    pub(crate) fn races_left(&self) -> u32 {
        self.races.load(Ordering::Relaxed)
    }

    /// Before each of so many purges another payment is accepted.
    pub(crate) fn race(&self, times: u32) {
        self.races.store(times, Ordering::Relaxed);
    }

    async fn accept_another(&self) {
        let accept = Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(u128::from(self.races.load(Ordering::Relaxed)) << 64),
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1,
            description: "race".into(),
            notes: ledger::Notes::NONE,
        });
        let batch = vec![Batch::one(accept)];
        let accepted = self.behind.submit(batch, Instant::now()).await.unwrap();
        assert_eq!(accepted[0][0].code(), "created");
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a ReferenceEngine) -> Answer<'a, T>,
    ) -> Answer<'a, T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let manner = *self.manner.lock();
        match manner {
            Manner::Well => ask(&self.behind),
            Manner::OverloadedAfter {
                well_count: 0,
                times,
            } => {
                self.behave(match times {
                    1 => Manner::Well,
                    times => Manner::OverloadedAfter {
                        well_count: 0,
                        times: times - 1,
                    },
                });
                Box::pin(async { Err(Unavailable::Overloaded) })
            }
            Manner::OverloadedAfter { well_count, times } => {
                self.behave(Manner::OverloadedAfter {
                    well_count: well_count - 1,
                    times,
                });
                ask(&self.behind)
            }
            Manner::Late(delay) => {
                let answer = ask(&self.behind);
                Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    answer.await
                })
            }
            Manner::Never => Box::pin(std::future::pending()),
            Manner::Unavailable(unavailable) => Box::pin(async move { Err(unavailable) }),
            Manner::HoldsThread => {
                self.held.fetch_add(1, Ordering::Relaxed);
                while matches!(*self.manner.lock(), Manner::HoldsThread) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                ask(&self.behind)
            }
            Manner::Panic => Box::pin(async { panic!("the double panics, as it was told") }),
        }
    }
}

impl Engine for Double {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let mut commands = batches.iter().flat_map(Batch::commands);
        let is_purge = commands.any(|command| matches!(command, Command::PurgePayments { .. }));
        if !is_purge || self.races_left() == 0 {
            return self.answer(|engine| engine.submit(batches, deadline));
        }
        Box::pin(async move {
            self.accept_another().await;
            self.races.fetch_sub(1, Ordering::Relaxed);
            self.answer(|engine| engine.submit(batches, deadline)).await
        })
    }

    fn preview(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        self.answer(|engine| engine.preview(batches, deadline))
    }

    fn account(&self, id: AccountId, deadline: Instant) -> Answer<'_, Option<Account>> {
        self.answer(|engine| engine.account(id, deadline))
    }

    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>> {
        self.answer(|engine| engine.statement(query, deadline))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        self.answer(|engine| engine.balance_at(id, at, deadline))
    }

    fn safe_time(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        self.answer(|engine| engine.safe_time(deadline))
    }

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        self.answer(|engine| engine.transfer(id, deadline))
    }

    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>> {
        self.answer(|engine| engine.pending_end(id, deadline))
    }

    fn payment(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Option<UsedPayment>> {
        self.answer(|engine| engine.payment(id, deadline))
    }

    fn resolutions(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Vec<Resolution>> {
        self.answer(|engine| engine.resolutions(id, deadline))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.answer(|engine| engine.payments_summary(from, to, deadline))
    }

    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>> {
        self.answer(|engine| engine.payments_due(query, deadline))
    }

    fn newest_payment_accepted_at(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        self.answer(|engine| engine.newest_payment_accepted_at(deadline))
    }

    fn accounts(&self, query: AccountsQuery, deadline: Instant) -> Answer<'_, AccountsPage> {
        self.answer(|engine| engine.accounts(query, deadline))
    }

    fn batch(&self, id: BatchId, deadline: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        self.answer(|engine| engine.batch(id, deadline))
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        self.answer(|engine| engine.transfers(list, page, deadline))
    }

    fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<Payment>> {
        self.answer(|engine| engine.payments(list, page, deadline))
    }

    fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<LimitChange>> {
        self.answer(|engine| engine.limits(id, page, deadline))
    }

    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>> {
        Box::pin(async move {
            loop {
                let page = self.answer(|engine| engine.events(query, deadline)).await?;
                let is_empty = page.as_ref().is_some_and(|page| page.events.is_empty());
                let is_over = query.wait_until.is_none_or(|until| until <= Instant::now());
                if !is_empty || is_over {
                    return Ok(page);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }
}
