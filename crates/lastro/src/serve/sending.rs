//! The layer of webhooks: it sends the ledger's events to the endpoints.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine_postgres::WebhookRows;
use events::{
    Claim, EndpointFolder, EndpointParts, EndpointStore, RunningWebhooks, StoreError, Stored,
    WebhookParts, Written,
};
use ledger::{Clock, Engine};
use server::WebhookFace;

use super::config::Config;
use super::doors::Doors;
use super::engine_config::EngineConfig;
use super::open_files::OpenFiles;

/// The folder in the data folder that endpoints are kept in.
const FOLDER: &str = "webhooks";

/// How long another node waits before it sends to the endpoints of one that is gone without a word.
pub(super) const CLAIM_LASTS: Duration = Duration::from_secs(10);

/// How other nodes over the same database know this one.
pub(super) fn node_name(config: &Config) -> String {
    let system = rustix::system::uname();
    format!(
        "{} ({})",
        system.nodename().to_string_lossy(),
        config.listen
    )
}

/// Sends the events of a ledger in this process to the endpoints; `None` where the ledger is elsewhere. Needs to be
/// in a runtime.
pub(super) fn start(
    config: &Config,
    files: &OpenFiles,
    doors: &Doors,
    engine: &Arc<dyn Engine>,
    clock: &Arc<dyn Clock>,
    rows: Option<WebhookRows>,
) -> anyhow::Result<Option<RunningWebhooks>> {
    let store: Arc<dyn EndpointStore> = match (&config.engine, rows) {
        (EngineConfig::Remote { .. }, _) => return Ok(None),
        (_, Some(rows)) => Arc::new(Database(rows)),
        (_, None) => Arc::new(EndpointFolder::new(config.data_dir.join(FOLDER))),
    };
    let parts = WebhookParts {
        engine: Arc::clone(engine),
        face: Arc::new(WebhookFace),
        clock: Arc::clone(clock),
        store,
    };
    let with_secrets = config.webhooks.iter().zip(&doors.webhook_secrets);
    let endpoints = with_secrets.map(|(webhook, secrets)| {
        let mut endpoint = webhook.endpoint.clone();
        endpoint.policy.waiting_bytes_max = files.memory.room(endpoint.policy.waiting_bytes_max);
        EndpointParts {
            config: endpoint,
            filter: Arc::new(webhook.selection.clone()),
            secrets: secrets.clone(),
        }
    });
    let running = RunningWebhooks::start(&parts, endpoints.collect());
    Ok(Some(running.context("cannot send webhooks")?))
}

/// The endpoints in the database that several nodes share.
struct Database(WebhookRows);

impl Database {
    fn told(&self, by: Option<String>) -> Claim {
        match by {
            None => Claim::Held {
                lasts: Some(self.0.lasts()),
            },
            Some(by) => Claim::Elsewhere { by },
        }
    }
}

impl EndpointStore for Database {
    fn claim<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Claim> {
        Box::pin(async move {
            let claimed = self.0.claim(endpoint).await;
            Ok(self.told(claimed.map_err(StoreError::new)?))
        })
    }

    fn renew<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Claim> {
        Box::pin(async move {
            let renewed = self.0.renew(endpoint).await;
            Ok(self.told(renewed.map_err(StoreError::new)?))
        })
    }

    fn release<'a>(&'a self, endpoint: &'a str) -> Stored<'a, ()> {
        Box::pin(async move { self.0.release(endpoint).await.map_err(StoreError::new) })
    }

    fn read<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.0.read(endpoint).await.map_err(StoreError::new) })
    }

    fn write<'a>(&'a self, endpoint: &'a str, state: Vec<u8>) -> Stored<'a, Written> {
        Box::pin(async move {
            let written = self.0.write(endpoint, &state).await;
            Ok(match written.map_err(StoreError::new)? {
                true => Written::Done,
                false => Written::ClaimLost,
            })
        })
    }

    fn put_aside<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<String>> {
        Box::pin(async move {
            let is_aside = self.0.put_aside(endpoint).await.map_err(StoreError::new)?;
            Ok(is_aside.then(|| format!("state_aside of {}", self.place(endpoint))))
        })
    }

    fn place(&self, endpoint: &str) -> String {
        format!("the row of {endpoint} in the table lastro.webhooks")
    }
}
