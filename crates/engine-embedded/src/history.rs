//! Reads of what is not in memory, in threads of their own: the threads that serve requests never wait for
//! the disk, so that probes, writes and reads of memory go on however slow it is.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use ledger::Unavailable;
use tokio::sync::oneshot;

use crate::read::NotRead;

/// How many reads go on at once: more than one disk gains from waits in vain.
pub(crate) const THREADS: usize = 8;
/// How many more may wait; beyond these a read is `overloaded`.
pub(crate) const WAITING_MAX: usize = 1_024;

type Job = Box<dyn FnOnce() + Send>;

/// The callers' end. The threads end when it is dropped, each after the read it is at: nothing
/// waits for them.
pub(crate) struct History {
    jobs: Sender<Job>,
}

impl History {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, to_do) = bounded::<Job>(WAITING_MAX);
        for _ in 0..THREADS {
            let to_do: Receiver<Job> = to_do.clone();
            std::thread::Builder::new()
                .name("lastro-history".to_owned())
                .spawn(move || {
                    for job in to_do {
                        // The panic has been printed; its caller is answered.
                        let _ = catch_unwind(AssertUnwindSafe(job));
                    }
                })?;
        }
        Ok(Self { jobs })
    }

    /// Reads in one of the threads, or finds that too much waits for them.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        deadline: Instant,
        read: impl FnOnce() -> Result<T, NotRead> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            if !answer.is_closed() && Instant::now() < deadline {
                // A caller that has gone needs no answer.
                let _ = answer.send(read());
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::Overloaded,
            TrySendError::Disconnected(_) => Unavailable::LedgerUnavailable,
        })?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(Ok(read))) => Ok(read),
            Ok(Ok(Err(NotRead::Unavailable(unavailable)))) => Err(unavailable),
            Ok(Ok(Err(NotRead::NotAtHand))) => unreachable!("these threads wait for the disk"),
            // Its thread panicked, or it was not begun in time.
            Ok(Err(_)) if Instant::now() < deadline => Err(Unavailable::LedgerUnavailable),
            Ok(Err(_)) | Err(_) => Err(Unavailable::Timeout),
        }
    }
}
