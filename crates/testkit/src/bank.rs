//! A few accounts that many tasks move money between, and what must be true of them afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ledger::{
    AccountId, Batch, Command, Currency, Engine, MoveMoney, OpenAccount, Outcome,
    STATEMENT_PAGE_MAX, StatementQuery, Transfer, TransferId, TransferKind, Unavailable,
    UsedTransfer,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Few enough for every call to meet another one.
const ACCOUNTS_COUNT: usize = 6;
const CREDIT_LIMIT: u64 = 1_000;

/// The account id of this text.
///
/// # Panics
///
/// When it is not an account's id.
#[must_use]
pub fn id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

/// The bank's currency.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn currency() -> Currency {
    Currency::new("BRL").unwrap()
}

/// The bank's accounts.
#[must_use]
pub fn accounts() -> Vec<AccountId> {
    (1..=ACCOUNTS_COUNT)
        .map(|n| id(&format!("user:{n}")))
        .collect()
}

/// A deadline.
#[must_use]
pub fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// The outcome of one command.
///
/// # Errors
///
/// When the engine is unavailable.
///
/// # Panics
///
/// When it answers without an outcome.
pub async fn submit_one(
    engine: &impl Engine,
    command: Command,
    deadline: Instant,
) -> Result<Outcome, Unavailable> {
    let outcomes = engine.submit(vec![Batch::one(command)], deadline).await?;
    Ok(outcomes.into_iter().flatten().next().unwrap())
}

/// Opens the bank's accounts.
///
/// # Panics
///
/// When one is refused.
pub async fn open_accounts(engine: &impl Engine) {
    for id in accounts() {
        let command = Command::OpenAccount(OpenAccount {
            id,
            currency: currency(),
            credit_limit: CREDIT_LIMIT,
        });
        let outcome = submit_one(engine, command, in_seconds(20)).await.unwrap();
        assert!(outcome.result.is_ok(), "{outcome:?}");
    }
}

/// Draws transfers, pending ones and their ends.
pub struct Drawer {
    rng: StdRng,
    pending: Vec<TransferId>,
    accounts: Vec<AccountId>,
}

impl Drawer {
    /// Draws the same from the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut accounts = accounts();
        accounts.push(AccountId::world(currency()));
        Self {
            rng: StdRng::seed_from_u64(seed),
            pending: Vec::new(),
            accounts,
        }
    }

    /// A command with this id.
    pub fn command(&mut self, id: TransferId) -> Command {
        let transfer = self.transfer(id);
        match self.rng.random_range(0..10) {
            0..6 => Command::Transfer(transfer),
            6..8 => {
                self.pending.push(id);
                Command::Pend {
                    transfer,
                    timeout_s: self.rng.random_range(0..3),
                }
            }
            kind => {
                let pending_id = self.pending.choose(&mut self.rng).copied().unwrap_or(id);
                match kind {
                    8 => Command::Void { id, pending_id },
                    _ => Command::Post {
                        id,
                        pending_id,
                        amount: None,
                    },
                }
            }
        }
    }

    /// A transfer with this id.
    ///
    /// # Panics
    ///
    /// Never: there are accounts.
    pub fn transfer(&mut self, id: TransferId) -> MoveMoney {
        let mut sides = self.accounts.choose_multiple(&mut self.rng, 2).cloned();
        MoveMoney {
            id,
            debit_account_id: sides.next().unwrap(),
            credit_account_id: sides.next().unwrap(),
            amount: self.rng.random_range(1..400),
            description: "drawn".into(),
            notes: ledger::Notes::NONE,
        }
    }
}

/// Checks every account's totals and statement against the transfers of these ids, all that were
/// ever given; gives how many were applied.
///
/// # Panics
///
/// When something is not as it must be.
pub async fn check(engine: &impl Engine, ids: &[TransferId]) -> usize {
    let mut balances: HashMap<AccountId, i64> = HashMap::new();
    let mut applied = 0;
    for id in ids {
        let used = engine.transfer(*id, in_seconds(20)).await.unwrap();
        let Some(UsedTransfer::Created(transfer, _)) = used else {
            continue;
        };
        applied += 1;
        if moves(&transfer) {
            let amount = i64::try_from(transfer.amount).unwrap();
            *balances.entry(transfer.debit_account_id).or_default() -= amount;
            *balances.entry(transfer.credit_account_id).or_default() += amount;
        }
    }
    let mut sum = 0;
    for id in accounts().into_iter().chain([AccountId::world(currency())]) {
        let account = engine.account(id.clone(), in_seconds(20)).await.unwrap();
        let account = account.unwrap();
        let expected = balances.get(&id).copied().unwrap_or(0);
        assert_eq!(account.balance(), expected, "{id}: {account:?}");
        sum += account.balance();
        if !id.is_reserved() {
            check_statement(engine, &id).await;
        }
    }
    assert_eq!(sum, 0);
    applied
}

fn moves(transfer: &Transfer) -> bool {
    let kind = transfer.kind;
    matches!(
        kind,
        TransferKind::Transfer | TransferKind::Post { .. } | TransferKind::Reverse { .. }
    )
}

/// Entries without gaps that add up to the balance, later each than the one before, none of them
/// past the limit.
async fn check_statement(engine: &impl Engine, id: &AccountId) {
    let (mut before, mut balance, mut newest) = (None, None, None);
    loop {
        let query = StatementQuery {
            account_id: id.clone(),
            before,
            limit: STATEMENT_PAGE_MAX,
        };
        let page = engine.statement(query, in_seconds(20)).await.unwrap();
        let page = page.unwrap();
        let mut balance_then = balance.unwrap_or_else(|| page.account.balance());
        let mut number = before.unwrap_or(page.account.entry_count + 1);
        for entry in &page.entries {
            number -= 1;
            assert_eq!((entry.number, entry.balance_after), (number, balance_then));
            assert!(newest.is_none_or(|newest| entry.timestamp < newest));
            assert!(entry.balance_after >= -i64::try_from(CREDIT_LIMIT).unwrap());
            newest = Some(entry.timestamp);
            let amount = i64::try_from(entry.amount).unwrap();
            balance_then -= if entry.debit_account_id == *id {
                -amount
            } else {
                amount
            };
        }
        balance = Some(balance_then);
        before = page.next_before();
        if before.is_none() {
            assert_eq!(balance, Some(0), "{id}");
            return;
        }
    }
}
