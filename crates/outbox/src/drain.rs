//! The drain: gives the ledger what is queued, in order, until it has answered.
//!
//! One micro-batch at a time: the next is made of all that is queued by the time this one is
//! answered. A batch that is not answered is given again, as it was or as its beginning: by its ids
//! an operation that was applied before is not applied again, and its outcome is returned again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::Storage;
use ledger::{BATCH_COMMANDS_MAX, Batch, Command, Engine, Outcome, Refusal, Unavailable};

use crate::log::Stored;
use crate::metrics::Metrics;
use crate::queue::is_without_record;
use crate::shared::{Shared, Unreadable};
use crate::status::OutboxStatus;

/// The most operations of a micro-batch.
const BATCH_MAX: usize = 1_000;
/// The most bytes of a micro-batch, by the measure of [`Command::size_bytes`].
const BATCH_BYTES_MAX: usize = 1 << 20;
/// The first wait before a micro-batch is given again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// How often reading a damaged operation is tried again.
const DAMAGE_PAUSE: Duration = Duration::from_secs(60);

const _: () = assert!(BATCH_MAX <= BATCH_COMMANDS_MAX);

/// Why a micro-batch was not applied.
enum NotApplied {
    Unavailable(Unavailable),
    Unreadable(Unreadable),
}

/// What the drain's task owns.
pub(crate) struct Drain<S: Storage> {
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) submit_timeout: Duration,
    pub(crate) pause_max: Duration,
}

impl<S: Storage> Drain<S> {
    /// Works until it is aborted.
    pub(crate) async fn run(self) {
        let (mut pause, mut batch_max) = (PAUSE_FIRST, BATCH_MAX);
        loop {
            let oldest = self.shared.queue.lock().first(batch_max);
            if oldest.is_empty() {
                self.shared.arrived.notified().await;
                continue;
            }
            match self.apply(&oldest).await {
                Ok(()) => {
                    if pause > PAUSE_FIRST {
                        tracing::info!("the ledger answers again");
                    }
                    pause = PAUSE_FIRST;
                    batch_max = (batch_max * 2).min(BATCH_MAX);
                    self.shared.changed.notify_waiters();
                }
                Err(NotApplied::Unavailable(why)) => {
                    self.note_failure(why, pause);
                    // One that the ledger cannot decide must not hold up those before it.
                    if matches!(
                        why,
                        Unavailable::Timeout
                            | Unavailable::StorageDamaged
                            | Unavailable::NodeNotAllowed
                    ) {
                        batch_max = (batch_max / 2).max(1);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(self.pause_max);
                }
                Err(NotApplied::Unreadable(error)) => {
                    self.shared.set_status(OutboxStatus::StorageDamaged);
                    tracing::error!(
                        %error,
                        "a queued operation cannot be read; it and all operations behind it wait until the \
                         outbox is restored: {error}"
                    );
                    tokio::time::sleep(DAMAGE_PAUSE).await;
                }
            }
        }
    }

    /// Gives the ledger the oldest operations and takes in its answer.
    async fn apply(&self, oldest: &[Stored]) -> Result<(), NotApplied> {
        let commands = self
            .read(oldest)
            .map_err(|error| match error.unavailable() {
                Unavailable::StorageDamaged => NotApplied::Unreadable(error),
                passing => NotApplied::Unavailable(passing),
            })?;
        let batch = Batch::independent(commands.clone()).unwrap_or_else(|error| {
            unreachable!("a micro-batch is far below the bounds of a batch: {error}")
        });
        let deadline = Instant::now() + self.submit_timeout;
        let submitted = self.engine.submit(vec![batch], deadline);
        let answer = tokio::time::timeout_at(deadline.into(), submitted).await;
        let outcomes = match answer {
            Ok(Ok(batches)) => batches,
            Ok(Err(why)) => return Err(NotApplied::Unavailable(why)),
            Err(_) => return Err(NotApplied::Unavailable(Unavailable::Timeout)),
        };
        let answered = outcomes.iter().map(Vec::len).sum::<usize>();
        let outcomes = match <[Vec<Outcome>; 1]>::try_from(outcomes) {
            Ok([outcomes]) if outcomes.len() == commands.len() => outcomes,
            Ok(_) | Err(_) => {
                let asked = commands.len();
                tracing::error!("the engine answered {asked} operations with {answered} outcomes");
                return Err(NotApplied::Unavailable(Unavailable::LedgerUnavailable));
            }
        };
        self.metrics.batch(&outcomes);
        warn_of_refusals(&commands, &outcomes);
        self.shared.queue.lock().answered(commands, &outcomes);
        Ok(())
    }

    /// The commands of the oldest operations, as many as a micro-batch may have.
    fn read(&self, oldest: &[Stored]) -> Result<Vec<Command>, Unreadable> {
        let mut commands = Vec::with_capacity(oldest.len());
        let (mut bytes, mut buffer) = (0, Vec::new());
        for stored in oldest {
            let command = match self.shared.read(stored.address, &mut buffer) {
                Ok(command) => command,
                // Those before it are whole and need not wait.
                Err(_) if !commands.is_empty() => break,
                Err(error) => return Err(error),
            };
            bytes += command.size_bytes();
            if bytes > BATCH_BYTES_MAX && !commands.is_empty() {
                break;
            }
            commands.push(command);
        }
        Ok(commands)
    }

    fn note_failure(&self, why: Unavailable, pause: Duration) {
        self.metrics.retry(why);
        if pause == PAUSE_FIRST {
            let depth = self.shared.queue.lock().len();
            let code = why.code();
            tracing::warn!(
                code,
                depth,
                "the ledger did not answer; {depth} operations are queued and are tried again: {why}"
            );
        }
    }
}

/// Another node, or an earlier life of this one, took the same id with other content: only the sender of
/// both knows which was meant. Or an older version accepted what the ledger takes no more. Neither leaves a
/// record in the ledger.
fn warn_of_refusals(commands: &[Command], outcomes: &[Outcome]) {
    for (command, outcome) in commands.iter().zip(outcomes) {
        let Err(refusal) = &outcome.result else {
            continue;
        };
        let (id, code) = (command.used_id(), refusal.code());
        if matches!(refusal, Refusal::ExistsWithDifferent(_)) {
            tracing::warn!(
                ?id,
                code,
                "an accepted operation was refused, because its id was used with other content: {code}"
            );
        } else if is_without_record(command, outcome) {
            tracing::warn!(
                ?id,
                code,
                "an operation that an older version accepted was refused, because its content is not valid \
                 any more: {code}. Its id is free: send it again with other content"
            );
        }
    }
}
