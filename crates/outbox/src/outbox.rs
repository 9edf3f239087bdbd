//! The outbox as callers hold it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};
use journal::{FileStorage, Storage};
use ledger::{BoxFuture, Clock, Engine, TransferId, Unavailable};
use parking_lot::Mutex;
use stdx::StopOnPanic;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::drain::Drain;
use crate::log::{Log, OutboxOpenError, OutboxRecovery};
use crate::metrics::Metrics;
use crate::operation::{Accepted, NotAccepted, Operation, OperationState, Operations};
use crate::options::OutboxOptions;
use crate::queue::Queue;
use crate::shared::Shared;
use crate::status::OutboxStatus;
use crate::writer::{Request, Writer};

/// The most operations that may wait for the writer; more are `overloaded`.
const REQUESTS_MAX: usize = 65_536;

/// Operations accepted now and applied later, with one writer thread and one draining task.
///
/// Dropping it stops both; what is queued stays on the disk. [`Outbox::stop`] lets them finish.
pub struct Outbox<S: Storage = FileStorage> {
    shared: Arc<Shared<S>>,
    worker: Mutex<Option<Worker>>,
    requests: Mutex<Option<Sender<Request>>>,
    drain: AbortHandle,
}

/// The writer's thread, and what keeps it going once no request can come any more.
struct Worker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// Opens the outbox in a directory, which is made if it is not there. Needs to be in a tokio
    /// runtime with time.
    ///
    /// # Errors
    ///
    /// See [`OutboxOpenError`].
    pub fn open_in(
        directory: &Path,
        options: &OutboxOptions,
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, OutboxRecovery), OutboxOpenError> {
        let storage = FileStorage::open(directory).map_err(OutboxOpenError::Directory)?;
        Self::open(storage, options, engine, clock)
    }
}

impl<S: Storage> Outbox<S> {
    /// Opens the journal in `storage`, and goes on with what it has queued. Needs to be in a tokio
    /// runtime with time.
    ///
    /// # Errors
    ///
    /// See [`OutboxOpenError`].
    pub fn open(
        storage: S,
        options: &OutboxOptions,
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, OutboxRecovery), OutboxOpenError> {
        let (log, replayed, recovery) = Log::open(storage, options)?;
        let shared = Arc::new(Shared::new(Queue::from(replayed), log.reader()));
        let metrics = Arc::new(Metrics::new());
        let (requests, received) = bounded(REQUESTS_MAX);
        let (stop, stopped) = bounded(0);
        let writer = Writer::new(
            log,
            Arc::clone(&shared),
            (received, stopped),
            options.operations_max,
            clock,
            Arc::clone(&metrics),
        );
        let thread = std::thread::Builder::new()
            .name("lastro-outbox".to_owned())
            .spawn(move || {
                let _stop = StopOnPanic("outbox's writer");
                writer.run();
            })
            .map_err(OutboxOpenError::Thread)?;
        let drain = Drain {
            shared: Arc::clone(&shared),
            engine,
            metrics,
            submit_timeout: options.submit_timeout,
            pause_max: options.pause_max,
        };
        let outbox = Self {
            shared,
            worker: Mutex::new(Some(Worker { stop, thread })),
            requests: Mutex::new(Some(requests)),
            drain: tokio::spawn(async move {
                let _stop = StopOnPanic("outbox's drain");
                drain.run().await;
            })
            .abort_handle(),
        };
        Ok((outbox, recovery))
    }

    /// How many operations are queued.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.queue.lock().len()
    }

    /// Accepts nothing more, lets the ledger have what is queued for so long, and closes the
    /// journal. Answers with how many operations stay queued on the disk.
    pub async fn stop(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        drop(self.requests.lock().take());
        let _ = tokio::time::timeout_at(deadline.into(), self.drained()).await;
        self.drain.abort();
        let worker = self.worker.lock().take();
        let closing = tokio::task::spawn_blocking(move || worker.map(Worker::close));
        // A panic of the writer has stopped the process already.
        let _ = closing.await;
        self.depth()
    }

    /// Until everything that was accepted is queued, and nothing is queued any more.
    async fn drained(&self) {
        loop {
            let changed = self.shared.changed.notified();
            let is_sealed = self.shared.is_sealed.load(Ordering::Acquire);
            if is_sealed && self.shared.queue.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }

    async fn take(&self, operation: Operation, deadline: Instant) -> Result<Accepted, NotAccepted> {
        let unavailable = |why| Err(NotAccepted::Unavailable(why));
        let (answer, answered) = oneshot::channel();
        let request = Request {
            operation,
            deadline,
            answer,
        };
        let sent = match &*self.requests.lock() {
            Some(requests) => requests.try_send(request),
            None => Err(TrySendError::Disconnected(request)),
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return unavailable(Unavailable::Overloaded),
            Err(TrySendError::Disconnected(_)) => {
                return unavailable(Unavailable::LedgerUnavailable);
            }
        }
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => unavailable(Unavailable::LedgerUnavailable),
            Err(_) => unavailable(Unavailable::Timeout),
        }
    }
}

impl<S: Storage> Operations for Outbox<S> {
    fn accept(
        &self,
        operation: Operation,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Accepted, NotAccepted>> {
        Box::pin(self.take(operation, deadline))
    }

    fn state(&self, id: TransferId) -> Option<OperationState> {
        self.shared.queue.lock().state(id)
    }

    fn status(&self) -> OutboxStatus {
        self.shared.status()
    }
}

impl Worker {
    fn close(self) {
        drop(self.stop);
        // A panic of the writer has stopped the process already.
        let _ = self.thread.join();
    }
}

impl<S: Storage> Drop for Outbox<S> {
    fn drop(&mut self) {
        self.drain.abort();
        drop(self.requests.lock().take());
        if let Some(worker) = self.worker.lock().take() {
            worker.close();
        }
    }
}
