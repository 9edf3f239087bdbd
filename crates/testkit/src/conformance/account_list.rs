//! The list of accounts compared: walked from page to page in every way, and begun anywhere.

use ledger::{AccountId, AccountsPage, AccountsQuery, Currency};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::run::Run;

/// How many lists are begun somewhere, or ask for something.
const LISTS: usize = 12;
/// How many pages of one size are walked.
const PAGES_MAX: usize = 40;

/// Every account.
const ALL: AccountsQuery = AccountsQuery {
    after: None,
    prefix: None,
    currency: None,
    closed: None,
    limit: 1_000,
};

impl Run<'_> {
    pub(super) async fn compare_account_list(&mut self) -> Result<(), String> {
        let whole = self.accounts_page(ALL).await?;
        let limits = [0, 1, 3, 7, 1_001];
        for limit in limits {
            self.walk(AccountsQuery { limit, ..ALL }).await?;
        }
        let ids: Vec<AccountId> = whole.accounts.into_iter().map(|(id, _)| id).collect();
        for _ in 0..LISTS {
            let query = AccountsQuery {
                after: self.maybe(|run| run.a_place(&ids)).flatten(),
                prefix: self.maybe(|run| run.a_beginning(&ids)).flatten(),
                currency: self.maybe(Run::a_currency),
                closed: self.maybe(|run| run.rng.random()),
                limit: limits.choose(&mut self.rng).copied().unwrap_or(2),
            };
            self.walk(query).await?;
        }
        Ok(())
    }

    /// Compares every page of a list from there on.
    async fn walk(&mut self, mut query: AccountsQuery) -> Result<(), String> {
        for _ in 0..PAGES_MAX {
            let page = self.accounts_page(query.clone()).await?;
            match page.next_after {
                Some(after) => query.after = Some(after),
                None => break,
            }
        }
        Ok(())
    }

    async fn accounts_page(&mut self, query: AccountsQuery) -> Result<AccountsPage, String> {
        let deadline = self.deadline();
        self.ask(
            || format!("accounts of {query:?}"),
            |engine| engine.accounts(query.clone(), deadline),
        )
        .await
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.rng.random_bool(0.4).then(|| draw(self))
    }

    /// An account's id, or one right behind it that no account has.
    fn a_place(&mut self, ids: &[AccountId]) -> Option<AccountId> {
        let id = ids.choose(&mut self.rng)?;
        match self.rng.random() {
            true => Some(id.clone()),
            false => AccountId::new(&format!("{id}-")).ok(),
        }
    }

    /// The beginning of an account's id, or all of it.
    fn a_beginning(&mut self, ids: &[AccountId]) -> Option<AccountId> {
        let id = ids.choose(&mut self.rng)?.as_str();
        let length = self.rng.random_range(1..=id.len());
        AccountId::new(&id[..length]).ok()
    }

    fn a_currency(&mut self) -> Currency {
        let code = ["BRL", "USD", "JPY"].choose(&mut self.rng);
        let currency = code.and_then(|code| Currency::new(code).ok());
        currency.unwrap_or_else(|| unreachable!("each is a currency"))
    }
}
