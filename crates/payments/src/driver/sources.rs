//! What reaches the dispatcher's task from outside.

use ledger::PaymentId;
use tokio::sync::{mpsc, oneshot};

use super::callbacks::Callback;
use super::watch::Look;

/// What reaches the task.
pub(super) struct Sources {
    pub(super) changed: mpsc::UnboundedReceiver<PaymentId>,
    pub(super) looks: mpsc::Receiver<Look>,
    pub(super) callbacks: mpsc::Receiver<Callback>,
    pub(super) stop: Stop,
}

/// The word to stop.
pub(super) struct Stop {
    told: oneshot::Receiver<()>,
    pub(super) is_told: bool,
}

impl Sources {
    pub(super) const fn new(
        changed: mpsc::UnboundedReceiver<PaymentId>,
        looks: mpsc::Receiver<Look>,
        callbacks: mpsc::Receiver<Callback>,
        told: oneshot::Receiver<()>,
    ) -> Self {
        let is_told = false;
        Self {
            changed,
            looks,
            callbacks,
            stop: Stop { told, is_told },
        }
    }
}

impl Stop {
    /// Waits until it is told, once.
    pub(super) async fn told(&mut self) {
        if self.is_told {
            std::future::pending::<()>().await;
        }
        // An error means that nobody holds the dispatcher: its task is being ended.
        let _ = (&mut self.told).await;
        self.is_told = true;
    }
}
