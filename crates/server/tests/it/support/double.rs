//! An engine that does what no good engine does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{
    Account, AccountId, Answer, BalanceAt, Batch, DueQuery, Engine, Millis, Outcome, Payment,
    PaymentId, ProcessorSummary, Resolution, Statement, StatementQuery, Timestamp, TransferId,
    Unavailable, UsedPayment, UsedTransfer,
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
    /// By panicking.
    Panic,
}

/// The reference engine behind a manner that may change.
pub(crate) struct Double {
    behind: Arc<ReferenceEngine>,
    manner: Mutex<Manner>,
}

impl Double {
    pub(crate) fn new(behind: Arc<ReferenceEngine>, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            behind,
            manner: Mutex::new(manner),
        })
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a ReferenceEngine) -> Answer<'a, T>,
    ) -> Answer<'a, T> {
        let manner = *self.manner.lock();
        match manner {
            Manner::Well => ask(&self.behind),
            Manner::Late(delay) => {
                let answer = ask(&self.behind);
                Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    answer.await
                })
            }
            Manner::Never => Box::pin(std::future::pending()),
            Manner::Unavailable(unavailable) => Box::pin(async move { Err(unavailable) }),
            Manner::Panic => Box::pin(async { panic!("the double panics, as it was told") }),
        }
    }
}

impl Engine for Double {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        self.answer(|engine| engine.submit(batches, deadline))
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

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        self.answer(|engine| engine.transfer(id, deadline))
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
}
