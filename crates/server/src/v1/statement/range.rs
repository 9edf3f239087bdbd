//! Which entries are in a window of time, by their numbers: what has happened does not change, so numbers that were
//! found once stay right.

use ledger::{AccountId, BalanceAt, Statement, StatementQuery, Timestamp};

use super::window::{Order, Window};
use crate::call::Call;
use crate::errors;
use crate::problem::Problem;

/// The entries of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Range {
    /// The number of the last entry before the window; 0 where there is none.
    pub(super) before: u64,
    /// The number of the window's last entry; `before` where it has none.
    pub(super) last: u64,
    /// In minor units.
    pub(in super::super) opening_balance: i64,
    /// In minor units.
    pub(in super::super) closing_balance: i64,
}

impl Range {
    /// Finds the window's entries. A window whose end was settled by an earlier page ends with entry `last`.
    pub(super) async fn find(
        call: &Call,
        id: &AccountId,
        window: &Window,
        last: Option<u64>,
    ) -> Result<Self, Problem> {
        // The end first: what is made meanwhile is behind it, also where the window begins in the future.
        let closing = match (last, window.to) {
            (Some(last), _) => balance_after(call, id, last).await?,
            (None, Some(to)) => balance_before(call, id, to).await?,
            (None, None) => {
                let account = call.account(id.clone()).await?;
                account.map(|account| BalanceAt {
                    balance: account.balance(),
                    entry_number: account.entry_count,
                })
            }
        };
        let opening = match window.from {
            Some(from) => balance_before(call, id, from).await?,
            None => Some(BEFORE_ALL),
        };
        let (Some(closing), Some(opening)) = (closing, opening) else {
            return Err(errors::account_not_found(id.as_str()));
        };
        let is_empty = opening.entry_number >= closing.entry_number;
        let opening = if is_empty { closing } else { opening };
        Ok(Self {
            before: opening.entry_number,
            last: closing.entry_number,
            opening_balance: opening.balance,
            closing_balance: closing.balance,
        })
    }

    /// How many entries the window has.
    pub(in super::super) const fn entries_count(&self) -> u64 {
        self.last - self.before
    }

    /// What is left of it after entry `beside`, in this order; all of it where nothing was read.
    pub(super) fn rest(&self, order: Order, beside: Option<u64>) -> Rest {
        let (mut before, mut last) = (self.before, self.last);
        match (order, beside) {
            (_, None) => {}
            (Order::Ascending, Some(beside)) => before = beside.clamp(before, last),
            (Order::Descending, Some(beside)) => {
                last = beside.saturating_sub(1).clamp(before, last);
            }
        }
        Rest { before, last }
    }
}

/// Entries that were not read yet: those after `before`, up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) before: u64,
    pub(super) last: u64,
}

impl Rest {
    pub(super) const fn is_empty(self) -> bool {
        self.before >= self.last
    }

    /// Reads at most `limit` of them in this order, with the account; then the number of the last that was read,
    /// where more are left. `None` when there is no such account.
    pub(super) async fn read(
        self,
        call: &Call,
        id: &AccountId,
        order: Order,
        limit: usize,
    ) -> Result<Option<(Statement, Option<u64>)>, Problem> {
        let left = self.last - self.before;
        let count = left.min(u64::try_from(limit).unwrap_or(u64::MAX));
        // An account is read with at least one entry; before the first there are none.
        let (before, limit) = match (count, order) {
            (0, _) => (1, 1),
            (count, Order::Descending) => (self.last + 1, count),
            (count, Order::Ascending) => (self.before + count + 1, count),
        };
        let query = StatementQuery {
            account_id: id.clone(),
            before: Some(before),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let Some(mut statement) = call.statement(query).await? else {
            return Ok(None);
        };
        if order == Order::Ascending {
            statement.entries.reverse();
        }
        let is_more = count < left;
        let last = statement.entries.last().filter(|_| is_more);
        let last = last.map(|entry| entry.number);
        Ok(Some((statement, last)))
    }
}

/// Before an account's first entry.
const BEFORE_ALL: BalanceAt = BalanceAt {
    balance: 0,
    entry_number: 0,
};

/// The balance right before a moment.
async fn balance_before(
    call: &Call,
    id: &AccountId,
    moment: Timestamp,
) -> Result<Option<BalanceAt>, Problem> {
    match moment.as_nanos().checked_sub(1) {
        Some(nanos) => {
            call.balance_at(id.clone(), Timestamp::from_nanos(nanos))
                .await
        }
        None => Ok(Some(BEFORE_ALL)),
    }
}

/// The balance right after an entry.
async fn balance_after(
    call: &Call,
    id: &AccountId,
    number: u64,
) -> Result<Option<BalanceAt>, Problem> {
    if number == 0 {
        return Ok(Some(BEFORE_ALL));
    }
    let query = StatementQuery {
        account_id: id.clone(),
        before: number.checked_add(1),
        limit: 1,
    };
    let statement = call.statement(query).await?;
    // A ledger that was restored as it was before may have no entry any more.
    Ok(statement.map(|statement| match statement.entries.last() {
        Some(entry) => BalanceAt {
            balance: entry.balance_after,
            entry_number: entry.number,
        },
        None => BEFORE_ALL,
    }))
}
