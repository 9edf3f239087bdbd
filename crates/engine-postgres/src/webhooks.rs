//! What nodes keep of the endpoints of webhooks, and which node sends to each.
//!
//! A claim is a lease by the database's clock: the node that has it renews it, and another takes it over when it has
//! ended. What is written belongs to a claim: a node that has lost it writes nothing. A round trip each.

use std::time::{Duration, Instant};

use ledger::Unavailable;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::call::Store;
use crate::codec::signed;
use crate::error::Failure;

/// How long the database has for an answer.
const BOUND: Duration = Duration::from_secs(5);

const CLAIM: &str = "
    INSERT INTO lastro.webhooks AS kept (endpoint, holder, holder_name, held_until)
    VALUES ($1, $2, $3, lastro.now_ns() + $4)
    ON CONFLICT (endpoint) DO UPDATE SET holder = excluded.holder,
        holder_name = excluded.holder_name, held_until = excluded.held_until
    WHERE kept.holder = excluded.holder OR kept.held_until < lastro.now_ns()
        -- A claim by a clock that was ahead, and was set right since.
        OR kept.held_until > lastro.now_ns() + $4
    RETURNING endpoint";

/// Only while the row has this node's name: what another node has done meanwhile is not overwritten.
const RENEW: &str = "
    UPDATE lastro.webhooks SET held_until = lastro.now_ns() + $3
    WHERE endpoint = $1 AND holder = $2 RETURNING endpoint";

const HOLDER: &str = "SELECT holder_name FROM lastro.webhooks WHERE endpoint = $1";

const RELEASE: &str = "
    UPDATE lastro.webhooks SET holder = NULL, held_until = 0
    WHERE endpoint = $1 AND holder = $2 RETURNING endpoint";

const READ: &str = "
    SELECT state FROM lastro.webhooks WHERE endpoint = $1 AND state IS NOT NULL";

const WRITE: &str = "
    UPDATE lastro.webhooks SET state = $3
    WHERE endpoint = $1 AND holder = $2 RETURNING endpoint";

const PUT_ASIDE: &str = "
    UPDATE lastro.webhooks SET state_aside = state, state = NULL
    WHERE endpoint = $1 AND holder = $2 AND state IS NOT NULL RETURNING endpoint";

/// All but the claim's, for a look at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 6] = [RENEW, HOLDER, RELEASE, READ, WRITE, PUT_ASIDE];

/// The endpoints of webhooks in the database, as one node claims them.
#[derive(Clone)]
pub struct WebhookRows {
    store: Store,
    node_id: Uuid,
    node: String,
    lasts: Duration,
}

impl WebhookRows {
    /// For a node that others know by this name, and whose claims last so long.
    pub(crate) fn new(store: Store, node: String, lasts: Duration) -> Self {
        let node_id = Uuid::new_v4();
        Self {
            store,
            node_id,
            node,
            lasts,
        }
    }

    /// How long a claim lasts, from before it was asked for.
    #[must_use]
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Renews the claim that this node has; else the name of the node that has it now.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn renew(&self, endpoint: &str) -> Result<Option<String>, Unavailable> {
        let lasts = self.lasts_ns();
        let parameters: [&(dyn ToSql + Sync); 3] = [&endpoint, &self.node_id, &lasts];
        match self.change(RENEW, &parameters).await?.is_empty() {
            true => self.holder(endpoint).await.map(Some),
            false => Ok(None),
        }
    }

    fn lasts_ns(&self) -> i64 {
        signed(stdx::whole_nanos(self.lasts))
    }

    /// Claims an endpoint; else the name of the node that has it.
    ///
    /// # Errors
    ///
    /// When the database does not answer. Whether the endpoint is claimed is not known then.
    pub async fn claim(&self, endpoint: &str) -> Result<Option<String>, Unavailable> {
        let lasts = self.lasts_ns();
        let parameters: [&(dyn ToSql + Sync); 4] = [&endpoint, &self.node_id, &self.node, &lasts];
        if !self.change(CLAIM, &parameters).await?.is_empty() {
            return Ok(None);
        }
        self.holder(endpoint).await.map(Some)
    }

    async fn holder(&self, endpoint: &str) -> Result<String, Unavailable> {
        let deadline = Instant::now() + BOUND;
        let name = |rows: &[Row]| {
            let row = rows.first().ok_or(Failure::Damaged("a webhook's row"))?;
            Ok(row.try_get("holder_name")?)
        };
        self.store.ask(HOLDER, &[&endpoint], deadline, name).await
    }

    /// Gives a claim up, if this node has it.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn release(&self, endpoint: &str) -> Result<(), Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&endpoint, &self.node_id];
        self.change(RELEASE, &parameters).await.map(drop)
    }

    /// The state of an endpoint, as any node has written it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn read(&self, endpoint: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        let deadline = Instant::now() + BOUND;
        let state = |rows: &[Row]| {
            let state = rows.first().map(|row| row.try_get("state"));
            Ok(state.transpose()?)
        };
        self.store.ask(READ, &[&endpoint], deadline, state).await
    }

    /// Keeps a state under this node's claim; `false`, and nothing is written, where another node has claimed the
    /// endpoint.
    ///
    /// # Errors
    ///
    /// When the database does not answer. Whether it was written is not known then.
    pub async fn write(&self, endpoint: &str, state: &[u8]) -> Result<bool, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&endpoint, &self.node_id, &state];
        Ok(!self.change(WRITE, &parameters).await?.is_empty())
    }

    /// Puts the state aside, under this node's claim; `false` where there is none.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn put_aside(&self, endpoint: &str) -> Result<bool, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&endpoint, &self.node_id];
        Ok(!self.change(PUT_ASIDE, &parameters).await?.is_empty())
    }

    /// Each change may be made twice.
    async fn change(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let deadline = Instant::now() + BOUND;
        self.store
            .until(deadline, || {
                self.store.rows_written(statement, parameters, deadline)
            })
            .await
    }
}
