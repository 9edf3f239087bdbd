//! What processors report by themselves, on its way to the dispatcher's task.

use ledger::{PaymentId, Unavailable};
use tokio::sync::mpsc;

use crate::policy::ProcessorIndex;

/// How many may wait for the task.
const CALLBACKS_MAX: usize = 1_024;

/// A payment, and the processor that has decided something about it.
pub(super) type Callback = (PaymentId, ProcessorIndex);

/// Takes what a processor reports by itself.
pub trait TakesCallbacks: Send + Sync {
    /// Has the processor asked for the payment, if it has it.
    ///
    /// # Errors
    ///
    /// Where too many wait, or nothing is dispatched any more.
    fn called_back(&self, id: PaymentId, processor: ProcessorIndex) -> Result<(), Unavailable>;
}

/// One end of the way.
pub(super) struct CallbackSender(mpsc::Sender<Callback>);

impl CallbackSender {
    pub(super) fn new() -> (Self, mpsc::Receiver<Callback>) {
        let (sender, received) = mpsc::channel(CALLBACKS_MAX);
        (Self(sender), received)
    }
}

impl TakesCallbacks for CallbackSender {
    fn called_back(&self, id: PaymentId, processor: ProcessorIndex) -> Result<(), Unavailable> {
        self.0
            .try_send((id, processor))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Unavailable::LedgerUnavailable,
            })
    }
}
