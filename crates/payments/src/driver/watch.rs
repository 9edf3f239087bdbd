//! Looking at what the dispatcher's task has in hand.

use std::time::Instant;

use ledger::{Answer, Dispatching, Unavailable, Unsettled, UnsettledQuery};
use tokio::sync::{mpsc, oneshot};

/// How many questions may wait for the task.
const QUESTIONS_MAX: usize = 64;

/// A question to the task, and where its answer goes.
pub(super) type Look = (UnsettledQuery, oneshot::Sender<Vec<Unsettled>>);

/// Asks the task. While the lease of this node's claims is not known to last, it does not answer.
pub(super) struct Watch {
    looks: mpsc::Sender<Look>,
}

impl Watch {
    pub(super) fn new() -> (Self, mpsc::Receiver<Look>) {
        let (looks, received) = mpsc::channel(QUESTIONS_MAX);
        (Self { looks }, received)
    }
}

impl Dispatching for Watch {
    fn unsettled(&self, query: UnsettledQuery, deadline: Instant) -> Answer<'_, Vec<Unsettled>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.looks
                .try_send((query, answer))
                .map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
                    mpsc::error::TrySendError::Closed(_) => Unavailable::LedgerUnavailable,
                })?;
            match tokio::time::timeout_at(deadline.into(), answered).await {
                Ok(answer) => answer.map_err(|_| Unavailable::LedgerUnavailable),
                Err(_) => Err(Unavailable::Timeout),
            }
        })
    }
}
