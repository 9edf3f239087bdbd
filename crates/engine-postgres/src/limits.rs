//! The credit limits that an account was given: the one that it was opened with, and those of its changes, which are walked
//! along their key. Changes from before migration 11 are not kept.

use std::time::Instant;

use ledger::{AccountId, LIST_PAGE_MAX, LimitChange, ListOrder, ListPage, ListPlace, Unavailable};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::{decode_event, time, timestamp, total};
use crate::error::Failure;
use crate::read::at_most;

const OPENED: &str = "
    SELECT credit_limit_opened, opened_at FROM lastro.accounts WHERE account_id = $1";

/// Changes of other kinds are among them.
macro_rules! changes {
    ($order:literal) => {
        concat!(
            "
    SELECT changed_at, record FROM lastro.account_changes
    WHERE account_id = $1 AND changed_at >= $2 AND changed_at <= $3
    ORDER BY changed_at ",
            $order,
            " LIMIT $4"
        )
    };
}

const CHANGES_DESCENDING: &str = changes!("DESC");
const CHANGES_ASCENDING: &str = changes!("ASC");

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 3] = [OPENED, CHANGES_DESCENDING, CHANGES_ASCENDING];

impl Store {
    pub(crate) async fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Result<Vec<LimitChange>, Unavailable> {
        let Some((oldest, newest)) = page.bounds() else {
            return Ok(Vec::new());
        };
        let account_id = id.as_str();
        let parameters: [&(dyn ToSql + Sync); 1] = [&account_id];
        let opened = self.ask(OPENED, &parameters, deadline, |rows| {
            rows.iter().map(opened).collect::<Result<Vec<_>, _>>()
        });
        let mut limits = opened.await?;
        let statement = match page.order {
            ListOrder::Descending => CHANGES_DESCENDING,
            ListOrder::Ascending => CHANGES_ASCENDING,
        };
        let (mut from, mut to) = (time(oldest.at), time(newest.at));
        let mut found = 0;
        while found < page.limit() {
            let parameters: [&(dyn ToSql + Sync); 4] =
                [&account_id, &from, &to, &at_most(LIST_PAGE_MAX as u64)];
            let changes = self.ask(statement, &parameters, deadline, |rows| {
                rows.iter()
                    .map(|row| changed(&id, row))
                    .collect::<Result<Vec<_>, _>>()
            });
            let changes = changes.await?;
            match changes.last() {
                Some((last, _)) if changes.len() == LIST_PAGE_MAX => match page.order {
                    ListOrder::Descending => to = last - 1,
                    ListOrder::Ascending => from = last + 1,
                },
                Some(_) | None => found = usize::MAX,
            }
            let changes = changes.into_iter().filter_map(|(_, change)| change);
            let count = limits.len();
            limits.extend(changes);
            found = found.saturating_add(limits.len() - count);
        }
        Ok(page.of(limits, ListPlace::of_limit))
    }
}

fn opened(row: &Row) -> Result<LimitChange, Failure> {
    Ok(LimitChange {
        credit_limit: total(row, "credit_limit_opened")?,
        by: None,
        timestamp: timestamp(row.try_get("opened_at")?),
    })
}

/// When the account was changed, and to which limit, if that was changed.
fn changed(id: &AccountId, row: &Row) -> Result<(i64, Option<LimitChange>), Failure> {
    let changed_at: i64 = row.try_get("changed_at")?;
    let event = decode_event(row.try_get("record")?)?;
    let change = match LimitChange::of(&event) {
        Some((of, change)) if of == id && time(change.timestamp) == changed_at => Some(change),
        Some(_) => return Err(Failure::Damaged("a change of an account")),
        None => None,
    };
    Ok((changed_at, change))
}
