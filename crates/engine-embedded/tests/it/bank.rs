//! A small ledger to try things upon: accounts of one currency, deposits, reads that wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::Storage;
use ledger::{
    Account, AccountId, Batch, Clock, Command, Currency, Engine, MoveMoney, OpenAccount, Outcome,
    Statement, StatementQuery, TransferId, Unavailable, UsedTransfer,
};
use testkit::ManualClock;

/// How long a call of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An engine, its clock and a runtime to ask it with.
pub(crate) struct Bank<S: Storage> {
    pub(crate) engine: Arc<EmbeddedEngine<S>>,
    pub(crate) clock: Arc<ManualClock>,
}

impl<S: Storage> Bank<S> {
    pub(crate) fn open(storage: S, options: EmbeddedOptions) -> Self {
        Self::open_at(storage, options, Arc::default())
    }

    pub(crate) fn open_at(storage: S, options: EmbeddedOptions, clock: Arc<ManualClock>) -> Self {
        let engine = open_engine(storage, options, clock.clone());
        Self { engine, clock }
    }

    /// Submits commands that each stand alone, as one batch.
    pub(crate) fn submit(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, Unavailable> {
        submit(&*self.engine, commands, Instant::now() + PATIENCE)
    }

    /// Submits one command that has to be answered.
    pub(crate) fn give(&self, command: Command) -> Outcome {
        self.submit(vec![command]).unwrap().remove(0)
    }

    /// Opens accounts without a credit limit.
    pub(crate) fn open_accounts(&self, ids: &[&str]) {
        for id in ids {
            assert_eq!(self.give(open_account(id, 0)).code(), "created");
        }
    }

    pub(crate) fn account(&self, id: &str) -> Account {
        let account = self.engine.account(account_id(id), Instant::now());
        wait(account).unwrap().unwrap()
    }

    pub(crate) fn statement(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Statement, Unavailable> {
        let account_id = account_id(id);
        let query = StatementQuery {
            account_id,
            before,
            limit,
        };
        let statement = wait(self.engine.statement(query, Instant::now() + PATIENCE));
        statement.map(Option::unwrap)
    }

    pub(crate) fn transfer(&self, id: u128) -> Result<Option<UsedTransfer>, Unavailable> {
        let deadline = Instant::now() + PATIENCE;
        wait(self.engine.transfer(TransferId::from_u128(id), deadline))
    }
}

pub(crate) fn open_engine<S: Storage>(
    storage: S,
    options: EmbeddedOptions,
    clock: Arc<dyn Clock>,
) -> Arc<EmbeddedEngine<S>> {
    match EmbeddedEngine::open(storage, options, clock) {
        Ok((engine, _)) => Arc::new(engine),
        Err(error) => panic!("{error}"),
    }
}

/// Waits for an answer, in a runtime of its own.
pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(answer)
}

pub(crate) fn submit(
    engine: &dyn Engine,
    commands: Vec<Command>,
    deadline: Instant,
) -> Result<Vec<Outcome>, Unavailable> {
    let batch = Batch::independent(commands).unwrap();
    let outcomes = wait(engine.submit(vec![batch], deadline));
    outcomes.map(|mut outcomes| outcomes.remove(0))
}

/// Segments and frames of so many KiB.
pub(crate) fn small(segment_kib: u64, frame_kib: usize) -> EmbeddedOptions {
    let journal = journal::JournalOptions {
        segment_bytes: segment_kib << 10,
        frame_bytes_max: frame_kib << 10,
        ..journal::JournalOptions::default()
    };
    EmbeddedOptions {
        journal,
        overlaps: false,
        snapshot_bytes: 0,
        ..EmbeddedOptions::default()
    }
}

/// Likewise, of an engine that writes a frame while it gathers the next one.
pub(crate) fn small_overlapping(segment_kib: u64, frame_kib: usize) -> EmbeddedOptions {
    EmbeddedOptions {
        overlaps: true,
        ..small(segment_kib, frame_kib)
    }
}

pub(crate) fn account_id(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

pub(crate) fn open_account(id: &str, credit_limit: u64) -> Command {
    Command::OpenAccount(OpenAccount {
        id: account_id(id),
        currency: Currency::new("BRL").unwrap(),
        credit_limit,
    })
}

pub(crate) fn money(id: u128, debit: &str, credit: &str, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account_id(debit),
        credit_account_id: account_id(credit),
        amount,
        description: format!("transfer {id}").into(),
        notes: ledger::Notes::NONE,
    }
}

pub(crate) fn transfer(id: u128, debit: &str, credit: &str, amount: u64) -> Command {
    Command::Transfer(money(id, debit, credit, amount))
}

/// Money from the outside.
pub(crate) fn deposit(id: u128, to: &str, amount: u64) -> Command {
    transfer(id, "world:BRL", to, amount)
}

pub(crate) fn pend(id: u128, debit: &str, amount: u64, timeout_s: u32) -> Command {
    Command::Pend {
        transfer: money(id, debit, "world:BRL", amount),
        timeout_s,
    }
}
