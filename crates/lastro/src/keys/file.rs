//! The file of keys: JSON, written as a whole, its owner's alone.
//!
//! It has the hashes of secrets that cannot be guessed, so reading it lets nobody in; writing it does.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use server::{KeyRecord, KeySecret, Keys, KeysOptions};
use stdx::whole_file;

/// What the file looks like; another version would be another format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    keys: Vec<KeyRecord>,
}

/// The keys in the file.
///
/// # Errors
///
/// If it cannot be read, is not of this form, or others may read or write it.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<KeyRecord>> {
    let place = path.display();
    let file = File::open(path).with_context(|| {
        format!("cannot open the file of keys {place} (`lastro key create` makes one)")
    })?;
    check_mode(&file, path)?;
    let text = io::read_to_string(file);
    let text = text.with_context(|| format!("cannot read the file of keys {place}"))?;
    let content: Content = serde_json::from_str(&text)
        .with_context(|| format!("{place} is no file of keys; restore it from a backup"))?;
    ensure!(
        content.version == VERSION,
        "{place} has keys of version {}, and this build reads {VERSION}: use the build that wrote it",
        content.version
    );
    Ok(content.keys)
}

/// Changes the keys in the file, which is made if it is not there. Others that do so at once wait.
///
/// # Errors
///
/// What `change` returns, or if the file cannot be read or written; then it is as it was.
pub(super) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<KeyRecord>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let place = path.display();
    let failed = || format!("cannot write the file of keys {place}");
    // The folder carries the lock: the file itself is replaced.
    let folder = whole_file::folder_of(path).with_context(failed)?;
    folder.lock().with_context(failed)?;
    let mut keys = match path.try_exists().with_context(failed)? {
        true => read(path)?,
        false => Vec::new(),
    };
    let changed = change(&mut keys)?;
    // As the server will judge them.
    Keys::new(keys.clone(), KeysOptions::default())?;
    let content = Content {
        version: VERSION,
        keys,
    };
    let mut text = serde_json::to_string_pretty(&content)?;
    text.push('\n');
    whole_file::replace(path, text.as_bytes()).with_context(failed)?;
    Ok(changed)
}

/// The secret in a file of its own. No error quotes it.
///
/// # Errors
///
/// If it cannot be read, is not of the form of a secret, or others may read or write it.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<String> {
    let place = path.display();
    check_secret_file(path)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let secret: KeySecret = text
        .trim()
        .parse()
        .with_context(|| format!("{place} does not have the secret of a key"))?;
    Ok(secret.reveal())
}

/// Fails if others may read or write a file that has a secret.
pub(crate) fn check_secret_file(path: &Path) -> anyhow::Result<()> {
    let place = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {place}"))?;
    check_mode(&file, path)
}

/// A group may be allowed to read it: that of the server, where an administrator owns the file.
fn check_mode(file: &File, path: &Path) -> anyhow::Result<()> {
    let place = path.display();
    let metadata = file.metadata();
    let mode = metadata.with_context(|| format!("cannot open {place}"))?;
    let mode = mode.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        bail!(
            "{place} can be read or written by other users of this machine (mode {mode:o}): `chmod 600 {place}`"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use server::Scope;

    use super::*;

    fn record(name: &str, byte: u8) -> KeyRecord {
        KeyRecord {
            name: name.to_owned(),
            hash: KeySecret::from_random([byte; 32]).hash(),
            scopes: vec![Scope::Read],
            accounts: vec!["users:*".parse().unwrap()],
            tenant: String::new(),
            created_at: "2026-11-29T10:00:00Z".parse().unwrap(),
            expires_at: None,
            revoked_at: None,
            requests_per_s: Some(10),
            commands_per_s: None,
        }
    }

    #[test]
    fn keys_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(read(&path).is_err());
        for (name, byte) in [("one", 1), ("other", 2)] {
            change(&path, |keys| {
                keys.push(record(name, byte));
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(read(&path).unwrap(), [record("one", 1), record("other", 2)]);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // What cannot be used is not written.
        for wrong in [record("one", 3), record("third", 1), record("a b", 4)] {
            let changed = change(&path, |keys| {
                keys.push(wrong);
                Ok(())
            });
            assert!(changed.is_err());
        }
        assert_eq!(read(&path).unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        change(&path, |_| Ok(())).unwrap();
        for (mode, is_taken) in [(0o600, true), (0o640, true), (0o644, false), (0o620, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), is_taken, "{mode:o}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        for wrong in [
            "",
            "{}",
            "{\"version\": 1, \"keys\": [{}]}",
            "{\"version\": 2, \"keys\": []}",
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(read(&path).is_err(), "{wrong}");
        }
    }
}
