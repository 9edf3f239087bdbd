//! What the database's user has to be allowed: found at the start, not by the first call that needs
//! it.

use tokio_postgres::Client;

use crate::error::PostgresOpenError;

/// Every table, with what the engine does to it. A lock of a row needs the right to update it.
const NEEDED: [(&str, &str); 24] = [
    ("migrations", "SELECT"),
    ("ledger", "SELECT"),
    ("caller_keys", "SELECT"),
    ("accounts", "SELECT, INSERT, UPDATE"),
    ("stripes", "SELECT, INSERT, UPDATE"),
    ("entries", "SELECT, INSERT"),
    ("transfers", "SELECT, INSERT, UPDATE"),
    ("pendings", "SELECT, INSERT, DELETE"),
    ("reversals", "SELECT, INSERT"),
    ("parts", "SELECT, INSERT"),
    ("payments", "SELECT, INSERT, UPDATE"),
    ("payment_sums", "SELECT, INSERT, UPDATE, DELETE"),
    ("purges", "SELECT, INSERT"),
    ("batches", "SELECT, INSERT"),
    ("resolutions", "SELECT, INSERT"),
    ("account_changes", "SELECT, INSERT"),
    ("payment_changes", "SELECT, INSERT"),
    ("copy", "SELECT"),
    ("webhooks", "SELECT, INSERT, UPDATE"),
    ("events", "SELECT, INSERT"),
    ("listed", "SELECT, INSERT"),
    ("leases", "SELECT, INSERT, UPDATE, DELETE"),
    ("clock", "SELECT, UPDATE"),
    ("processor_health", "SELECT, INSERT, UPDATE"),
];

/// Whether there is a schema that the user may not look into.
const SCHEMA: &str = "
    SELECT current_user::text FROM pg_namespace
    WHERE nspname = 'lastro' AND NOT has_schema_privilege(oid, 'USAGE')";

/// Of the tables that are there.
const TABLES: &str = "
    SELECT current_user::text, name, wanted
    FROM unnest($1::text[], $2::text[]) AS needed (name, wanted)
    WHERE CASE WHEN to_regclass('lastro.' || name) IS NULL THEN false
        ELSE NOT has_table_privilege('lastro.' || name, wanted) END";

const FUNCTIONS: &str = "
    SELECT current_user::text, name FROM unnest(ARRAY['lastro.now_ns()', 'lastro.events_drawn()',
        'lastro.add_wrapping(bigint, bigint)',
        'lastro.accounts_of(text[], uuid[], uuid[], boolean, bigint)']) AS needed (name)
    WHERE CASE WHEN to_regprocedure(name) IS NULL THEN false
        ELSE NOT has_function_privilege(name, 'EXECUTE') END";

/// Whether the user may do all that the engine does, to what is there.
pub(crate) async fn check(client: &Client) -> Result<(), PostgresOpenError> {
    if let Some(row) = client.query_opt(SCHEMA, &[]).await? {
        let missing = "USAGE on schema lastro".to_owned();
        return refused(row.try_get(0)?, missing, "USAGE ON SCHEMA lastro");
    }
    let (mut names, mut wanted) = (Vec::new(), Vec::new());
    for (name, rights) in NEEDED {
        for right in rights.split(", ") {
            names.push(name);
            wanted.push(right);
        }
    }
    let rows = client.query(TABLES, &[&names, &wanted]).await?;
    if let Some(first) = rows.first() {
        let mut missing = Vec::with_capacity(rows.len());
        for row in &rows {
            let (name, right): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
            missing.push(format!("{right} on lastro.{name}"));
        }
        let grant = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lastro";
        return refused(first.try_get(0)?, missing.join(", "), grant);
    }
    let rows = client.query(FUNCTIONS, &[]).await?;
    if let Some(first) = rows.first() {
        let missing = format!("EXECUTE on {}", first.try_get::<_, &str>(1)?);
        let grant = "EXECUTE ON ALL FUNCTIONS IN SCHEMA lastro";
        return refused(first.try_get(0)?, missing, grant);
    }
    Ok(())
}

fn refused(user: &str, missing: String, rights: &str) -> Result<(), PostgresOpenError> {
    Err(PostgresOpenError::Rights {
        user: user.to_owned(),
        missing,
        grant: format!("GRANT {rights} TO \"{user}\""),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use testkit::servers::Postgres;

    use super::*;
    use crate::migrate;
    use crate::options::PostgresOptions;
    use crate::pool::connect;

    /// A table that is missing here is one that calls fail with, not the start.
    #[test]
    fn the_rights_to_every_table_are_looked_at() {
        let postgres = Postgres::start().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'lastro'";
        let there = runtime.block_on(async {
            let options = PostgresOptions::default();
            let mut client = connect(&postgres.url(), &options).await.unwrap();
            migrate::run(&mut client, options.beginning).await.unwrap();
            client.query(tables, &[]).await.unwrap()
        });
        let there: BTreeSet<String> = there.iter().map(|row| row.get(0)).collect();
        let needed = NEEDED.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, needed);
    }
}
