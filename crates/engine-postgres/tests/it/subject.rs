//! The engine as the conformance suite tests it.

use std::sync::Arc;

use engine_postgres::{PostgresEngine, PostgresOptions};
use ledger::{BoxFuture, Engine};
use testkit::conformance::{Aged, Subject, Time};
use tokio_postgres::NoTls;

/// An engine over a database that outlives it.
pub(crate) struct PostgresSubject {
    url: String,
    engine: Arc<PostgresEngine>,
}

impl PostgresSubject {
    pub(crate) async fn open(url: String) -> Self {
        let engine = Arc::new(open(&url).await);
        Self { url, engine }
    }
}

/// The engine over this database.
pub(crate) async fn open(url: &str) -> PostgresEngine {
    PostgresEngine::open(url, &PostgresOptions::default())
        .await
        .unwrap()
}

impl Subject for PostgresSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        Time::Real
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.engine = Arc::new(open(&self.url).await);
            true
        })
    }
}

/// Puts one text into the place of another in everything that the database keeps as a record.
pub(crate) async fn replace_in_records(url: &str, new: &[u8], old: &[u8]) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    for table in ["transfers", "payments"] {
        let statement = format!(
            "UPDATE lastro.{table} SET record = decode(replace(encode(record, 'hex'), \
             encode($1::bytea, 'hex'), encode($2::bytea, 'hex')), 'hex')"
        );
        client.execute(&statement, &[&new, &old]).await.unwrap();
    }
}

impl Aged for PostgresSubject {
    fn age<'a>(&'a mut self, new: &'a [u8], old: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            replace_in_records(&self.url, new, old).await;
            self.engine = Arc::new(open(&self.url).await);
        })
    }
}
