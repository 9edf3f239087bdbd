//! Pages of the list of accounts: limited ones by their key, and unlimited ones as the sums of their
//! stripes, merged by id.
//!
//! One or two statements a page, each a walk along a primary key. More only where a filter leaves out
//! what was read, and then for at most [`ledger::ACCOUNTS_EXAMINED_MAX`] accounts.

use std::time::Instant;

use ledger::{AccountsPage, AccountsPageFilling, AccountsQuery, Unavailable};
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::{account_columns, account_id, limited_account, stripe_columns};
use crate::pages::summed;

/// The rows of a statement, at most.
const ROWS_AT_ONCE: usize = 1_001;

const LIMITED: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM lastro.accounts account
    WHERE account_id > $1 AND account_id >= $2 AND account_id < $3
    ORDER BY account_id LIMIT $4"
);

const UNLIMITED: &str = concat!(
    "SELECT ",
    stripe_columns!(),
    " FROM lastro.stripes WHERE account_id IN (
        SELECT account_id FROM lastro.stripes
        WHERE account_id > $1 AND account_id >= $2 AND account_id < $3 AND stripe = 0
        ORDER BY account_id LIMIT $4)
    ORDER BY account_id, stripe"
);

/// Both of them, for a look at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [LIMITED, UNLIMITED];

/// What follows the last character that an id may have.
const BEHIND_ALL: char = '{';
/// Where the ids of unlimited accounts begin and end.
const UNLIMITED_RANGES: [(&str, &str); 2] = [("processor:", "processor;"), ("world:", "world;")];

/// Which ids a page is still about.
struct IdRange {
    /// Only ids behind this.
    after: String,
    /// Only ids that are this or come behind it.
    from: String,
    /// Only ids before this.
    end: String,
}

impl IdRange {
    fn of(query: &AccountsQuery) -> Self {
        let text = |id: &Option<ledger::AccountId>| match id {
            Some(id) => id.to_string(),
            // No id is empty: all come behind it.
            None => String::new(),
        };
        let from = text(&query.prefix);
        Self {
            after: text(&query.after),
            end: format!("{from}{BEHIND_ALL}"),
            from,
        }
    }

    fn may_have_unlimited(&self) -> bool {
        let begin = (&self.after).max(&self.from).as_str();
        UNLIMITED_RANGES
            .iter()
            .any(|(first, end)| begin < *end && self.end.as_str() > *first)
    }
}

impl Store {
    pub(crate) async fn accounts(
        &self,
        query: AccountsQuery,
        deadline: Instant,
    ) -> Result<AccountsPage, Unavailable> {
        let mut page = AccountsPageFilling::new(query);
        loop {
            let range = IdRange::of(page.rest());
            let count = page.wanted().min(ROWS_AT_ONCE);
            let limit = i64::try_from(count).map_err(|_| Unavailable::Overloaded)?;
            let IdRange { after, from, end } = &range;
            let parameters: [&(dyn ToSql + Sync); 4] = [after, from, end, &limit];
            let limited = self.ask(LIMITED, &parameters, deadline, |rows| {
                rows.iter()
                    .map(|row| Ok((account_id(row, "account_id")?, limited_account(row)?)))
                    .collect()
            });
            let mut accounts: Vec<_> = limited.await?;
            if range.may_have_unlimited() {
                let unlimited = self.ask(UNLIMITED, &parameters, deadline, summed);
                accounts.append(&mut unlimited.await?);
                accounts.sort_unstable_by(|(id, _), (other, _)| id.cmp(other));
            }
            // Of each kind the first `count` were read: so many of both together are in order, too.
            let is_at_end = accounts.len() < count;
            for (id, account) in accounts.iter().take(count) {
                if !page.offer(id, account) {
                    return Ok(page.finish());
                }
            }
            if is_at_end {
                return Ok(page.finish());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_read_only_where_an_unlimited_account_may_be() {
        let id = |text: &str| ledger::AccountId::new(text).unwrap();
        for (after, prefix, expected) in [
            (None, None, true),
            (None, Some("users:"), false),
            (None, Some("w"), true),
            (None, Some("world:BRL"), true),
            (None, Some("worlds"), false),
            (Some("processor:z:USD"), None, true),
            (Some("world:ZAR"), None, true),
            (Some("worlds"), None, false),
            (Some("worlds"), Some("w"), false),
            (Some("a"), Some("processor:"), true),
            (None, Some("processor"), true),
        ] {
            let range = IdRange::of(&AccountsQuery {
                after: after.map(id),
                prefix: prefix.map(id),
                currency: None,
                closed: None,
                limit: 1,
            });
            assert_eq!(range.may_have_unlimited(), expected, "{after:?} {prefix:?}");
        }
    }
}
