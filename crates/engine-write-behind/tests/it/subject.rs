//! The engine as the conformance suite tests it, and the stores that outlive it.

use std::sync::Arc;

use engine_write_behind::{Opened, WriteBehindEngine, WriteBehindOptions};
use ledger::{BoxFuture, Engine};
use testkit::conformance::{Aged, Subject, Time, replaced};
use testkit::servers::{Redis, ServerOptions};
use tokio_postgres::NoTls;

/// A Redis that keeps what it answers.
pub(crate) fn redis() -> Redis {
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap()
}

pub(crate) async fn open_with(
    redis_url: &str,
    database_url: &str,
    options: WriteBehindOptions,
) -> (WriteBehindEngine, Opened) {
    let opened = WriteBehindEngine::open(redis_url, database_url, options).await;
    opened.unwrap()
}

/// An engine over stores that outlive it.
pub(crate) struct WriteBehindSubject {
    redis: Redis,
    database_url: String,
    options: WriteBehindOptions,
    restarts: u32,
    engine: Arc<WriteBehindEngine>,
}

impl WriteBehindSubject {
    pub(crate) async fn open(database_url: String, options: WriteBehindOptions) -> Self {
        let redis = redis();
        let (engine, _) = open_with(&redis.url(), &database_url, options.clone()).await;
        Self {
            redis,
            database_url,
            options,
            restarts: 0,
            engine: Arc::new(engine),
        }
    }
}

impl Subject for WriteBehindSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        Time::Real
    }

    /// Each time another part: the node alone, Redis with it, or all that Redis holds.
    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.restarts += 1;
            match self.restarts % 3 {
                1 => {
                    crate::support::wait_until_persisted(&self.engine).await;
                    self.redis.command(&["FLUSHALL"]).unwrap();
                }
                2 => {
                    self.redis.kill();
                    self.redis.restart().unwrap();
                }
                _ => {}
            }
            let redis_url = self.redis.url();
            let opened = open_with(&redis_url, &self.database_url, self.options.clone());
            self.engine = Arc::new(opened.await.0);
            true
        })
    }

    fn has_payments(&self) -> bool {
        false
    }

    fn has_reversals(&self) -> bool {
        false
    }

    fn has_parts(&self) -> bool {
        false
    }

    fn has_freezes(&self) -> bool {
        false
    }

    fn has_reasons(&self) -> bool {
        false
    }

    fn has_lists(&self) -> bool {
        false
    }

    fn reads_batches(&self) -> bool {
        false
    }
}

/// Everything is persisted before, so both stores have the records: Redis' are changed as the
/// database's, and those that Redis has let go of are found there.
impl Aged for WriteBehindSubject {
    fn age<'a>(&'a mut self, new: &'a [u8], old: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            crate::support::wait_until_persisted(&self.engine).await;
            let (client, connection) = tokio_postgres::connect(&self.database_url, NoTls)
                .await
                .unwrap();
            tokio::spawn(connection);
            let unfenced = "SET lastro_behind.writer = 'yes'";
            client.batch_execute(unfenced).await.unwrap();
            let statement = "UPDATE lastro.transfers SET record = decode(replace(encode(record, \
                'hex'), encode($1::bytea, 'hex'), encode($2::bytea, 'hex')), 'hex')";
            client.execute(statement, &[&new, &old]).await.unwrap();
            let redis = redis::Client::open(self.redis.url()).unwrap();
            let mut connection = redis.get_multiplexed_async_connection().await.unwrap();
            let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
                .arg("lastro:i:*")
                .query_async(&mut connection)
                .await
                .unwrap();
            for key in keys {
                let record: Option<Vec<u8>> = redis::cmd("GET")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                // Its time here may be over by now.
                let Some(record) = record else { continue };
                let _: redis::Value = redis::cmd("SET")
                    .arg(&key)
                    .arg(replaced(&record, new, old))
                    .arg("KEEPTTL")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
            }
        })
    }
}
