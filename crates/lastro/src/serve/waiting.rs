//! What a start needs of others: it is waited for, for a while.
//!
//! | what | how long |
//! |---|---|
//! | files of keys, certificates and authorities that are not there yet | `--wait-s` |
//! | a database or a Redis that is being started or cannot be reached | `--wait-s` |
//! | what does not mend itself: a wrong password, no ledger, another ledger, a damaged file, a port in use | not at all |
//! | the ledger node of an API node | not at all: an API node serves without it |

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::payments::AccessFiles;
use super::service_manager;
use super::webhooks::WebhookConfig;
use crate::keys::KeysPlace;

/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a line of the log says what is waited for.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Why a try did not work.
pub(super) struct NotYet {
    pub(super) error: anyhow::Error,
    /// Whether it may work a moment later.
    pub(super) may_pass: bool,
}

/// Tries until it works, for as long as `bound` where it may pass what it failed for.
///
/// # Errors
///
/// What the last try failed for.
pub(super) async fn until<T>(
    what: &str,
    bound: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, NotYet>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut next_line = began;
    loop {
        let NotYet { error, may_pass } = match attempt().await {
            Ok(done) => {
                if next_line > began {
                    let waited_s = began.elapsed().as_secs();
                    tracing::info!(waited_s, "no longer waiting for {what}, after {waited_s} s");
                }
                return Ok(done);
            }
            Err(not_yet) => not_yet,
        };
        let waited = began.elapsed();
        if !may_pass || bound.is_zero() {
            return Err(error);
        }
        if waited >= bound {
            let gave_up = format!("gave up after {} s (--wait-s)", bound.as_secs());
            return Err(error.context(gave_up));
        }
        if Instant::now() >= next_line {
            next_line = Instant::now() + LINE_INTERVAL;
            tracing::warn!(
                waited_s = waited.as_secs(),
                wait_s = bound.as_secs(),
                "waiting for {what}, {} of {} s (--wait-s): {error:#}",
                waited.as_secs(),
                bound.as_secs()
            );
            service_manager::waiting(what, LINE_INTERVAL);
        }
        tokio::time::sleep(PAUSE.min(bound.saturating_sub(waited))).await;
    }
}

/// Waits until the files are there that the start reads and somebody else puts there. What is in them is judged
/// when they are read.
pub(super) async fn for_files(config: &Config) -> anyhow::Result<()> {
    let files = files(config);
    until(
        "the files of the configuration",
        config.wait,
        async || match files.iter().find(|file| !is_there(file)) {
            None => Ok(()),
            Some(missing) => Err(NotYet {
                error: anyhow!("{} is not there", missing.display()),
                may_pass: true,
            }),
        },
    )
    .await
    // What is still missing is reported by who reads it.
    .or(Ok(()))
}

fn is_there(file: &Path) -> bool {
    // What cannot be looked at is no reason to wait: reading it says why.
    !matches!(file.try_exists(), Ok(false))
}

fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = config.tls.files();
    if let Some(KeysPlace::File(path)) = &config.keys {
        files.push(path.clone());
    }
    if let Some(payments) = &config.payments {
        files.extend(payments.access.iter().flat_map(AccessFiles::all_files));
    }
    files.extend(config.webhooks.iter().flat_map(WebhookConfig::files));
    match &config.engine {
        EngineConfig::Embedded => {}
        EngineConfig::Postgres { options, .. } => files.extend(options.authority.clone()),
        EngineConfig::WriteBehind(behind) => {
            files.extend(behind.database.authority.clone());
            files.extend(behind.redis.authority.clone());
        }
        EngineConfig::Remote { tls, key, .. } => {
            files.extend(key.clone());
            files.extend(tls.iter().flat_map(super::tls::RemoteTlsFiles::files));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_yet(may_pass: bool) -> NotYet {
        NotYet {
            error: anyhow!("it is away").context("cannot open it"),
            may_pass,
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_waited_for_within_the_bound() {
        let long = Duration::from_secs(60);
        let mut attempts = 0;
        let done = until("it", long, async || {
            attempts += 1;
            match attempts {
                2 => Ok(7),
                _ => Err(not_yet(true)),
            }
        });
        assert_eq!(done.await.unwrap(), 7);
        let bound = Duration::from_millis(700);
        let gave_up = until("it", bound, async || Err::<(), _>(not_yet(true))).await;
        let said = format!("{:#}", gave_up.unwrap_err());
        assert_eq!(
            said,
            "gave up after 0 s (--wait-s): cannot open it: it is away"
        );
        for (bound, may_pass) in [(long, false), (Duration::ZERO, true)] {
            let mut attempts = 0;
            let refused = until("it", bound, async || {
                attempts += 1;
                Err::<(), _>(not_yet(may_pass))
            });
            assert_eq!(
                format!("{:#}", refused.await.unwrap_err()),
                "cannot open it: it is away"
            );
            assert_eq!(attempts, 1);
        }
    }
}
