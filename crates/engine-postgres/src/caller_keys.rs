//! The keys of callers, kept beside the ledger so that all its nodes share them. What is in a record is
//! none of the engine's business: it keeps texts by their names.

use crate::connect::Session;
use crate::error::{Failure, PostgresOpenError};
use crate::options::PostgresOptions;
use crate::pool::connect;

/// The keys in a database. It connects when it is first asked, and again after a failure.
pub struct CallerKeys {
    url: String,
    options: PostgresOptions,
    session: Option<Session>,
}

impl CallerKeys {
    /// The keys in the database of this URL, which is not connected to yet.
    #[must_use]
    pub fn new(url: &str, options: &PostgresOptions) -> Self {
        Self {
            url: url.to_owned(),
            options: options.clone(),
            session: None,
        }
    }

    /// Every name with its record, in the order of the names.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or has no ledger of this version.
    pub async fn read(&mut self) -> Result<Vec<(String, String)>, PostgresOpenError> {
        let session = self.take().await?;
        let rows = session
            .query(
                "SELECT name, record FROM lastro.caller_keys ORDER BY name",
                &[],
            )
            .await?;
        let records = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let records = records.collect::<Result<_, tokio_postgres::Error>>()?;
        self.session = Some(session);
        Ok(records)
    }

    /// Adds a record; `false` if there is one of this name.
    ///
    /// # Errors
    ///
    /// As [`CallerKeys::read`].
    pub async fn insert(&mut self, name: &str, record: &str) -> Result<bool, PostgresOpenError> {
        let session = self.take().await?;
        let insert = "INSERT INTO lastro.caller_keys (name, record) VALUES ($1, $2)
            ON CONFLICT DO NOTHING";
        let count = session.execute(insert, &[&name, &record]).await?;
        committed(&session)?;
        self.session = Some(session);
        Ok(count > 0)
    }

    /// Replaces a record; `false` if there is no such one of this name any more.
    ///
    /// # Errors
    ///
    /// As [`CallerKeys::read`].
    pub async fn replace(
        &mut self,
        name: &str,
        before: &str,
        after: &str,
    ) -> Result<bool, PostgresOpenError> {
        let session = self.take().await?;
        let update = "UPDATE lastro.caller_keys SET record = $3 WHERE name = $1 AND record = $2";
        let count = session.execute(update, &[&name, &before, &after]).await?;
        committed(&session)?;
        self.session = Some(session);
        Ok(count > 0)
    }

    /// The session, which is given back only after it has answered.
    async fn take(&mut self) -> Result<Session, PostgresOpenError> {
        match self.session.take() {
            Some(session) if !session.is_closed() && self.is_of_the_primary(&session) => {
                Ok(session)
            }
            Some(_) | None => connect(&self.url, &self.options).await,
        }
    }

    /// Not of one that another has taken over from: keys may have been revoked since.
    fn is_of_the_primary(&self, session: &Session) -> bool {
        self.options.newest.is_it(session.read.origin)
    }
}

/// Fails where a commit did not wait for its standby: a failover may take back what it changed.
fn committed(session: &Session) -> Result<(), Failure> {
    match session.has_waited() {
        true => Ok(()),
        false => Err(Failure::CommitUnknown),
    }
}
