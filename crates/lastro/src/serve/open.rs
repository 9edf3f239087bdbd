//! Opening the engine that was asked for.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use engine_embedded::{EmbeddedEngine, OpeningProgress, Recovery};
use engine_postgres::PostgresEngine;
use engine_remote::RemoteEngine;
use journal::{FileStorage, LockAttempt, Storage as _};
use ledger::{Claims, Clock, Dispatching};
use stdx::whole_millis;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::health::{EmbeddedHealth, PostgresHealth, RemoteHealth};
use super::open_files::OpenFiles;
use super::opened::{Opened, report_durability};
use super::payments;

/// The data folder of a ledger that is about to be opened: it is there, and no other process uses it.
pub(super) struct LedgerFolder {
    storage: FileStorage,
    progress: Arc<OpeningProgress>,
}

impl LedgerFolder {
    /// Opens the folder; makes it if it is not there. Reads nothing of the ledger.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let place = config.data_dir.display();
        ensure!(
            !crate::data_folder::is_backup(&config.data_dir),
            "{place} is a backup, and serving it would change it: `lastro restore --from {place} \
             --to` a new folder, and serve that"
        );
        if let Some(of) = crate::copy::unfinished(&config.data_dir) {
            bail!(
                "{place} holds an unfinished copy of {of}: run `lastro copy` again, and it goes on"
            );
        }
        let storage =
            FileStorage::open(&config.data_dir).with_context(|| format!("cannot open {place}"))?;
        check_free(&storage).with_context(|| cannot_open(config))?;
        Ok(Self {
            storage,
            progress: Arc::default(),
        })
    }

    /// How far the opening of the ledger in it has come.
    pub(super) fn progress(&self) -> Arc<OpeningProgress> {
        Arc::clone(&self.progress)
    }
}

/// Fails as the opening itself would where another process has the folder. The lock is given back:
/// the opening takes it for good.
fn check_free(storage: &FileStorage) -> Result<(), engine_embedded::OpenError> {
    let place = storage.place();
    match storage.try_lock() {
        Ok(LockAttempt::Held(_)) => Ok(()),
        Ok(LockAttempt::Taken { pid }) => Err(journal::OpenError::Locked { place, pid }.into()),
        Err(source) => Err(journal::OpenError::Io {
            doing: "lock",
            file: place,
            source,
        }
        .into()),
    }
}

fn cannot_open(config: &Config) -> String {
    format!("cannot open the ledger in {}", config.data_dir.display())
}

/// Opens the engine; needs to be in a runtime.
pub(super) async fn open(
    config: &Config,
    files: &OpenFiles,
    folder: Option<LedgerFolder>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Opened> {
    match &config.engine {
        EngineConfig::Embedded => {
            let Some(folder) = folder else {
                unreachable!("the data folder of this engine is opened before its ledger");
            };
            let engine = Arc::new(embedded(config, files, folder, clock)?);
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
    folder: LedgerFolder,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<EmbeddedEngine> {
    let mut options = engine_embedded::EmbeddedOptions {
        clock: config.clock,
        progress: Some(folder.progress),
        ..engine_embedded::EmbeddedOptions::default()
    };
    options.journal.durability = config.durability;
    options.journal.open_files_max = files.segments_max;
    let (engine, recovery) = EmbeddedEngine::open(folder.storage, options, Arc::clone(clock))
        .with_context(|| cannot_open(config))?;
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
