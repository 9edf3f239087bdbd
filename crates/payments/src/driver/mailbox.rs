//! What reaches the dispatcher's task from the engine's callers.

use std::sync::Arc;

use ledger::PaymentId;
use tokio::sync::{Notify, mpsc};

use super::settling::Settling;

/// One end of it; all ends are alike.
#[derive(Clone)]
pub(super) struct Mailbox {
    /// Payments that others than the dispatcher changed.
    pub(super) changed: mpsc::UnboundedSender<PaymentId>,
    /// Rung when payments were accepted, however many.
    pub(super) accepted: Arc<Notify>,
    pub(super) settling: Arc<Settling>,
}

impl Mailbox {
    pub(super) fn new(changed: mpsc::UnboundedSender<PaymentId>) -> Self {
        Self {
            changed,
            accepted: Arc::default(),
            settling: Arc::default(),
        }
    }
}
