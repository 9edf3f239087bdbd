//! What a benchmark asks the ledger to do.

use std::sync::Arc;
use std::time::Duration;

use ledger::{
    AMOUNT_MAX, AccountId, Clock, Command, Currency, InvalidId, InvalidReference, MoveMoney, Notes,
    OpenAccount, Reference, TransferId,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::ids::{self, IdKind};
use super::options::BenchOptions;
use crate::clock::SystemClock;

/// With `--hot`, one transfer in so many asks for more than there is.
const REFUSED_EVERY: u64 = 100;

pub(super) struct Workload {
    pub(super) transfers: u64,
    pub(super) batch: usize,
    pub(super) concurrency: usize,
    accounts: Vec<AccountId>,
    hot: Option<AccountId>,
    references: bool,
    ids: IdKind,
    seed: u64,
    run: u64,
}

impl Workload {
    pub(super) fn new(options: &BenchOptions) -> Self {
        Self::of_run(options, 0)
    }

    /// Runs of other numbers have other ids for the same transfers.
    pub(super) fn of_run(options: &BenchOptions, run: u64) -> Self {
        let ids = (0..options.accounts).map(|number| account_id(&format!("users:{number}")));
        Self {
            transfers: options.transfers,
            batch: options.batch,
            concurrency: options.concurrency,
            accounts: ids.collect(),
            hot: options.hot.then(|| account_id("hot")),
            references: options.references,
            ids: options.ids,
            seed: options.seed,
            run,
        }
    }

    /// The commands that open the accounts.
    pub(super) fn open_accounts(&self) -> anyhow::Result<Vec<Command>> {
        let currency = Currency::new("BRL")?;
        // So much that only what must be refused is.
        let credit_limit = AMOUNT_MAX / 4;
        let open = |id: &AccountId| {
            Command::OpenAccount(OpenAccount {
                id: id.clone(),
                currency,
                credit_limit,
            })
        };
        Ok(self.accounts.iter().chain(&self.hot).map(open).collect())
    }

    /// The transfers of one client.
    pub(super) fn client(self: &Arc<Self>, number: u64) -> Client {
        let rng = SmallRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(number));
        Client {
            workload: Arc::clone(self),
            rng,
            given: 0,
        }
    }
}

fn account_id(text: &str) -> AccountId {
    match AccountId::new(text) {
        Ok(id) => id,
        Err(InvalidId) => unreachable!("{text} is an account id"),
    }
}

/// One source of transfers.
pub(super) struct Client {
    workload: Arc<Workload>,
    rng: SmallRng,
    given: u64,
}

impl Client {
    /// The next transfer, and whether it must be refused.
    pub(super) fn next(&mut self) -> (Command, bool) {
        self.given += 1;
        let refused = self.workload.hot.is_some() && self.given.is_multiple_of(REFUSED_EVERY);
        let (debit_account_id, credit_account_id) = self.sides();
        let transfer = MoveMoney {
            id: self.id(),
            debit_account_id,
            credit_account_id,
            amount: if refused {
                AMOUNT_MAX
            } else {
                self.rng.random_range(1..=100)
            },
            description: "bench".into(),
            notes: self.notes(),
        };
        (Command::Transfer(transfer), refused)
    }

    fn notes(&self) -> Notes {
        if !self.workload.references {
            return Notes::NONE;
        }
        let text = format!("order 2026-{:09}", self.given);
        match Reference::new(&text) {
            Ok(reference) => Notes::of_reference(Some(reference)),
            Err(InvalidReference) => unreachable!("{text} is a reference"),
        }
    }

    fn id(&mut self) -> TransferId {
        let random = self.rng.random::<u128>() ^ u128::from(self.workload.run);
        match self.workload.ids {
            IdKind::V4 => ids::v4(random),
            IdKind::V7 => ids::v7(Duration::from_nanos(SystemClock.now().as_nanos()), random),
        }
    }

    fn sides(&mut self) -> (AccountId, AccountId) {
        let accounts = &self.workload.accounts;
        let debit = self.rng.random_range(0..accounts.len());
        if let Some(hot) = &self.workload.hot {
            return (hot.clone(), accounts[debit].clone());
        }
        // Any of the others.
        let step = self.rng.random_range(1..accounts.len());
        let credit = (debit + step) % accounts.len();
        (accounts[debit].clone(), accounts[credit].clone())
    }
}
