//! Who may come in, and as whom this node goes to its ledger node: read at the start, and again while the
//! server runs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use engine_postgres::CallerKeys;
use engine_remote::LedgerKey;
use server::{KeyChanges, KeySecret, Keys, KeysOptions};

use super::config::Config;
use super::engine_config::EngineConfig;
use super::reload::{Reloads, WatchedFiles};
use crate::keys::{self, KeysPlace};

/// The keys of callers, and this node's own.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) keys: Keys,
    pub(super) ledger_key: Option<LedgerKey>,
}

impl Doors {
    /// Reads both, and has them read again when they change.
    pub(super) fn open(config: &Config, reloads: &mut Reloads) -> anyhow::Result<Self> {
        let options = KeysOptions {
            is_challenge_open: config.open_challenge,
            ..KeysOptions::default()
        };
        let keys = match &config.keys {
            None => Keys::none(),
            Some(KeysPlace::File(path)) => of_file(path, options, reloads)?,
            // Until they are read from the database that is about to be opened, nobody is admitted.
            Some(KeysPlace::Database) => Keys::new(Vec::new(), options)?,
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
        Ok(Self { keys, ledger_key })
    }
}

/// How often the keys in a database are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long a database may take to say which keys there are.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

impl Doors {
    /// Reads the keys that are in the ledger's database, which is open by now, and goes on reading them
    /// until the process ends. Needs to be in a runtime.
    pub(super) async fn watch_database(&self, config: &Config) -> anyhow::Result<()> {
        let (url, options) = match &config.engine {
            EngineConfig::Postgres { url, options } => (url, options),
            EngineConfig::WriteBehind(behind) => (&behind.database_url, &behind.database),
            EngineConfig::Embedded | EngineConfig::Remote { .. } => return Ok(()),
        };
        if config.keys != Some(KeysPlace::Database) {
            return Ok(());
        }
        let mut in_database = CallerKeys::new(url, options);
        let mut records = keys::read_database(&mut in_database).await?;
        report(&self.keys.replace(records.clone())?);
        let keys = self.keys.clone();
        tokio::spawn(async move {
            let mut is_failing = false;
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                let read = keys::read_database(&mut in_database);
                let read = tokio::time::timeout(READ_TIMEOUT, read).await;
                let read = read.unwrap_or_else(|_| Err(silent())).and_then(|read| {
                    if read != records {
                        report(&keys.replace(read.clone())?);
                    }
                    Ok(read)
                });
                match read {
                    Ok(read) => {
                        records = read;
                        is_failing = false;
                    }
                    Err(error) if !is_failing => {
                        is_failing = true;
                        tracing::error!(
                            "CANNOT RELOAD the keys in the database: {error:#}. What was read before stays in \
                             force, also for keys that were revoked since. They are read again every {} s",
                            LOOK_INTERVAL.as_secs()
                        );
                    }
                    Err(_) => {}
                }
            }
        });
        Ok(())
    }
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
    let key = LedgerKey::new(&secret(path)?).context("--ledger-key")?;
    let (again, path) = (key.clone(), path.to_owned());
    let name = format!("the key for the ledger node in {}", path.display());
    reloads.add(name, files, move || Ok(again.replace(&secret(&path)?)?));
    Ok(key)
}

/// The secret in a file. No error quotes it.
fn secret(path: &Path) -> anyhow::Result<String> {
    let place = path.display();
    keys::check_secret_file(path)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let secret: KeySecret = text
        .trim()
        .parse()
        .with_context(|| format!("{place} does not have the secret of a key"))?;
    Ok(secret.reveal())
}
