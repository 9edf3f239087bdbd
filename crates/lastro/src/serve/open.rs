//! Opening the engine that was asked for.

use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use engine_embedded::{EmbeddedEngine, OpeningProgress, Recovery};
use engine_postgres::{PostgresEngine, PostgresOptions};
use engine_remote::RemoteEngine;
use journal::{FileStorage, JournalId, LockAttempt, Storage as _};
use ledger::{Claims, Clock, Dispatching, LedgerId};
use stdx::whole_millis;

use super::config::Config;
use super::doors::Doors;
use super::engine_config::EngineConfig;
use super::health::{EmbeddedHealth, PostgresHealth, RemoteHealth};
use super::open_files::OpenFiles;
use super::opened::{LedgerIs, Opened, report_durability};
use super::payments;
use super::sending;
use super::waiting::{self, NotYet};
use crate::data_folder::{has_journal, is_backup, is_half_restored, obstacle};

/// The data folder of a ledger that is about to be opened: it is there, and no other process uses it.
pub(super) struct LedgerFolder {
    storage: FileStorage,
    /// Whether a ledger is begun where there is none: for a demo alone.
    begins: bool,
    progress: Arc<OpeningProgress>,
}

impl LedgerFolder {
    /// Opens the folder, in which a ledger must be, unless it is for a demo. Of the ledger it reads
    /// nothing, but its id where a certain one is expected. A folder that is refused is as it was.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let place = config.data_dir.display();
        ensure!(
            !is_backup(&config.data_dir),
            "{place} is a backup, and serving it would change it: `lastro restore --from {place} \
             --to` a new folder, and serve that"
        );
        let begins = obstacle(&config.data_dir)?.is_none() && config.demo;
        let is_there = has_journal(&config.data_dir) || is_half_restored(&config.data_dir);
        if !is_there && !begins {
            return Err(no_ledger(config));
        }
        if config.expect_ledger.is_some() && !begins {
            let storage = FileStorage::open_existing(&config.data_dir);
            let storage = storage.with_context(|| format!("cannot open {place}"))?;
            // Where the first segment cannot be read, the opening says what is wrong with it.
            let start = journal::read_segment_start(&storage, 0);
            let start = start.with_context(|| cannot_open(config))?;
            if let Some(start) = start {
                config.check_ledger(id_of(start.id))?;
            }
        }
        let storage =
            FileStorage::open(&config.data_dir).with_context(|| format!("cannot open {place}"))?;
        check_free(&storage).with_context(|| cannot_open(config))?;
        Ok(Self {
            storage,
            begins,
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

fn no_ledger(config: &Config) -> anyhow::Error {
    let place = config.data_dir.display();
    anyhow!(
        "there is no ledger in {place}. Is the disk mounted? `lastro init --data-dir {place}` begins \
         a new one."
    )
}

/// The ledger in a data folder has the id of its journal.
const fn id_of(journal: JournalId) -> LedgerId {
    LedgerId::from_bytes(journal.0)
}

fn cannot_open(config: &Config) -> String {
    format!("cannot open the ledger in {}", config.data_dir.display())
}

/// Opens the engine; needs to be in a runtime.
pub(super) async fn open(
    config: &Config,
    files: &OpenFiles,
    doors: &Doors,
    folder: Option<LedgerFolder>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Opened> {
    match &config.engine {
        EngineConfig::Embedded => {
            let Some(folder) = folder else {
                unreachable!("the data folder of this engine is opened before its ledger");
            };
            let (engine, ledger_id) = embedded(config, files, folder, clock)?;
            let engine = Arc::new(engine);
            let health = Arc::new(EmbeddedHealth::new(&engine, config.durability));
            // Weak, so that the engine can be closed while somebody still asks.
            let asked = Arc::downgrade(&engine);
            let rounds_count = move || asked.upgrade().map_or(0, |engine| engine.rounds_count());
            Ok(Opened {
                writer: Some(Arc::new(rounds_count)),
                webhooks: None,
                engine,
                health,
                durability: config.durability.to_string(),
                claims: None,
                dispatching: None,
                ledger: LedgerIs::Known(ledger_id),
            })
        }
        EngineConfig::Postgres { url, options } => {
            let options = PostgresOptions {
                queue_bytes_max: files.memory.room(options.queue_bytes_max),
                ..options.clone()
            };
            let engine = waiting::until("the database", config.wait, async || {
                let opened = PostgresEngine::open(url, &options).await;
                opened.map_err(|error| NotYet {
                    may_pass: error.may_pass(),
                    error: anyhow::Error::new(error)
                        .context("cannot open the ledger in the database"),
                })
            });
            let engine = Arc::new(engine.await?);
            let durability = engine.durability();
            let ledger_id = engine.ledger_id();
            config.check_ledger(ledger_id)?;
            report_durability(durability, ledger_id);
            let health = Arc::new(PostgresHealth::new(&engine));
            let claims = config.payments.as_ref().map(|payments| {
                Arc::new(engine.claims(payments::claims_lease(&payments.dispatch)))
                    as Arc<dyn Claims>
            });
            Ok(Opened {
                writer: None,
                webhooks: Some(engine.webhooks(sending::node_name(config), sending::CLAIM_LASTS)),
                engine,
                health,
                durability: durability.as_str().to_owned(),
                claims,
                dispatching: None,
                ledger: LedgerIs::Known(ledger_id),
            })
        }
        EngineConfig::WriteBehind(write_behind) => {
            super::write_behind::open(config, files, write_behind).await
        }
        EngineConfig::Remote {
            ledger,
            tls,
            key: _,
        } => {
            let tls = match tls {
                Some(files) => Some(files.load()?),
                None => None,
            };
            let usual = engine_remote::RemoteOptions::default();
            let options = engine_remote::RemoteOptions {
                queue_bytes_max: files.memory.room(usual.queue_bytes_max),
                tls,
                key: doors.ledger_key.clone(),
                expected_ledger: config.expect_ledger,
                ..usual
            };
            let engine = Arc::new(RemoteEngine::new(ledger.clone(), options));
            let health = Arc::new(RemoteHealth::new(&engine));
            // Weak, so that the engine can be closed while somebody still asks.
            let asked = Arc::downgrade(&engine);
            let ask = move || asked.upgrade()?.ledger_id();
            Ok(Opened {
                writer: None,
                webhooks: None,
                ledger: LedgerIs::Asked(Arc::new(ask)),
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
) -> anyhow::Result<(EmbeddedEngine, LedgerId)> {
    let mut options = engine_embedded::EmbeddedOptions {
        clock: config.clock,
        progress: Some(folder.progress),
        ..engine_embedded::EmbeddedOptions::default()
    };
    options.queue_bytes_max = files.memory.room(options.queue_bytes_max);
    options.journal.durability = config.durability;
    options.journal.open_files_max = files.segments_max;
    options.journal.creates = folder.begins;
    let opened = EmbeddedEngine::open(folder.storage, options, Arc::clone(clock));
    let (engine, recovery) = opened.map_err(|error| match error {
        // The beginning of one was cut short.
        engine_embedded::OpenError::Journal(journal::OpenError::Missing { .. }) => {
            no_ledger(config)
        }
        error => anyhow::Error::new(error).context(cannot_open(config)),
    })?;
    let ledger_id = id_of(recovery.journal.id);
    config.check_ledger(ledger_id)?;
    report(&recovery, ledger_id);
    Ok((engine, ledger_id))
}

fn report(recovery: &Recovery, ledger_id: LedgerId) {
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
    if journal.created {
        tracing::info!(%ledger_id, "a new ledger was begun: {ledger_id}");
    }
    tracing::info!(
        %ledger_id,
        records_count = journal.head.records,
        segments_count = journal.segments,
        head_sequence = journal.head.sequence,
        head_hash = %journal.head.hash,
        from_segment = recovery.from_segment,
        elapsed_ms = whole_millis(recovery.elapsed),
        "the ledger {ledger_id} is open"
    );
}
