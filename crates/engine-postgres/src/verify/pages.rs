//! Rows of a query, a page at a time.

use std::collections::VecDeque;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Portal, Row, Transaction};

use super::Progress;
use crate::error::PostgresOpenError;

/// How many rows are in memory at once.
const PAGE_ROWS: i32 = 4_096;

/// An open query.
pub(crate) struct Pages {
    portal: Portal,
    what: &'static str,
    rows_count: u64,
    is_last: bool,
}

impl Pages {
    pub(crate) async fn open(
        transaction: &Transaction<'_>,
        what: &'static str,
        query: &str,
    ) -> Result<Self, PostgresOpenError> {
        let parameters: [&(dyn ToSql + Sync); 0] = [];
        let portal = transaction.bind(query, &parameters).await?;
        Ok(Self {
            portal,
            what,
            rows_count: 0,
            is_last: false,
        })
    }

    /// The next page; empty when there are no more rows.
    pub(crate) async fn next(
        &mut self,
        transaction: &Transaction<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<Row>, PostgresOpenError> {
        if self.is_last {
            return Ok(Vec::new());
        }
        let rows = transaction.query_portal(&self.portal, PAGE_ROWS).await?;
        self.is_last = rows.len() < PAGE_ROWS.unsigned_abs() as usize;
        self.rows_count += rows.len() as u64;
        progress(Progress {
            what: self.what,
            rows_count: self.rows_count,
        });
        Ok(rows)
    }
}

/// Rows sorted by their account, to be taken account by account.
pub(super) struct Sorted {
    pages: Pages,
    rows: VecDeque<Row>,
}

/// The next row of a sorted query.
pub(super) enum Next {
    /// It is of this account.
    Of(Row),
    /// It is of an account before this one, which does not exist then.
    Before(Row),
    /// It is of a later account, or there is none.
    Later,
}

impl Sorted {
    pub(super) const fn of(pages: Pages) -> Self {
        Self {
            pages,
            rows: VecDeque::new(),
        }
    }

    /// Takes the next row unless it is of an account after this one; `None` is after all of them.
    pub(super) async fn take(
        &mut self,
        transaction: &Transaction<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
        account_id: Option<&str>,
    ) -> Result<Next, PostgresOpenError> {
        if self.rows.is_empty() {
            self.rows = self.pages.next(transaction, progress).await?.into();
        }
        let Some(row) = self.rows.pop_front() else {
            return Ok(Next::Later);
        };
        let id: &str = row.try_get("account_id")?;
        match account_id {
            Some(account_id) if id == account_id => Ok(Next::Of(row)),
            Some(account_id) if id > account_id => {
                self.rows.push_front(row);
                Ok(Next::Later)
            }
            _ => Ok(Next::Before(row)),
        }
    }
}
