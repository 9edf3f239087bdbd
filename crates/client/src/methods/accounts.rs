//! Accounts and balances.

use reqwest::Method;
use serde::Serialize;

use crate::account_id::AccountId;
use crate::call::{Call, Query};
use crate::client::{Answered, Client};
use crate::error::Error;
use crate::records::{Account, AccountsPage, Balance, BalanceWhen, BalancesPage, LimitsPage};
use crate::requests::{AccountsQuery, BalancesQuery, Change, LimitsQuery, NewAccount};
use crate::walk::Walk;
use crate::words::Frozen;

impl Client {
    /// Opens an account. The same account again, with the same content, is answered as it was opened, and `replayed`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `exists_with_different_…` if it was opened before with other content.
    pub async fn open_account(&self, new: &NewAccount) -> Result<Answered<Account>, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            id: &'a AccountId,
            currency: &'a str,
            credit_limit: u64,
        }
        let body = Body {
            id: &new.id,
            currency: &new.currency,
            credit_limit: new.credit_limit,
        };
        let about = format!("the opening of account {}", new.id);
        self.write(&Call::post(&["v1", "accounts"], about, &body))
            .await
    }

    /// An account and its totals.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `account_not_found` if it does not exist.
    pub async fn account(&self, id: &AccountId) -> Result<Account, Error> {
        self.read(&Call::get(&["v1", "accounts", id.as_str()], Query::new()))
            .await
    }

    /// One page of the accounts, in the byte order of their ids. It may be short, or empty, and still have a
    /// `next_cursor`: give the same query with it.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn accounts_page(
        &self,
        query: &AccountsQuery,
        cursor: Option<&str>,
    ) -> Result<AccountsPage, Error> {
        self.read(&Call::get(&["v1", "accounts"], query.query(cursor)))
            .await
    }

    /// Every account, in the byte order of their ids, page by page.
    #[must_use]
    pub fn accounts(&self, query: AccountsQuery) -> Walk<'_, AccountsQuery> {
        Walk::new(self, query)
    }

    /// Changes an account: its limit, what is frozen, or that it is closed. The change has an id, so it is sent again
    /// until it is answered, and happens once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], among others with `account_in_other_state` if it is not as the change expects it.
    pub async fn change_account(
        &self,
        id: &AccountId,
        change: &Change,
    ) -> Result<Answered<Account>, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            credit_limit: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected_credit_limit: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            frozen: Option<&'a Frozen>,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected_frozen: Option<&'a Frozen>,
            #[serde(skip_serializing_if = "Option::is_none")]
            closed: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected_entry_count: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            who: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            why: Option<&'a str>,
        }
        let body = Body {
            credit_limit: change.credit_limit,
            expected_credit_limit: change.expected_credit_limit,
            frozen: change.frozen.as_ref(),
            expected_frozen: change.expected_frozen.as_ref(),
            closed: change.close.then_some(true),
            expected_entry_count: change.expected_entry_count,
            who: change.who.as_deref(),
            why: change.why.as_deref(),
        };
        let about = format!("change {} of account {id}", change.id);
        let post = Call::post(&["v1", "accounts", id.as_str()], about, &body);
        let call = Call {
            method: Method::PATCH,
            key: Some(change.id),
            ..post.under(Some(change.id))
        };
        self.write(&call).await
    }

    /// One page of the credit limits that an account was given, newest first unless another order is asked for.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn limits_page(
        &self,
        query: &LimitsQuery,
        cursor: Option<&str>,
    ) -> Result<LimitsPage, Error> {
        let path = ["v1", "accounts", query.account_id.as_str(), "limits"];
        self.read(&Call::get(&path, query.query(cursor))).await
    }

    /// Every credit limit that an account was given, page by page; the oldest is the one that it was opened with.
    #[must_use]
    pub fn limits(&self, query: LimitsQuery) -> Walk<'_, LimitsQuery> {
        Walk::new(self, query)
    }

    /// The balance as it was at a time, or right after a transfer.
    ///
    /// # Errors
    ///
    /// As for every read; `transfer_of_other_accounts` if the transfer does not touch the account.
    pub async fn balance(&self, id: &AccountId, when: &BalanceWhen) -> Result<Balance, Error> {
        let query = match when {
            BalanceWhen::At(time) => Query::new().with("at", Some(time)),
            BalanceWhen::After(transfer) => Query::new().with("after", Some(transfer)),
        };
        self.read(&Call::get(
            &["v1", "accounts", id.as_str(), "balance"],
            query,
        ))
        .await
    }

    /// One page of a trial balance: what every account held at one moment. The last page has the sums by currency. It may
    /// be short, or empty, and still have a `next_cursor`: give the same query with it.
    ///
    /// # Errors
    ///
    /// As for every read; `timeout` if one of the system's own accounts has too many transfers since that moment.
    pub async fn balances_page(
        &self,
        query: &BalancesQuery,
        cursor: Option<&str>,
    ) -> Result<BalancesPage, Error> {
        self.read(&Call::get(&["v1", "balances"], query.query(cursor)))
            .await
    }

    /// What every account held at one moment, in the byte order of their ids, page by page.
    #[must_use]
    pub fn balances(&self, query: BalancesQuery) -> Walk<'_, BalancesQuery> {
        Walk::new(self, query)
    }
}
