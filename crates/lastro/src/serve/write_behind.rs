//! The engine with Redis in front: its opening, and what `/readyz` says of it.

use std::sync::{Arc, Weak};

use engine_write_behind::{Condition, RedisDurability, WriteBehindEngine, WriteBehindOptions};
use server::{Health, Readiness};

use super::config::Config;
use super::engine_config::WriteBehindConfig;
use super::open_files::OpenFiles;
use super::opened::{LedgerIs, Opened, report_durability};
use super::sending;
use super::waiting::{self, NotYet};

/// What an answer waits for, in the words of the configuration.
const fn asked(durability: journal::Durability) -> RedisDurability {
    match durability {
        journal::Durability::Disk => RedisDurability::Always,
        journal::Durability::Os => RedisDurability::Everysec,
    }
}

/// What it promises, for people.
pub(crate) const fn promise(durability: journal::Durability) -> &'static str {
    match asked(durability) {
        RedisDurability::Always => {
            "disk (Redis syncs before it answers: an answered write survives a power cut; a Redis \
             that comes back with less is refused)"
        }
        RedisDurability::Everysec => {
            "os (Redis may sync once a second: up to 2 s of answered writes are lost with a power \
             cut, or with Redis killed while its disk is slow; the log names them, and the ledger \
             goes on without them)"
        }
    }
}

pub(super) async fn open(
    of_process: &Config,
    files: &OpenFiles,
    config: &WriteBehindConfig,
) -> anyhow::Result<Opened> {
    let usual = WriteBehindOptions::default();
    let options = WriteBehindOptions {
        queue_bytes_max: files.memory.room(usual.queue_bytes_max),
        durability: asked(of_process.durability),
        redis_authority: config.redis.authority.clone(),
        database: config.database.clone(),
        clock: config.clock,
        accepts_data_loss: config.accepts_data_loss,
        ..usual
    };
    let (redis_url, database_url) = (&config.redis.url, &config.database_url);
    let opened = waiting::until("Redis and the database", of_process.wait, async || {
        let opened = WriteBehindEngine::open(redis_url, database_url, options.clone()).await;
        opened.map_err(|error| NotYet {
            may_pass: error.may_pass(),
            error: anyhow::Error::new(error)
                .context("cannot open the ledger in Redis and the database"),
        })
    });
    let (engine, opened) = opened.await?;
    tracing::info!(
        appendfsync = opened.durability.as_str(),
        persisted_position = opened.persisted,
        position = opened.position,
        "Redis and the database agree"
    );
    of_process.check_ledger(opened.ledger_id)?;
    report_durability(opened.database, opened.ledger_id);
    let durability = format!(
        "redis-{} postgres-{}",
        opened.durability.as_str(),
        opened.database.as_str()
    );
    let engine = Arc::new(engine);
    let health = Arc::new(WriteBehindHealth {
        engine: Arc::downgrade(&engine),
        durability: opened.durability,
    });
    Ok(Opened {
        writer: None,
        webhooks: Some(engine.webhooks(sending::node_name(of_process), sending::CLAIM_LASTS)),
        engine,
        health,
        durability,
        claims: None,
        dispatching: None,
        ledger: LedgerIs::Known(opened.ledger_id),
    })
}

/// Ready while Redis takes writes and agrees with the database; how far that is behind is a field.
struct WriteBehindHealth {
    engine: Weak<WriteBehindEngine>,
    durability: RedisDurability,
}

impl Health for WriteBehindHealth {
    fn readiness(&self) -> Readiness {
        let Some(engine) = self.engine.upgrade() else {
            return Readiness::not_ready("ledger_unavailable");
        };
        let readiness = match engine.condition() {
            Condition::Ready => Readiness::ready(),
            Condition::Refuses { code, why } => {
                Readiness::not_ready(code.code()).with("why", &*why)
            }
        };
        let readiness = match engine.clock_ahead_s() {
            None => readiness,
            Some(ahead_s) => readiness.with("clock_ahead_s", ahead_s),
        };
        let lag = engine.lag();
        readiness
            .with("appendfsync", self.durability.as_str())
            .with("lag_entries", lag.entries)
            .with("lag_seconds", lag.age.as_secs_f64())
    }
}
