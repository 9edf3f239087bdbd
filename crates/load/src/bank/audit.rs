//! The audit: what was answered, held against what the statements say.
//!
//! It is a pure function of the two, so each of its findings has a test of its own.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use super::fetch::{Entry, Seen, SeenAccount};
use super::operation::{Fate, Movement, Sent};

/// So many findings are told in words.
const FINDINGS_MAX: usize = 20;

/// What the audit found. All but the first five and `world_difference` are faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BankAudit {
    /// Movements that were sent.
    pub movements_count: u64,
    /// Movements answered as applied.
    pub applied_count: u64,
    /// Movements answered as refused.
    pub refused_count: u64,
    /// Movements without an answer that turned out to be there, or not: both are fine.
    pub resolved_count: u64,
    /// Entries that were read back.
    pub entries_count: u64,
    /// Movements of which nobody can tell what became.
    pub unknown_count: u64,
    /// Applied movements that are missing from a statement.
    pub lost_count: u64,
    /// Movements that are more than once in a statement.
    pub doubled_count: u64,
    /// Entries with another amount or other accounts than were sent.
    pub altered_count: u64,
    /// Entries of movements that were refused, are absent, or were never sent.
    pub invented_count: u64,
    /// Statements whose numbers or balances do not follow from each other, or from the account.
    pub broken_statements_count: u64,
    /// Entries after which an account was beyond its limit.
    pub limits_passed_count: u64,
    /// The accounts' balances together, less what came into them from outside and plus what left:
    /// nothing, if no money was made or lost in them.
    pub money_difference: i64,
    /// The change of `world:BRL` beyond what this run moved. Not a fault by itself: other callers of the
    /// server move money, too. Nothing, if this run was alone.
    pub world_difference: i64,
    /// The first findings in words.
    pub findings: Vec<String>,
}

impl BankAudit {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.unknown_count == 0
            && self.lost_count == 0
            && self.doubled_count == 0
            && self.altered_count == 0
            && self.invented_count == 0
            && self.broken_statements_count == 0
            && self.limits_passed_count == 0
            && self.money_difference == 0
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// What is expected of a movement: to be there once in each of its accounts, or nowhere.
struct Expected<'a> {
    movement: &'a Movement,
    is_there: bool,
}

/// Audits a run. `world_change` is by how much the outside's balance changed meanwhile.
pub(super) fn audit(operations: &[Sent], seen: &Seen, world_change: i64) -> BankAudit {
    let mut audit = BankAudit {
        movements_count: operations.len() as u64,
        ..BankAudit::default()
    };
    let expected = expect(operations, seen, &mut audit);
    for (index, account) in seen.accounts.iter().enumerate() {
        check_chain(account, &mut audit);
        check_entries(index, account, &seen.accounts, &expected, &mut audit);
    }
    let sum: i64 = seen.accounts.iter().map(|account| account.balance).sum();
    let from_outside: i64 = expected
        .values()
        .filter(|expected| expected.is_there)
        .map(|expected| expected.movement.net_deposit())
        .sum();
    audit.money_difference = sum - from_outside;
    audit.world_difference = world_change + from_outside;
    if audit.money_difference != 0 {
        audit.find(format!(
            "the accounts have {sum}, and {from_outside} came into them from outside"
        ));
    }
    audit
}

fn expect<'a>(
    operations: &'a [Sent],
    seen: &Seen,
    audit: &mut BankAudit,
) -> HashMap<Uuid, Expected<'a>> {
    let mut expected = HashMap::with_capacity(operations.len());
    for sent in operations {
        let id = sent.movement.id;
        let is_there = match sent.fate {
            Fate::Applied => {
                audit.applied_count += 1;
                true
            }
            Fate::Refused => {
                audit.refused_count += 1;
                false
            }
            Fate::Unknown => {
                let Some(is_there) = seen.unanswered.get(&id) else {
                    audit.unknown_count += 1;
                    audit.find(format!("nobody can tell what became of {id}"));
                    continue;
                };
                audit.resolved_count += 1;
                *is_there
            }
        };
        let movement = &sent.movement;
        expected.insert(id, Expected { movement, is_there });
    }
    expected
}

/// Numbers without gaps, balances that follow from each other, limits.
fn check_chain(account: &SeenAccount, audit: &mut BankAudit) {
    let id = &account.id;
    let mut balance = 0;
    let mut is_whole = account.entries.len() as u64 == account.entries_count;
    for (entry, number) in account.entries.iter().rev().zip(1..) {
        let change = if entry.credit_account_id == *id {
            entry.amount
        } else {
            -entry.amount
        };
        is_whole &= entry.number == number && entry.balance_after == balance + change;
        balance = entry.balance_after;
        if balance < -account.credit_limit {
            audit.limits_passed_count += 1;
            audit.find(format!(
                "{id} stood at {balance} after entry {}, its limit is {}",
                entry.number, account.credit_limit
            ));
        }
    }
    if !is_whole || balance != account.balance {
        audit.broken_statements_count += 1;
        audit.find(format!(
            "the statement of {id} does not add up: {} entries of {}, the last balance {balance}, \
             the account's {}",
            account.entries.len(),
            account.entries_count,
            account.balance
        ));
    }
}

/// Every movement where it belongs, once, as it was sent; nothing else.
fn check_entries(
    index: usize,
    account: &SeenAccount,
    accounts: &[SeenAccount],
    expected: &HashMap<Uuid, Expected<'_>>,
    audit: &mut BankAudit,
) {
    let mut times: HashMap<Uuid, u64> = HashMap::with_capacity(account.entries.len());
    for entry in &account.entries {
        audit.entries_count += 1;
        let id = entry.transfer_id;
        let time = times.entry(id).or_default();
        *time += 1;
        if *time == 2 {
            audit.doubled_count += 1;
            audit.find(format!("{id} is twice in the statement of {}", account.id));
        }
        match expected.get(&id) {
            Some(expected) if expected.is_there => {
                if !is_as_sent(entry, expected.movement, index, accounts) {
                    audit.altered_count += 1;
                    audit.find(format!("{id} was sent otherwise: {entry:?}"));
                }
            }
            _ => {
                audit.invented_count += 1;
                audit.find(format!(
                    "{id} should not be in the statement of {}",
                    account.id
                ));
            }
        }
    }
    let due = expected.values().filter(|expected| expected.is_there);
    for Expected { movement, .. } in due {
        let is_here = movement.accounts().any(|account| account == index);
        if is_here && !times.contains_key(&movement.id) {
            audit.lost_count += 1;
            let id = movement.id;
            audit.find(format!(
                "{id} is missing in the statement of {}",
                account.id
            ));
        }
    }
}

fn is_as_sent(entry: &Entry, movement: &Movement, index: usize, accounts: &[SeenAccount]) -> bool {
    let id = &accounts[index].id;
    let change = if entry.credit_account_id == *id {
        entry.amount
    } else if entry.debit_account_id == *id {
        -entry.amount
    } else {
        0
    };
    change != 0 && change == movement.change(index)
}

#[cfg(test)]
mod tests;
