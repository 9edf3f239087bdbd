//! Keys where a command finds them: in a file, or in a database.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use engine_postgres::CallerKeys;
use jiff::Timestamp;
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

    pub(super) fn read(&mut self) -> anyhow::Result<Vec<KeyRecord>> {
        match self {
            Self::File(path) => file::read(path),
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
            Self::File(path) => file::change(path, |keys| {
                revoke(keys, name)?;
                Ok(())
            }),
            Self::Database { runtime, keys } => runtime.block_on(async {
                let mut records = read_database(keys).await?;
                let [before, after] = revoke(&mut records, name)?;
                let (before, after) = (
                    serde_json::to_string(&before)?,
                    serde_json::to_string(&after)?,
                );
                let is_replaced = keys.replace(name, &before, &after).await.context(FAILED)?;
                ensure!(
                    is_replaced,
                    "the key {name} was changed meanwhile: try again"
                );
                Ok(())
            }),
        }
    }
}

const FAILED: &str = "cannot use the keys in the database";

/// The keys in a database.
///
/// # Errors
///
/// If it does not answer, or a record in it is not one of a key.
pub(crate) async fn read_database(keys: &mut CallerKeys) -> anyhow::Result<Vec<KeyRecord>> {
    let texts = keys.read().await.context(FAILED)?;
    let read = |text: &String| serde_json::from_str(text);
    let records: Result<Vec<_>, _> = texts.iter().map(read).collect();
    records.context("a record in lastro.caller_keys is not one of a key")
}

/// The key as it was and as it is.
fn revoke(keys: &mut [KeyRecord], name: &str) -> anyhow::Result<[KeyRecord; 2]> {
    let Some(key) = keys.iter_mut().find(|key| key.name == name) else {
        bail!("there is no key {name}: `lastro key list` names them");
    };
    if let Some(at) = key.revoked_at {
        bail!("the key {name} was revoked at {at} already");
    }
    let before = key.clone();
    key.revoked_at = Some(Timestamp::now());
    Ok([before, key.clone()])
}
