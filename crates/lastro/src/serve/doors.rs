//! Who may come in, as whom this node goes to its ledger node and to processors, and what it signs its webhooks with:
//! read at the start, and again while the server runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use engine_postgres::CallerKeys;
use engine_remote::LedgerKey;
use events::WebhookSecrets;
use payments::ProcessorIndex;
use server::{KeyChanges, Keys, KeysOptions};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::payments::{open_access, open_callbacks};
use super::reload::{Reloads, WatchedFiles};
use super::webhooks;
use crate::keys::{self, KeysPlace, KeysRead};

/// The keys of callers, and this node's own secrets.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) keys: Keys,
    pub(super) ledger_key: Option<LedgerKey>,
    /// For each endpoint of the configuration, in its order.
    pub(super) webhook_secrets: Vec<WebhookSecrets>,
    /// The processors that send callbacks, and what they sign them with.
    pub(super) callback_secrets: Vec<(ProcessorIndex, WebhookSecrets)>,
    database: Option<Arc<DatabaseKeys>>,
}

impl Doors {
    /// Reads them, and has them read again when they change.
    pub(super) fn open(config: &Config, reloads: &mut Reloads) -> anyhow::Result<Self> {
        let options = KeysOptions {
            is_challenge_open: config.open_challenge,
            ..KeysOptions::default()
        };
        let (keys, database) = match &config.keys {
            None => (Keys::none(), None),
            Some(KeysPlace::File(path)) => (of_file(path, options, reloads)?, None),
            // Until they are read from the database that is about to be opened, nobody is admitted.
            Some(KeysPlace::Database) => {
                let keys = Keys::new(Vec::new(), options)?;
                let database = of_database(config, &keys, reloads)?;
                (keys, Some(database))
            }
        };
        let ledger_key = match &config.engine {
            EngineConfig::Remote {
                key: Some(path), ..
            } => Some(of_ledger(path, reloads)?),
            EngineConfig::Remote { key: None, .. }
            | EngineConfig::Embedded
            | EngineConfig::Postgres { .. }
            | EngineConfig::WriteBehind(_) => None,
        };
        let callback_secrets = match &config.payments {
            Some(payments) => {
                open_access(&payments.access, reloads)?;
                open_callbacks(&payments.access, reloads)?
            }
            None => Vec::new(),
        };
        Ok(Self {
            keys,
            ledger_key,
            callback_secrets,
            webhook_secrets: webhooks::open_secrets(&config.webhooks, reloads)?,
            database,
        })
    }
}

/// How often the keys in a database are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long a database may take to return the keys.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The keys in the ledger's database, and what was read of them last.
struct DatabaseKeys {
    keys: Keys,
    read: Mutex<LastRead>,
}

struct LastRead {
    from: CallerKeys,
    last: Option<KeysRead>,
}

impl DatabaseKeys {
    /// Reads them, and puts them in force if they have changed.
    async fn read(&self) -> anyhow::Result<()> {
        let mut read = self.read.lock().await;
        let found = keys::read_database(&mut read.from);
        let found = tokio::time::timeout(READ_TIMEOUT, found).await;
        let found = found.unwrap_or_else(|_| Err(silent()))?;
        let before = read.last.as_ref();
        if before == Some(&found) {
            return Ok(());
        }
        let was_unreadable = before.map(|before| &before.unreadable);
        if was_unreadable != Some(&found.unreadable) {
            for (name, fault) in &found.unreadable {
                tracing::error!(
                    "A KEY CANNOT BE USED: the record of {name} in lastro.caller_keys was changed by hand: \
                     {fault}. Nobody is admitted with it; the other keys are in force. Correct the record, or \
                     `lastro key revoke {name}`"
                );
            }
        }
        report(&self.keys.replace(found.records.clone())?);
        read.last = Some(found);
        Ok(())
    }

    /// Goes on reading them until the process ends.
    async fn watch(self: Arc<Self>) {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let read = self.read().await;
            if let Err(error) = &read
                && !is_failing
            {
                tracing::error!(
                    "CANNOT RELOAD the keys in the database: {error:#}. What was read before stays in \
                     force, also for keys that were revoked since. They are read again every {} s",
                    LOOK_INTERVAL.as_secs()
                );
            }
            is_failing = read.is_err();
        }
    }
}

impl Doors {
    /// Reads the keys that are in the ledger's database, which is open by now, and goes on reading them
    /// until the process ends. Needs to be in a runtime.
    pub(super) async fn watch_database(&self) -> anyhow::Result<()> {
        let Some(database) = &self.database else {
            return Ok(());
        };
        database.read().await?;
        tokio::spawn(Arc::clone(database).watch());
        Ok(())
    }
}

/// The keys in the ledger's database, which is not asked yet: at SIGHUP they are read at once.
fn of_database(
    config: &Config,
    keys: &Keys,
    reloads: &mut Reloads,
) -> anyhow::Result<Arc<DatabaseKeys>> {
    let (url, options) = match &config.engine {
        EngineConfig::Postgres { url, options } => (url, options),
        EngineConfig::WriteBehind(behind) => (&behind.database_url, &behind.database),
        EngineConfig::Embedded | EngineConfig::Remote { .. } => {
            bail!("--keys database needs a ledger in a database")
        }
    };
    let database = Arc::new(DatabaseKeys {
        keys: keys.clone(),
        read: Mutex::new(LastRead {
            from: CallerKeys::new(url, options),
            last: None,
        }),
    });
    let (again, runtime) = (Arc::clone(&database), Handle::current());
    reloads.add_without_files("the keys in the database", move || {
        runtime.block_on(again.read())
    });
    Ok(database)
}

fn silent() -> anyhow::Error {
    anyhow::anyhow!(
        "the database did not answer within {} s",
        READ_TIMEOUT.as_secs()
    )
}

fn of_file(path: &Path, options: KeysOptions, reloads: &mut Reloads) -> anyhow::Result<Keys> {
    let files = WatchedFiles::new([path.to_owned()]);
    let invalid = |path: &Path| format!("{} has keys that cannot be used", path.display());
    let records = keys::read(path)?;
    if records.is_empty() {
        tracing::warn!("{} has no key yet: no request is admitted", path.display());
    }
    let keys = Keys::new(records, options).with_context(|| invalid(path))?;
    let (again, path) = (keys.clone(), path.to_owned());
    reloads.add(
        format!("the keys in {}", path.display()),
        files,
        move || {
            let records = keys::read(&path)?;
            let changes = again.replace(records).with_context(|| invalid(&path))?;
            report(&changes);
            Ok(())
        },
    );
    Ok(keys)
}

/// Says what is new about keys, in the log where requests are said to be made with them.
pub(super) fn report(changes: &KeyChanges) {
    let KeyChanges {
        valid_count,
        added,
        changed,
        removed,
    } = changes;
    tracing::info!(
        target: "audit",
        valid_count, ?added, ?changed, ?removed,
        "the keys of callers were read again: {valid_count} are not revoked; new: {added:?}, changed or \
         revoked: {changed:?}, gone: {removed:?}"
    );
}

fn of_ledger(path: &Path, reloads: &mut Reloads) -> anyhow::Result<LedgerKey> {
    let files = WatchedFiles::new([path.to_owned()]);
    let key = LedgerKey::new(&keys::read_secret(path)?).context("--ledger-key")?;
    let (again, path) = (key.clone(), path.to_owned());
    let name = format!("the key for the ledger node in {}", path.display());
    reloads.add(name, files, move || {
        Ok(again.replace(&keys::read_secret(&path)?)?)
    });
    Ok(key)
}
