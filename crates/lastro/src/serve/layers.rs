//! The layers of `lastro serve`, from the ledger up: what a request passes, in reverse order.
//!
//! | layer | what it adds |
//! |---|---|
//! | engine | the ledger: embedded, PostgreSQL, Redis in front of PostgreSQL, or another process |
//! | dispatch | payments are sent to processors; without processors none are accepted |
//! | report | purges and resolutions are logged and counted |
//! | webhooks | events are sent to those who asked for them, where the ledger is in this process |
//! | outbox | operations are accepted now and applied later |
//! | app | routes, limits, probes and metrics over the layers below |

use std::sync::Arc;
use std::time::Duration;

use ::outbox::{Operations, Outbox};
use ::payments::Dispatch;
use events::RunningWebhooks;
use ledger::{Clock, Engine};
use server::{App, Callbacks, Health};
use stdx::Metric;

use super::config::Config;
use super::dispatch::dispatch;
use super::doors::Doors;
use super::health::IdentifiedHealth;
use super::open::{LedgerFolder, open};
use super::open_files::OpenFiles;
use super::opened::LedgerIs;
use super::outbox::{self, OutboxHealth};
use super::sending;
use super::service_manager::Progress;
use crate::clock::SystemClock;

/// What is served, and what has to be stopped after it.
pub(super) struct Layers {
    app: App,
    outbox: Option<Arc<Outbox>>,
    dispatch: Option<Dispatch>,
    webhooks: Option<RunningWebhooks>,
    writer: Option<Progress>,
}

impl Layers {
    /// Puts each layer over the one before it. Blocks its thread: the ledger in the data folder and
    /// the outbox are read here.
    pub(super) async fn stack(
        config: &Config,
        files: &OpenFiles,
        doors: &Doors,
        folder: Option<LedgerFolder>,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);

        let opened = open(config, files, doors, folder, &clock).await?;
        let ledger = opened.ledger;
        set_info(opened.durability, &ledger);
        let mut health: Arc<dyn Health> = Arc::new(IdentifiedHealth {
            ledger: ledger.clone(),
            engine: opened.health,
        });

        let (dispatch, engine) = dispatch(config, opened.engine, opened.claims, &clock);
        let dispatching = dispatch.as_ref().map(Dispatch::watch);
        let secrets = doors.callback_secrets.clone();
        let callbacks = dispatch.as_ref().filter(|_| !secrets.is_empty());
        let callbacks = callbacks.map(|dispatch| Callbacks::new(secrets, dispatch.callbacks()));

        let mut outbox = None;
        if let Some(outbox_config) = config.outbox() {
            let opened = outbox::open(&outbox_config, &engine, &ledger, &clock)?;
            health = Arc::new(OutboxHealth::new(&opened, &outbox_config, health));
            outbox = Some(opened.outbox);
        }

        let webhooks = sending::start(config, files, doors, &engine, &clock, opened.webhooks)?;

        let app = App {
            engine,
            ledger_id: ledger.id(),
            dispatching: dispatching.or(opened.dispatching),
            callbacks,
            webhooks: webhooks.as_ref().map(RunningWebhooks::port),
            operations: outbox.clone().map(|outbox| outbox as Arc<dyn Operations>),
            clock,
            health,
            limits: files.http_limits(),
            hosts: config.hosts(),
            keys: doors.keys.clone(),
            is_purge_enabled: config.enable_purge,
        };
        Ok(Self {
            app,
            outbox,
            dispatch,
            webhooks,
            writer: opened.writer,
        })
    }

    /// The uppermost of the layers that keep the ledger.
    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.app.engine
    }

    /// How far the writer has come, where this process has one.
    pub(super) fn writer(&self) -> Option<Progress> {
        self.writer.clone()
    }

    pub(super) fn app(&self) -> App {
        self.app.clone()
    }

    /// Lets each layer finish what it accepted, the upper ones first. Returns the lowest one: it finishes
    /// and syncs what it accepted when it is dropped.
    pub(super) async fn stop(self, timeout: Duration) -> Arc<dyn Engine> {
        let engine = Arc::clone(&self.app.engine);
        drop(self.app);
        let webhooks = async {
            if let Some(webhooks) = self.webhooks {
                webhooks.stop(timeout).await;
            }
        };
        let others = async {
            if let Some(outbox) = self.outbox {
                outbox::stop(&outbox).await;
            }
            if let Some(dispatch) = self.dispatch {
                dispatch.stop(timeout).await;
            }
        };
        tokio::join!(webhooks, others);
        engine
    }
}

/// What this process is.
pub(crate) const INFO: Metric = Metric::gauge(
    "lastro_info",
    "Always 1; the labels are the version, what an answer waits for, and the ledger's id (`remote` if \
     another process has it)",
)
.by(&["version", "durability", "ledger_id"]);

fn set_info(durability: String, ledger: &LedgerIs) {
    stdx::describe_metrics!(&[INFO]);
    metrics::gauge!(
        INFO.name,
        "version" => env!("CARGO_PKG_VERSION"),
        "durability" => durability,
        "ledger_id" => match ledger {
            LedgerIs::Known(id) => id.to_string(),
            LedgerIs::Asked(_) => "remote".to_owned(),
        }
    )
    .set(1.0);
}
