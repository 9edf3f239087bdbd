//! The bounded way to the writer.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};
use ledger::{Batch, Outcome, Unavailable};
use stdx::ByteBound;
use tokio::sync::oneshot;

use crate::traced::Notes;

/// What a caller is answered.
pub(crate) type Answer = Result<Vec<Vec<Outcome>>, Unavailable>;

/// What is to become of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Apply,
    Preview,
}

/// Batches that wait for the writer.
pub(crate) struct Request {
    pub(crate) batches: Vec<Batch>,
    /// Past it the request is not begun any more.
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Whether the batches are to be applied, or only what they would be answered is asked for.
    pub(crate) intent: Intent,
    /// What the writer notes for a traced request.
    pub(crate) notes: Option<Box<Notes>>,
    size_bytes: usize,
}

impl Request {
    /// What it takes in the queue, roughly.
    pub(crate) const fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

/// The callers' end. The queue closes when it is dropped.
pub(crate) struct Queue {
    sender: Sender<Request>,
    bound: ByteBound,
}

/// The writer's end.
pub(crate) struct Waiting {
    pub(crate) receiver: Receiver<Request>,
    bound: ByteBound,
}

/// A queue that holds no more than about `bytes_max` of commands.
pub(crate) fn queue(bytes_max: usize) -> (Queue, Waiting) {
    let (sender, receiver) = unbounded();
    let bound = ByteBound::new(bytes_max);
    let queue = Queue {
        sender,
        bound: bound.clone(),
    };
    (queue, Waiting { receiver, bound })
}

impl Queue {
    /// Puts the batches in the queue, or says that it is full or closed.
    pub(crate) fn push(
        &self,
        batches: Vec<Batch>,
        intent: Intent,
        deadline: Instant,
        notes: Option<Box<Notes>>,
    ) -> Result<oneshot::Receiver<Answer>, Unavailable> {
        let size_bytes = size_of::<Request>() + batches.iter().map(request_bytes).sum::<usize>();
        if self.bound.take(size_bytes).is_none() {
            return Err(Unavailable::Overloaded);
        }
        let (answer, answered) = oneshot::channel();
        let request = Request {
            batches,
            deadline,
            answer,
            intent,
            notes,
            size_bytes,
        };
        self.sender.send(request).map_err(|_| {
            self.bound.give_back(size_bytes);
            Unavailable::LedgerUnavailable
        })?;
        Ok(answered)
    }
}

/// What a batch takes in the queue, roughly.
fn request_bytes(batch: &Batch) -> usize {
    batch.size_bytes() + size_of_val(batch.commands())
}

impl Waiting {
    /// The request has left the queue.
    pub(crate) fn taken(&self, request: &Request) {
        self.bound.give_back(request.size_bytes);
    }

    /// How much waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bound.bytes()
    }
}
