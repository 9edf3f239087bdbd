//! Whether a Redis stands in front of the database: then what is answered may not be here yet, and
//! limits would be spent twice. `engine-write-behind` makes its schema, and takes it away.

use tokio_postgres::Client;

use crate::error::PostgresOpenError;

/// Refuses such a database.
pub(crate) async fn refuse(client: &Client) -> Result<(), PostgresOpenError> {
    match is_behind(client).await? {
        true => Err(PostgresOpenError::Behind),
        false => Ok(()),
    }
}

/// Whether the database is such a one, now.
pub(crate) async fn is_behind(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let schema = "SELECT to_regclass('lastro_behind.ledger') IS NOT NULL";
    if !client.query_one(schema, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    let ledger = "SELECT EXISTS (SELECT FROM lastro_behind.ledger)";
    client.query_one(ledger, &[]).await?.try_get(0)
}
