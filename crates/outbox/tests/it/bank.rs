//! A ledger that misbehaves as told, and operations to give it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::Storage;
use ledger::reference::ReferenceEngine;
use ledger::{
    AccountId, Answer, Batch, Command, Currency, Engine, Event, Millis, MoveMoney, OpenAccount,
    Outcome, ProcessorSummary, TransferId, Unavailable, UsedId,
};
use outbox::{Accepted, NotAccepted, Operation, OperationState, Operations, Outbox, OutboxOptions};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::RealClock;

/// How the ledger answers what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Well,
    /// Nothing is done, and it says so.
    Away(Unavailable),
    /// What is given is done, and the answer is lost.
    LosesAnswers,
    /// The operation of this number meets a record that is damaged: nothing is done of what comes
    /// with it.
    Damaged(u128),
    /// No answer ever comes; nothing is done.
    Silent,
    /// Any of the first three, by chance.
    Moody,
}

/// The reference engine behind a manner.
pub(crate) struct Ledger {
    behind: ReferenceEngine,
    manner: Mutex<Manner>,
    mood: Mutex<StdRng>,
    /// The sizes of the batches that came.
    batches: Mutex<Vec<usize>>,
}

impl Ledger {
    /// With the accounts `a` to `d` and 1,000,000 in each.
    pub(crate) async fn start(manner: Manner) -> Arc<Self> {
        let ledger = Self {
            behind: ReferenceEngine::new(Arc::new(RealClock::default())),
            manner: Mutex::new(manner),
            mood: Mutex::new(StdRng::seed_from_u64(1)),
            batches: Mutex::default(),
        };
        let mut commands = Vec::new();
        for (index, id) in (0..).zip(["a", "b", "c", "d"]) {
            commands.push(Command::OpenAccount(OpenAccount {
                id: account(id),
                currency: Currency::new("BRL").unwrap(),
                credit_limit: 0,
            }));
            commands.push(transfer(u128::MAX - index, "world:BRL", id, 1_000_000));
        }
        let batch = Batch::independent(commands).unwrap();
        let outcomes = ledger.behind.submit(vec![batch], Instant::now()).await;
        assert!(outcomes.unwrap()[0].iter().all(|one| one.result.is_ok()));
        Arc::new(ledger)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    /// How many operations came, batch by batch.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.batches.lock().clone()
    }

    /// The ids that were used since the start, in order, each as often as it was recorded.
    pub(crate) fn recorded(&self) -> Vec<u128> {
        let id = |event: &Event| match event {
            Event::Transfer(transfer) => Some(transfer.id.to_u128()),
            Event::Refused {
                command: Command::Transfer(transfer),
                ..
            } => Some(transfer.id.to_u128()),
            _ => None,
        };
        let is_new = |id: &u128| *id < u128::MAX - 3;
        self.behind.read(|books| {
            books
                .events()
                .iter()
                .filter_map(id)
                .filter(is_new)
                .collect()
        })
    }
}

impl Engine for Ledger {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let count = batches.iter().map(|batch| batch.commands().len()).sum();
        self.batches.lock().push(count);
        let manner = match *self.manner.lock() {
            Manner::Moody => match self.mood.lock().random_range(0..4) {
                0 => Manner::Away(Unavailable::LedgerUnavailable),
                1 => Manner::LosesAnswers,
                _ => Manner::Well,
            },
            manner => manner,
        };
        let is_in = |number: u128| {
            let mut commands = batches.iter().flat_map(Batch::commands);
            commands
                .any(|one| one.used_id() == Some(UsedId::Transfer(TransferId::from_u128(number))))
        };
        let manner = match manner {
            Manner::Damaged(number) if is_in(number) => Manner::Away(Unavailable::StorageDamaged),
            Manner::Damaged(_) => Manner::Well,
            manner => manner,
        };
        match manner {
            Manner::Away(why) => Box::pin(async move { Err(why) }),
            Manner::LosesAnswers => Box::pin(async move {
                self.behind.submit(batches, deadline).await?;
                Err(Unavailable::Timeout)
            }),
            Manner::Silent => Box::pin(std::future::pending()),
            Manner::Well | Manner::Moody | Manner::Damaged(_) => {
                self.behind.submit(batches, deadline)
            }
        }
    }

    ledger::forward_reads!(behind);

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.behind.payments_summary(from, to, deadline)
    }
}

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

pub(crate) fn transfer(id: u128, debit: &str, credit: &str, amount: u64) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account(debit),
        credit_account_id: account(credit),
        amount,
        description: "operation".into(),
        notes: ledger::Notes::NONE,
    })
}

/// The operation of this number, between accounts that many share.
pub(crate) fn operation(number: u128) -> Operation {
    let accounts = ["a", "b", "c", "d"];
    let (debit, credit) = (number as usize % 4, (number as usize + 1) % 4);
    Operation::new(transfer(number, accounts[debit], accounts[credit], 1)).unwrap()
}

/// Small segments, short pauses.
pub(crate) fn small() -> OutboxOptions {
    OutboxOptions {
        segment_bytes: 16 << 10,
        bytes_max: 1 << 20,
        submit_timeout: Duration::from_millis(200),
        pause_max: Duration::from_millis(20),
        ..OutboxOptions::default()
    }
}

pub(crate) fn open<S: Storage>(
    storage: S,
    options: &OutboxOptions,
    ledger: &Arc<Ledger>,
) -> Outbox<S> {
    let engine = Arc::clone(ledger) as Arc<dyn Engine>;
    let (outbox, _) =
        Outbox::open(storage, options, engine, Arc::new(RealClock::default())).unwrap();
    outbox
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) const QUEUED: Accepted = Accepted {
    replayed: false,
    state: OperationState::Queued,
};

pub(crate) async fn accept<S: Storage>(
    outbox: &Outbox<S>,
    operation: Operation,
) -> Result<Accepted, NotAccepted> {
    outbox.accept(operation, soon()).await
}

/// Until nothing is queued.
pub(crate) async fn drained<S: Storage>(outbox: &Outbox<S>) {
    let deadline = soon();
    while outbox.depth() > 0 {
        assert!(Instant::now() < deadline, "{} are queued", outbox.depth());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
