//! Statements.

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::records::StatementPage;
use crate::requests::StatementQuery;
use crate::walk::Walk;
use crate::whole_statement::WholeStatement;

impl Client {
    /// One page of an account's entries, newest first unless another order is asked for. Give the same query with a
    /// cursor.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn statement_page(
        &self,
        query: &StatementQuery,
        cursor: Option<&str>,
    ) -> Result<StatementPage, Error> {
        let path = ["v1", "accounts", query.account_id.as_str(), "statement"];
        self.read(&Call::get(&path, query.query(cursor))).await
    }

    /// Every entry of an account, page by page. With the newest first, entries that are made meanwhile are not part of
    /// it; with the oldest first and no end they are.
    #[must_use]
    pub fn statement(&self, query: StatementQuery) -> Walk<'_, StatementQuery> {
        Walk::new(self, query)
    }

    /// Every entry of an account as one answer of any length, with the balances before and after them. The query's
    /// `limit` is not used.
    ///
    /// # Errors
    ///
    /// As for every read. An answer that breaks off later is not begun again: the entries say so.
    pub async fn whole_statement(&self, query: &StatementQuery) -> Result<WholeStatement, Error> {
        let path = ["v1", "accounts", query.account_id.as_str(), "statement"];
        let call = Call::get(&path, query.window().with("format", Some("ndjson")));
        let id = query.account_id.as_str();
        let is_of_system = id.starts_with("world:") || id.starts_with("processor:");
        WholeStatement::new(self.stream(&call).await?, is_of_system, self.patience())
    }
}
