//! What must always be true, checked upon an engine's own reads and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ledger::{
    Account, AccountId, Currency, Engine, Entry, Limit, STATEMENT_PAGE_MAX, Statement,
    StatementQuery, Timestamp, Unavailable,
};

/// What has been seen of an account's statement.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    entry_count: u64,
    balance: i64,
    debits: u64,
    credits: u64,
    newest: Timestamp,
}

/// Follows every account's statement from its first entry on.
#[derive(Debug, Default)]
pub(super) struct Audit(HashMap<AccountId, Seen>);

impl Audit {
    /// Checks all of a ledger's accounts, and gives them.
    pub(super) async fn check(
        &mut self,
        engine: &Arc<dyn Engine>,
        ids: &[AccountId],
        deadline: Instant,
    ) -> Result<Vec<(AccountId, Account)>, String> {
        let mut accounts = Vec::new();
        for id in ids {
            let account = engine.account(id.clone(), deadline).await;
            if let Some(account) = account.map_err(|e| unavailable("account", e))? {
                self.check_account(engine, id, &account, deadline).await?;
                accounts.push((id.clone(), account));
            }
        }
        check_sums(&accounts)?;
        Ok(accounts)
    }

    async fn check_account(
        &mut self,
        engine: &Arc<dyn Engine>,
        id: &AccountId,
        account: &Account,
        deadline: Instant,
    ) -> Result<(), String> {
        check_limit(id, account)?;
        if account.limit == Limit::Unlimited {
            return Ok(());
        }
        let seen = self.0.entry(id.clone()).or_default();
        if account.entry_count < seen.entry_count {
            let was = seen.entry_count;
            return Err(format!(
                "account {id} had {was} entries and has {account:?}"
            ));
        }
        for entry in new_entries(engine, id, account, seen.entry_count, deadline).await? {
            seen.follow(id, &entry)?;
        }
        let told = (account.entry_count, account.balance());
        let told = (told, account.debits_posted, account.credits_posted);
        let added = ((seen.entry_count, seen.balance), seen.debits, seen.credits);
        if told == added {
            Ok(())
        } else {
            Err(format!(
                "the entries of account {id} make {seen:?}, its totals are {account:?}"
            ))
        }
    }
}

impl Seen {
    /// Takes in the next entry.
    fn follow(&mut self, id: &AccountId, entry: &Entry) -> Result<(), String> {
        let signed = i64::try_from(entry.amount).unwrap_or(i64::MAX);
        let balance = if entry.debit_account_id == *id {
            self.debits = self.debits.wrapping_add(entry.amount);
            self.balance.wrapping_sub(signed)
        } else if entry.credit_account_id == *id {
            self.credits = self.credits.wrapping_add(entry.amount);
            self.balance.wrapping_add(signed)
        } else {
            return Err(format!(
                "the statement of account {id} has the foreign {entry:?}"
            ));
        };
        if entry.number != self.entry_count + 1 || entry.balance_after != balance {
            let (number, newest) = (self.entry_count + 1, self.balance);
            return Err(format!(
                "entry {number} of account {id} follows a balance of {newest}, but is {entry:?}"
            ));
        }
        if entry.timestamp <= self.newest {
            let newest = self.newest;
            return Err(format!(
                "an entry of account {id} comes after {newest}, but is {entry:?}"
            ));
        }
        self.entry_count = entry.number;
        self.balance = balance;
        self.newest = entry.timestamp;
        Ok(())
    }
}

/// The account's entries after number `after`, oldest first.
async fn new_entries(
    engine: &Arc<dyn Engine>,
    id: &AccountId,
    account: &Account,
    after: u64,
    deadline: Instant,
) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut next = account.entry_count;
    while next > after {
        let limit = usize::try_from(next - after).unwrap_or(usize::MAX);
        let query = StatementQuery {
            account_id: id.clone(),
            before: (next < account.entry_count).then_some(next + 1),
            limit: limit.min(STATEMENT_PAGE_MAX),
        };
        let statement = engine.statement(query, deadline).await;
        let Some(Statement { entries: page, .. }) =
            statement.map_err(|e| unavailable("statement", e))?
        else {
            return Err(format!("account {id} has no statement, but is {account:?}"));
        };
        match page.last() {
            Some(oldest) if oldest.number <= next => next = oldest.number.saturating_sub(1),
            _ => return Err(format!("the statement of account {id} lacks entry {next}")),
        }
        entries.extend(page);
    }
    entries.reverse();
    Ok(entries)
}

fn check_limit(id: &AccountId, account: &Account) -> Result<(), String> {
    let Limit::Credit(limit) = account.limit else {
        return Ok(());
    };
    let incoming = u128::from(account.credits_posted) + u128::from(limit);
    let outgoing = u128::from(account.debits_posted) + u128::from(account.debits_pending);
    if outgoing > incoming {
        return Err(format!("account {id} has passed its limit: {account:?}"));
    }
    let exact = |number: u64| i128::from(number);
    let balance = exact(account.credits_posted) - exact(account.debits_posted);
    let held = balance + exact(account.credits_pending) + exact(limit);
    if held.max(exact(account.debits_pending) - balance) > exact(ledger::AMOUNT_MAX) {
        return Err(format!(
            "the balance of account {id} has passed 2^53 - 1: {account:?}"
        ));
    }
    let credits = exact(account.credits_posted) + exact(account.credits_pending);
    let debits = exact(account.debits_posted) + exact(account.debits_pending);
    if credits.max(debits) > exact(ledger::TOTAL_MAX) {
        return Err(format!(
            "a total of account {id} has passed 2^63 - 1: {account:?}"
        ));
    }
    Ok(())
}

fn check_sums(accounts: &[(AccountId, Account)]) -> Result<(), String> {
    let mut sums: HashMap<Currency, i64> = HashMap::new();
    for (_, account) in accounts {
        let sum = sums.entry(account.currency).or_default();
        *sum = sum.wrapping_add(account.balance());
    }
    match sums.into_iter().find(|(_, sum)| *sum != 0) {
        Some((currency, sum)) => Err(format!("the balances in {currency} sum to {sum}")),
        None => Ok(()),
    }
}

/// What a read that was not answered is reported as.
pub(super) fn unavailable(read: &str, error: Unavailable) -> String {
    format!("{read}: the engine answered {}: {error}", error.code())
}
