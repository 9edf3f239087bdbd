//! Lists that are walked page by page.
//!
//! A page is taken over only when it is wholly there. So an error, or a future that is dropped, loses nothing: the next
//! call goes on where the walk stands, and nothing is skipped or repeated.

use std::vec::IntoIter;

use serde::de::DeserializeOwned;

use crate::call::{Call, Prepared};
use crate::client::Client;
use crate::error::Error;
use crate::records::{
    Account, AccountBalance, AccountsPage, BalancesPage, Entry, LimitChange, LimitsPage,
    PaymentRecord, PaymentsPage, StatementPage, Transfer, TransfersPage, UnsettledPayment,
    UnsettledPaymentsPage,
};
use crate::requests::{
    AccountsQuery, BalancesQuery, LimitsQuery, PaymentsQuery, StatementQuery, TransfersQuery,
    UnsettledPaymentsQuery,
};

/// A query whose answer comes in pages.
pub trait Paged {
    /// What the list has.
    type Item;
    /// A page of it.
    type Page: DeserializeOwned;

    /// The call for a page.
    #[doc(hidden)]
    fn call(&self, cursor: Option<&str>) -> Prepared;
    /// What a page has, and where the next one begins.
    #[doc(hidden)]
    fn parts(page: Self::Page) -> (Vec<Self::Item>, Option<String>);
}

macro_rules! paged {
    ($query:ty, $page:ty, $items:ident: $item:ty, $path:expr) => {
        impl Paged for $query {
            type Item = $item;
            type Page = $page;

            fn call(&self, cursor: Option<&str>) -> Prepared {
                let path: fn(&Self) -> Vec<&str> = $path;
                Prepared(Call::get(&path(self), self.query(cursor)))
            }

            fn parts(page: $page) -> (Vec<$item>, Option<String>) {
                (page.$items, page.next_cursor)
            }
        }
    };
}

paged!(AccountsQuery, AccountsPage, accounts: Account, |_| vec!["v1", "accounts"]);
paged!(BalancesQuery, BalancesPage, balances: AccountBalance, |_| vec!["v1", "balances"]);
paged!(LimitsQuery, LimitsPage, limits: LimitChange, |query| vec![
    "v1",
    "accounts",
    query.account_id.as_str(),
    "limits"
]);
paged!(StatementQuery, StatementPage, entries: Entry, |query| vec![
    "v1",
    "accounts",
    query.account_id.as_str(),
    "statement"
]);
paged!(TransfersQuery, TransfersPage, transfers: Transfer, |_| vec!["v1", "transfers"]);
paged!(PaymentsQuery, PaymentsPage, payments: PaymentRecord, |_| vec!["v1", "payments"]);
paged!(
    UnsettledPaymentsQuery,
    UnsettledPaymentsPage,
    payments: UnsettledPayment,
    |_| vec!["v1", "payments"]
);

/// A list on its way. What was there when the walk began comes once, in the list's order.
#[derive(Debug)]
pub struct Walk<'a, Q: Paged> {
    client: &'a Client,
    query: Q,
    ready: IntoIter<Q::Item>,
    next: Next,
}

/// The next page.
#[derive(Debug)]
enum Next {
    First,
    At(String),
    End,
}

impl<'a, Q: Paged> Walk<'a, Q> {
    pub(crate) fn new(client: &'a Client, query: Q) -> Self {
        Self {
            client,
            query,
            ready: Vec::new().into_iter(),
            next: Next::First,
        }
    }

    /// The next of the list, or `None` at its end.
    ///
    /// # Errors
    ///
    /// As for every read. The walk can go on after an error.
    pub async fn next(&mut self) -> Result<Option<Q::Item>, Error> {
        loop {
            if let Some(item) = self.ready.next() {
                return Ok(Some(item));
            }
            let cursor = match &self.next {
                Next::First => None,
                Next::At(cursor) => Some(cursor.as_str()),
                Next::End => return Ok(None),
            };
            let Prepared(call) = self.query.call(cursor);
            let (items, next_cursor) = Q::parts(self.client.read(&call).await?);
            self.ready = items.into_iter();
            self.next = next_cursor.map_or(Next::End, Next::At);
        }
    }
}
