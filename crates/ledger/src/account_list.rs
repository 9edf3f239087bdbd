//! The list of accounts: its question, its pages, and how a page is filled from accounts in order.
//!
//! Accounts are in the byte order of their ids. A page names the last id that it looked at, and the next
//! one begins behind it: whatever is opened meanwhile, no account that was there is left out or listed
//! twice.

use std::ops::Bound;

use crate::account::Account;
use crate::currency::Currency;
use crate::id::{ACCOUNT_ID_LENGTH_MAX, AccountId};

/// The most accounts of a page.
pub const ACCOUNTS_PAGE_MAX: usize = 1_000;
/// How many accounts a page looks at, at most: one that filters many out may be short, or empty.
pub const ACCOUNTS_EXAMINED_MAX: usize = 4_000;

/// Which page of the accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsQuery {
    /// Only accounts behind this id; from the first on when `None`.
    pub after: Option<AccountId>,
    /// Only accounts whose ids begin so: the beginning of an id has the form of one.
    pub prefix: Option<AccountId>,
    /// Only accounts of this currency.
    pub currency: Option<Currency>,
    /// Only closed accounts, or only those that are not.
    pub closed: Option<bool>,
    /// How many accounts at most; engines give at least 1 and no more than [`ACCOUNTS_PAGE_MAX`].
    pub limit: usize,
}

/// A page of accounts, in the byte order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsPage {
    /// Each as it was when the page looked at it.
    pub accounts: Vec<(AccountId, Account)>,
    /// What the next page has to come behind; `None` when this is the last.
    pub next_after: Option<AccountId>,
}

impl AccountsQuery {
    /// Whether an account is one of those asked for; its place in the order apart.
    #[must_use]
    pub fn asks_for(&self, id: &AccountId, account: &Account) -> bool {
        self.has_prefix(id)
            && self
                .currency
                .is_none_or(|currency| account.currency == currency)
            && self.closed.is_none_or(|closed| account.closed == closed)
    }

    fn has_prefix(&self, id: &AccountId) -> bool {
        let prefix = self.prefix.as_ref();
        prefix.is_none_or(|prefix| id.as_str().starts_with(prefix.as_str()))
    }

    /// Where the ids begin that may be on the page.
    #[must_use]
    pub fn start(&self) -> Bound<&AccountId> {
        match (&self.after, &self.prefix) {
            (Some(after), Some(prefix)) if after < prefix => Bound::Included(prefix),
            (Some(after), _) => Bound::Excluded(after),
            (None, Some(prefix)) => Bound::Included(prefix),
            (None, None) => Bound::Unbounded,
        }
    }
}

impl AccountId {
    /// The last of all ids that begin like this one.
    #[must_use]
    pub fn last_beginning_so(&self) -> Self {
        let mut text = self.as_str().to_owned();
        // The last character that an id may have.
        text.extend(std::iter::repeat_n('z', ACCOUNT_ID_LENGTH_MAX - text.len()));
        match Self::new(&text) {
            Ok(id) => id,
            Err(_) => unreachable!("an id that is filled up with z is an id"),
        }
    }
}

/// A page that is being filled. Every engine fills its pages with this, so that their pages are the same.
#[derive(Debug)]
pub struct AccountsPageFilling {
    /// Its `after` is the last id that was looked at.
    query: AccountsQuery,
    examined_count: usize,
    accounts: Vec<(AccountId, Account)>,
    has_more: bool,
}

impl AccountsPageFilling {
    /// An empty page.
    #[must_use]
    pub fn new(mut query: AccountsQuery) -> Self {
        query.limit = query.limit.clamp(1, ACCOUNTS_PAGE_MAX);
        Self {
            query,
            examined_count: 0,
            accounts: Vec::new(),
            has_more: false,
        }
    }

    /// The question for what is missing: its `after` is the last account that was offered.
    #[must_use]
    pub const fn rest(&self) -> &AccountsQuery {
        &self.query
    }

