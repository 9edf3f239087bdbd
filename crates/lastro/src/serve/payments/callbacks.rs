//! The secrets that processors sign their callbacks with: read at the start, and again when their files change.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use events::{WebhookSecret, WebhookSecrets};
use ledger::ProcessorName;
use payments::ProcessorIndex;

use super::access::AccessFiles;
use crate::keys::check_secret_file;
use crate::serve::reload::{Reloads, WatchedFiles};

/// How many secrets a processor may have at once.
const SECRETS_MAX: usize = 8;

/// The files of the configuration.
pub(super) fn of_files(files: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(
        files.len() <= SECRETS_MAX,
        "callback_secret_files must name at most {SECRETS_MAX} files"
    );
    Ok(files)
}

/// The secrets, as they are now. No error quotes them.
fn read(name: &ProcessorName, files: &[PathBuf]) -> anyhow::Result<Vec<WebhookSecret>> {
    let read = |path: &PathBuf| {
        let place = path.display();
        check_secret_file(path)?;
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
        let secret: Result<WebhookSecret, _> = text.trim().parse();
        secret.with_context(|| format!("{place} must have a secret as its only line"))
    };
    let secrets: anyhow::Result<Vec<_>> = files.iter().map(read).collect();
    secrets.with_context(|| format!("callbacks of processor {name}"))
}

impl AccessFiles {
    /// Reads what the processor is shown and signs with, to see whether it can be used.
    pub(in crate::serve) fn read_all(&self) -> anyhow::Result<()> {
        read(&self.name, &self.callbacks)?;
        self.read()
    }
}

/// Reads the secrets of the processors that send callbacks, now and whenever they change.
pub(in crate::serve) fn open_callbacks(
    processors: &[AccessFiles],
    reloads: &mut Reloads,
) -> anyhow::Result<Vec<(ProcessorIndex, WebhookSecrets)>> {
    let mut opened = Vec::new();
    for (
        index,
        AccessFiles {
            name, callbacks, ..
        },
    ) in processors.iter().enumerate()
    {
        if callbacks.is_empty() {
            continue;
        }
        let watched = WatchedFiles::new(callbacks.iter().cloned());
        let secrets = WebhookSecrets::new(read(name, callbacks)?);
        opened.push((ProcessorIndex::new(index), secrets.clone()));
        let (name, files) = (name.clone(), callbacks.clone());
        let part = format!("the callback secrets of processor {name}");
        reloads.add(part, watched, move || {
            secrets.replace(read(&name, &files)?);
            Ok(())
        });
    }
    Ok(opened)
}
