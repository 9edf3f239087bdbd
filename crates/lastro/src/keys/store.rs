//! Keys where a command finds them: in a file, or in a database.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail, ensure};
use engine_postgres::CallerKeys;
use jiff::Timestamp;
use rand::TryRngCore;
use rand::rngs::OsRng;
use server::KeyRecord;
use tokio::runtime::Runtime;

use super::file;

/// A place of keys that a command changes.
pub(super) enum Store {
    File(PathBuf),
    Database {
        runtime: Runtime,
        keys: Box<CallerKeys>,
    },
}

impl Store {
    /// The keys in the database of this URL.
    pub(super) fn database(
        url: &str,
        options: &engine_postgres::PostgresOptions,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Self::Database {
            runtime,
            keys: Box::new(CallerKeys::new(url, options)),
        })
    }

    /// The keys, and those records in a database that are not of a key.
    pub(super) fn read(&mut self) -> anyhow::Result<KeysRead> {
        match self {
            Self::File(path) => Ok(KeysRead {
                records: file::read(path)?,
                unreadable: Vec::new(),
            }),
            Self::Database { runtime, keys } => runtime.block_on(read_database(keys)),
        }
    }

    /// Adds a key of a new name.
    pub(super) fn create(&mut self, record: KeyRecord) -> anyhow::Result<()> {
        let name = record.name.clone();
        let there_is_one =
            || format!("there is a key {name} already, or there was one: choose another name");
        match self {
            Self::File(path) => file::change(path, |keys| {
                ensure!(keys.iter().all(|key| key.name != name), there_is_one());
                keys.push(record);
                Ok(())
            }),
            Self::Database { runtime, keys } => {
                let text = serde_json::to_string(&record)?;
                let is_new = runtime.block_on(keys.insert(&name, &text));
                ensure!(is_new.context(FAILED)?, there_is_one());
                Ok(())
            }
        }
    }

    /// Revokes the key of this name.
    pub(super) fn revoke(&mut self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::File(path) => file::change(path, |keys| revoke_of(keys, name)),
            Self::Database { runtime, keys } => runtime.block_on(revoke_in_database(keys, name)),
        }
    }
}

const FAILED: &str = "cannot use the keys in the database";

/// What was read of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeysRead {
    pub(crate) records: Vec<KeyRecord>,
    /// What cannot be used, since somebody has written it by hand: its name, and what is wrong with it. It lets
    /// nobody in.
    pub(crate) unreadable: Vec<(String, String)>,
}

/// The keys in a database.
///
/// # Errors
///
/// If it does not answer.
pub(crate) async fn read_database(keys: &mut CallerKeys) -> anyhow::Result<KeysRead> {
    let mut read = KeysRead {
        records: Vec::new(),
        unreadable: Vec::new(),
    };
    for (name, text) in keys.read().await.context(FAILED)? {
        match record_of(&name, &text) {
            Ok(record) => read.records.push(record),
            Err(error) => read.unreadable.push((name, format!("{error:#}"))),
        }
    }
    Ok(read)
}

/// The key of this name, from its record in a database.
fn record_of(name: &str, text: &str) -> anyhow::Result<KeyRecord> {
    let record: KeyRecord = serde_json::from_str(text).context("it is not the record of a key")?;
    ensure!(
        record.name == name,
        "it is the record of a key of another name, {}",
        record.name
    );
    Ok(record)
}

/// Revokes the key of this name, whatever its record looks like.
async fn revoke_in_database(keys: &mut CallerKeys, name: &str) -> anyhow::Result<()> {
    let texts = keys.read().await.context(FAILED)?;
    let Some((_, before)) = texts.iter().find(|(found, _)| found == name) else {
        return Err(no_such_key(name));
    };
    let record = match record_of(name, before) {
        Ok(mut record) => {
            revoke(&mut record)?;
            record
        }
        // It lets nobody in as it is; now it stays that way, and its name stays used.
        Err(_) => KeyRecord::revoked_without_secret(name, Timestamp::now(), random_bytes()?),
    };
    let after = serde_json::to_string(&record)?;
    let is_replaced = keys.replace(name, before, &after).await.context(FAILED)?;
    ensure!(
        is_replaced,
        "the key {name} was changed meanwhile: try again"
    );
    Ok(())
}

fn revoke_of(keys: &mut [KeyRecord], name: &str) -> anyhow::Result<()> {
    match keys.iter_mut().find(|key| key.name == name) {
        Some(key) => revoke(key),
        None => Err(no_such_key(name)),
    }
}

fn no_such_key(name: &str) -> anyhow::Error {
    anyhow!("there is no key {name}: `lastro key list` names them")
}

fn revoke(key: &mut KeyRecord) -> anyhow::Result<()> {
    if let Some(at) = key.revoked_at {
        bail!("the key {} was revoked at {at} already", key.name);
    }
    key.revoked_at = Some(Timestamp::now());
    Ok(())
}

/// Bytes that nobody can guess.
pub(super) fn random_bytes() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng
        .try_fill_bytes(&mut bytes)
        .context("the system has no random bytes")?;
    Ok(bytes)
}