    /// How many accounts may still be offered, the one included that shows that there are more.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let unexamined = ACCOUNTS_EXAMINED_MAX - self.examined_count;
        let filters = self.query.currency.is_some() || self.query.closed.is_some();
        let room = self.query.limit - self.accounts.len();
        if filters {
            unexamined + 1
        } else {
            room.min(unexamined) + 1
        }
    }

    /// Takes in the next account of the order behind [`rest`](Self::rest). Returns whether it wants the
    /// one behind it, too.
    pub fn offer(&mut self, id: &AccountId, account: &Account) -> bool {
        if !self.query.has_prefix(id) {
            return false;
        }
        let is_full = self.accounts.len() == self.query.limit;
        if is_full || self.examined_count == ACCOUNTS_EXAMINED_MAX {
            self.has_more = true;
            return false;
        }
        self.examined_count += 1;
        self.query.after = Some(id.clone());
        if self.query.asks_for(id, account) {
            self.accounts.push((id.clone(), *account));
        }
        true
    }

    /// The page: full, or no account was left to be offered.
    #[must_use]
    pub fn finish(self) -> AccountsPage {
        AccountsPage {
            accounts: self.accounts,
            next_after: self.query.after.filter(|_| self.has_more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Limit;
    use crate::time::Timestamp;

    fn id(text: &str) -> AccountId {
        AccountId::new(text).unwrap()
    }

    fn query() -> AccountsQuery {
        AccountsQuery {
            after: None,
            prefix: None,
            currency: None,
            closed: None,
            limit: 2,
        }
    }

    fn account(currency: &str) -> Account {
        let currency = Currency::new(currency).unwrap();
        Account::new(currency, Limit::Credit(0), Timestamp::default())
    }

    /// The page of accounts that are given in order, and how many were offered.
    fn page(query: AccountsQuery, accounts: &[(&str, Account)]) -> (Vec<String>, Option<String>) {
        let mut page = AccountsPageFilling::new(query);
        for (of, account) in accounts {
            if !page.offer(&id(of), account) {
                break;
            }
        }
        let page = page.finish();
        let ids = page.accounts.iter().map(|(id, _)| id.to_string());
        (ids.collect(), page.next_after.map(|id| id.to_string()))
    }

    #[test]
    fn a_page_names_where_the_next_begins_only_where_there_is_one() {
        let accounts = [
            ("a", account("BRL")),
            ("b", account("USD")),
            ("c", account("BRL")),
        ];
        assert_eq!(
            page(query(), &accounts),
            (vec!["a".into(), "b".into()], Some("b".into()))
        );
        assert_eq!(
            page(query(), &accounts[..2]),
            (vec!["a".into(), "b".into()], None)
        );
        assert_eq!(page(query(), &[]), (vec![], None));
        // What is behind the prefix is no next page.
        let of_prefix = AccountsQuery {
            prefix: Some(id("b")),
            ..query()
        };
        assert_eq!(page(of_prefix, &accounts[1..]), (vec!["b".into()], None));
        let filtered = AccountsQuery {
            currency: Some(Currency::new("BRL").unwrap()),
            ..query()
        };
        assert_eq!(
            page(filtered, &accounts),
            (vec!["a".into(), "c".into()], None)
        );
    }

    #[test]
    fn a_page_that_has_looked_at_enough_is_short() {
        let closed = AccountsQuery {
            closed: Some(true),
            ..query()
        };
        let mut page = AccountsPageFilling::new(closed);
        let mut offered = 0;
        loop {
            assert_eq!(page.wanted(), ACCOUNTS_EXAMINED_MAX + 1 - offered);
            let wants_more = page.offer(&id(&format!("{offered:06}")), &account("BRL"));
            offered += 1;
            if !wants_more {
                break;
            }
        }
        assert_eq!(offered, ACCOUNTS_EXAMINED_MAX + 1);
        let page = page.finish();
        assert_eq!(page.accounts, []);
        assert_eq!(page.next_after, Some(id("003999")));
    }

    #[test]
    fn a_page_begins_at_its_prefix_or_behind_the_page_before() {
        let at = |after: Option<&str>, prefix: Option<&str>| {
            let query = AccountsQuery {
                after: after.map(id),
                prefix: prefix.map(id),
                ..query()
            };
            query.start().map(ToString::to_string)
        };
        assert_eq!(at(None, None), Bound::Unbounded);
        assert_eq!(at(Some("b"), None), Bound::Excluded("b".to_owned()));
        assert_eq!(at(None, Some("b")), Bound::Included("b".to_owned()));
        assert_eq!(at(Some("a"), Some("b")), Bound::Included("b".to_owned()));
        assert_eq!(at(Some("b"), Some("b")), Bound::Excluded("b".to_owned()));
        assert_eq!(at(Some("c"), Some("b")), Bound::Excluded("c".to_owned()));
        let last = id("b").last_beginning_so();
        assert!(last > id(&format!("b{}", "z".repeat(62))) && last < id("c"));
        assert_eq!(last.last_beginning_so(), last);
    }
}
