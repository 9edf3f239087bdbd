//! A connection on loan from the pool.

use std::time::Instant;

use deadpool::managed;

use crate::connect::{Connector, Session};
use crate::error::Failure;

/// The connections of a node.
pub(crate) type Pool = managed::Pool<Connector>;

/// One of them, on loan.
pub(crate) type Object = managed::Object<Connector>;

/// A connection in use. One that is given up in the middle of its work is closed: nobody finds a
/// transaction of somebody else's in it.
pub struct Lease {
    client: Option<Object>,
}

impl Lease {
    pub(crate) async fn take(pool: &Pool, deadline: Instant) -> Result<Self, Failure> {
        let client = tokio::time::timeout_at(deadline.into(), pool.get())
            .await
            .map_err(|_| Failure::Late)??;
        Ok(Self {
            client: Some(client),
        })
    }

    /// The connection.
    pub fn client(&self) -> &Session {
        match &self.client {
            Some(client) => client,
            None => unreachable!("a lease has its client until it ends"),
        }
    }

    /// After a commit that the database has answered: whether it had waited for its standby, where it
    /// has to.
    ///
    /// # Errors
    ///
    /// When it had not: the outcome is as unknown as if there were no answer.
    pub fn committed(&self) -> Result<(), Failure> {
        match self.client().has_waited() {
            true => Ok(()),
            false => Err(Failure::CommitUnknown),
        }
    }

    /// Waits until all that was committed before is on the standby, where commits wait for one: what
    /// is seen there may be of a commit whose own wait ended early.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or did not wait.
    pub async fn settle(&self) -> Result<(), Failure> {
        let nothing = "SELECT pg_logical_emit_message(true, 'lastro', '')";
        self.client().batch_execute(nothing).await?;
        self.committed()
    }

    /// Gives the connection back: it is in no transaction.
    pub fn done(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            if let Some(pool) = Object::pool(&client) {
                pool.manager().doubt.doubt();
            }
            drop(Object::take(client));
        }
    }
}
