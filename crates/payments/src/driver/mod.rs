//! The dispatcher at work: over an engine, real time and real processors.
//!
//! One task tells the dispatcher what happened and carries out what it says. Commands that are to
//! be given at the same time go to the engine as one batch.

mod access;
mod alone;
mod callbacks;
mod client;
mod config;
mod foreign;
mod gate;
mod give;
mod last_answers;
mod leases;
mod mailbox;
mod meters;
mod settling;
mod sources;
mod talk;
mod unknown;
mod watch;
mod watched;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ledger::{Claims, Clock, Dispatching, Engine};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use access::{ProcessorAccess, ProcessorTls};
pub use alone::Alone;
use callbacks::CallbackSender;
pub use callbacks::TakesCallbacks;
pub use config::{Config, ProcessorConfig, ProcessorUrl, UrlInvalid};
use mailbox::Mailbox;
use sources::Sources;
use watch::Watch;
pub use watched::{WithPayments, WithoutPayments};
use work::Driver;

/// A dispatcher at work. Dropping it stops it where it is: what is under way is resolved by the
/// next one.
pub struct Dispatch {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    watch: Arc<Watch>,
    callbacks: Arc<CallbackSender>,
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dispatch {
    /// Starts a dispatcher over an engine, of the payments that it claims, and gives the engine
    /// through which everybody else has to reach it: it hears of what is accepted. Needs to be in
    /// a runtime.
    #[must_use]
    pub fn start(
        engine: Arc<dyn Engine>,
        claims: Arc<dyn Claims>,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> (Self, Arc<dyn Engine>) {
        let (changed, received) = mpsc::unbounded_channel();
        let mailbox = Mailbox::new(changed);
        let leases = config.policy.processors.iter().map(|policy| policy.lease);
        // Without a processor of its own, this node knows no more of the others than one that pays nothing.
        let send_lease = leases.max().unwrap_or(watched::SEND_LEASE);
        let currency = config.policy.currency;
        let watched = WithPayments::new(Arc::clone(&engine), mailbox.clone(), currency, send_lease);
        let (stop, stopped) = oneshot::channel();
        let driver = Driver::new(engine, claims, config, clock, mailbox);
        let (watch, looks) = Watch::new();
        let (callbacks, called_back) = CallbackSender::new();
        let sources = Sources::new(received, looks, called_back, stopped);
        let task = tokio::spawn(driver.run(sources));
        let dispatch = Self {
            task,
            stop: Some(stop),
            watch: Arc::new(watch),
            callbacks: Arc::new(callbacks),
        };
        (dispatch, Arc::new(watched))
    }

    /// Shows what it has in hand.
    #[must_use]
    pub fn watch(&self) -> Arc<dyn Dispatching> {
        Arc::clone(&self.watch) as Arc<dyn Dispatching>
    }

    /// Takes what processors report by themselves.
    #[must_use]
    pub fn callbacks(&self) -> Arc<dyn TakesCallbacks> {
        Arc::clone(&self.callbacks) as Arc<dyn TakesCallbacks>
    }

    /// Begins nothing new, and waits for what is under way, up to `patience`.
    pub async fn stop(mut self, patience: Duration) {
        if let Some(stop) = self.stop.take() {
            // The task has ended already where nobody hears it.
            let _ = stop.send(());
        }
        if tokio::time::timeout(patience, &mut self.task)
            .await
            .is_err()
        {
            tracing::warn!("payments are under way; the next start resolves them");
        }
    }
}
