//! The accounts that a caller may use, as a list. A key that is bound to patterns asks for the range of
//! each, in order: what the key may not use is not looked at.

use std::time::Instant;

use ledger::{ACCOUNTS_PAGE_MAX, AccountId, AccountsPage, AccountsQuery, Engine, Unavailable};

use super::pattern::{AccountPattern, IdRange};
use super::ring::Caller;

/// How many ranges a page asks for, at most.
const RANGES_MAX: usize = 64;

impl IdRange {
    const fn first(&self) -> &AccountId {
        match self {
            Self::Beginning(id) | Self::One(id) => id,
        }
    }

    fn last(&self) -> AccountId {
        match self {
            Self::Beginning(id) => id.last_beginning_so(),
            Self::One(id) => id.clone(),
        }
    }

    /// What both have.
    fn within(self, prefix: Option<&AccountId>) -> Option<Self> {
        let Some(prefix) = prefix else {
            return Some(self);
        };
        let first = self.first().as_str();
        if first.starts_with(prefix.as_str()) {
            return Some(self);
        }
        let is_wider = matches!(self, Self::Beginning(_)) && prefix.as_str().starts_with(first);
        is_wider.then(|| Self::Beginning(prefix.clone()))
    }
}

/// The ranges of the patterns that have this prefix, in order and apart; `None` if one is about all accounts.
fn ranges(patterns: &[AccountPattern], prefix: Option<&AccountId>) -> Option<Vec<IdRange>> {
    let mut found = Vec::new();
    for pattern in patterns {
        found.extend(pattern.range()?.within(prefix));
    }
    // What begins so, before the one that is just this.
    found.sort_unstable_by_key(|range| {
        let is_one = matches!(range, IdRange::One(_));
        (range.first().clone(), is_one)
    });
    let mut apart: Vec<IdRange> = Vec::new();
    for range in found {
        let is_covered = apart
            .last()
            .is_some_and(|last| *range.first() <= last.last());
        if !is_covered {
            apart.push(range);
        }
    }
    Some(apart)
}

impl Caller {
    /// A page of the accounts that the caller may use. It may be short, as those of the engine.
    pub(crate) async fn accounts(
        &self,
        engine: &dyn Engine,
        query: AccountsQuery,
        deadline: Instant,
    ) -> Result<AccountsPage, Unavailable> {
        match self.account_patterns() {
            Some(patterns) => match ranges(patterns, query.prefix.as_ref()) {
                Some(ranges) => page_of(&ranges, engine, query, deadline).await,
                None => engine.accounts(query, deadline).await,
            },
            None => engine.accounts(query, deadline).await,
        }
    }
}

async fn page_of(
    ranges: &[IdRange],
    engine: &dyn Engine,
    mut query: AccountsQuery,
    deadline: Instant,
) -> Result<AccountsPage, Unavailable> {
    let limit = query.limit.clamp(1, ACCOUNTS_PAGE_MAX);
    let mut accounts = Vec::new();
    let mut asked_count = 0;
    for range in ranges {
        let last = range.last();
        if query.after.as_ref().is_some_and(|after| *after >= last) {
            continue;
        }
        if accounts.len() == limit || asked_count == RANGES_MAX {
            let next_after = query.after;
            return Ok(AccountsPage {
                accounts,
                next_after,
            });
        }
        asked_count += 1;
        match range {
            IdRange::One(id) => {
                let account = engine.account(id.clone(), deadline).await?;
                let account = account.filter(|account| query.asks_for(id, account));
                accounts.extend(account.map(|account| (id.clone(), account)));
            }
            IdRange::Beginning(prefix) => {
                let part = AccountsQuery {
                    prefix: Some(prefix.clone()),
                    limit: limit - accounts.len(),
                    ..query.clone()
                };
                let page = engine.accounts(part, deadline).await?;
                accounts.extend(page.accounts);
                if page.next_after.is_some() {
                    let next_after = page.next_after;
                    return Ok(AccountsPage {
                        accounts,
                        next_after,
                    });
                }
            }
        }
        query.after = Some(last);
    }
    Ok(AccountsPage {
        accounts,
        next_after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges_of(patterns: &[&str], prefix: &str) -> Option<Vec<String>> {
        let patterns: Vec<AccountPattern> = patterns
            .iter()
            .map(|pattern| pattern.parse().unwrap())
            .collect();
        let prefix = AccountId::new(prefix).ok();
        let found = ranges(&patterns, prefix.as_ref())?;
        let text = |range: &IdRange| match range {
            IdRange::Beginning(id) => format!("{id}*"),
            IdRange::One(id) => id.to_string(),
        };
        Some(found.iter().map(text).collect())
    }

    #[test]
    fn ranges_are_in_order_and_apart() {
        let patterns = [
            "users:*", "shops:7", "users:1*", "users:", "a*", "shops:7", "users:*",
        ];
        for (prefix, expected) in [
            ("", vec!["a*", "shops:7", "users:*"]),
            ("users:1", vec!["users:1*"]),
            ("users:42", vec!["users:42*"]),
            ("u", vec!["users:*"]),
            ("shops:", vec!["shops:7"]),
            ("shops:70", vec![]),
            ("b", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(ranges_of(&patterns, prefix), Some(expected), "{prefix}");
        }
        assert_eq!(ranges_of(&["a", "*"], ""), None);
    }
}
