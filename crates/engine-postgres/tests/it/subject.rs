//! The engine as the conformance suite tests it.

use std::sync::Arc;

use engine_postgres::{Options, PostgresEngine};
use ledger::{BoxFuture, Engine};
use testkit::conformance::{Subject, Time};

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
    PostgresEngine::open(url, &Options::default())
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
