//! The layer of webhooks: it sends the ledger's events to the endpoints.

use std::sync::Arc;

use anyhow::Context;
use events::{EndpointParts, RunningWebhooks, WebhookParts};
use ledger::{Clock, Engine};
use server::WebhookFace;

use super::config::Config;
use super::doors::Doors;
use super::engine_config::EngineConfig;
use super::open_files::OpenFiles;

/// The folder in the data folder that endpoints are kept in.
const FOLDER: &str = "webhooks";

/// Sends the events of a ledger in this process to the endpoints; `None` where the ledger is elsewhere. Needs to be
/// in a runtime.
pub(super) fn start(
    config: &Config,
    files: &OpenFiles,
    doors: &Doors,
    engine: &Arc<dyn Engine>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<RunningWebhooks>> {
    match &config.engine {
        EngineConfig::Embedded => {}
        EngineConfig::Postgres { .. }
        | EngineConfig::Remote { .. }
        | EngineConfig::WriteBehind(_) => return Ok(None),
    }
    let parts = WebhookParts {
        engine: Arc::clone(engine),
        face: Arc::new(WebhookFace),
        clock: Arc::clone(clock),
        folder: config.data_dir.join(FOLDER),
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
