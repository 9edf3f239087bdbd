//! Opening the engine that was asked for.

use std::sync::Arc;

use anyhow::{Context, ensure};
use engine_embedded::{EmbeddedEngine, Recovery};
use engine_postgres::PostgresEngine;
use engine_remote::RemoteEngine;
use journal::FileStorage;
use ledger::{Claims, Clock, Dispatching};
use stdx::whole_millis;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::health::{EmbeddedHealth, PostgresHealth, RemoteHealth};
use super::open_files::OpenFiles;
use super::opened::{Opened, report_durability};
use super::payments;

/// Opens the engine; needs to be in a runtime.
pub(super) async fn open(
    config: &Config,
    files: &OpenFiles,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Opened> {
    match &config.engine {
        EngineConfig::Embedded => {
            let engine = Arc::new(embedded(config, files, clock)?);
            let health = Arc::new(EmbeddedHealth::new(&engine, config.durability));
            Ok(Opened {
                engine,
                health,
                durability: config.durability.to_string(),
                claims: None,
                dispatching: None,
            })
        }
        EngineConfig::Postgres { url, options } => {
            let engine = PostgresEngine::open(url, options).await;
            let engine = Arc::new(engine.context("cannot open the ledger in the database")?);
            let durability = engine.durability();
            report_durability(durability);
            let health = Arc::new(PostgresHealth::new(&engine));
            let claims = config.payments.as_ref().map(|payments| {
                Arc::new(engine.claims(payments::claims_lease(payments))) as Arc<dyn Claims>
            });
            Ok(Opened {
                engine,
                health,
                durability: durability.as_str().to_owned(),
                claims,
                dispatching: None,
            })
        }
        EngineConfig::WriteBehind(write_behind) => {
            super::write_behind::open(write_behind, config.durability).await
        }
        EngineConfig::Remote { ledger, tls } => {
            let tls = match tls {
                Some(files) => Some(files.load()?),
                None => None,
            };
            let options = engine_remote::RemoteOptions {
                tls,
                ..engine_remote::RemoteOptions::default()
            };
            let engine = Arc::new(RemoteEngine::new(ledger.clone(), options));
            let health = Arc::new(RemoteHealth::new(&engine));
            Ok(Opened {
                dispatching: Some(Arc::clone(&engine) as Arc<dyn Dispatching>),
                engine,
                health,
                durability: "remote".to_owned(),
                claims: None,
            })
        }
    }
}

fn embedded(
    config: &Config,
    files: &OpenFiles,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<EmbeddedEngine> {
    let place = config.data_dir.display();
    ensure!(
        !crate::data_folder::is_backup(&config.data_dir),
        "{place} is a backup, and serving it would change it: `lastro restore --from {place} --to` \
         a new folder, and serve that"
    );
    let storage =
        FileStorage::open(&config.data_dir).with_context(|| format!("cannot open {place}"))?;
    let mut options = engine_embedded::EmbeddedOptions {
        clock: config.clock,
        ..engine_embedded::EmbeddedOptions::default()
    };
    options.journal.durability = config.durability;
    options.journal.open_files_max = files.segments_max;
    let (engine, recovery) = EmbeddedEngine::open(storage, options, Arc::clone(clock))
        .with_context(|| format!("cannot open the ledger in {place}"))?;
    report(&recovery);
    Ok(engine)
}

fn report(recovery: &Recovery) {
    let journal = &recovery.journal;
    if let Some(cut) = &journal.cut {
        tracing::warn!(
            file = cut.file,
            offset = cut.offset,
            bytes = cut.bytes,
            saved_as = cut.saved_as,
            "cut an incomplete write at the end of the journal; it had not been answered, and its bytes are kept"
        );
    }
    tracing::info!(
        records_count = journal.head.records,
        segments_count = journal.segments,
        head_sequence = journal.head.sequence,
        head_hash = %journal.head.hash,
        from_segment = recovery.from_segment,
        elapsed_ms = whole_millis(recovery.elapsed),
        "the ledger is open"
    );
}
