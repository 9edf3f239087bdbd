//! What a node shares among its tasks: the ways to both stores, and what it knows of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine_postgres::{Answered, Tables};
use futures_util::future::try_join_all;
use ledger::{Batch, Unavailable};
use redis::Value;
use tokio::sync::{Notify, watch};

use crate::call::{Checked, Unknown, decode, encode};
use crate::engine::Options;
use crate::error::{Chain, Damaged, Trouble};
use crate::link::{Link, Reply, bytes};

/// How long to wait before another attempt: twice as long every time, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// What a node's tasks share.
pub(crate) struct Front {
    pub(crate) link: Link,
    pub(crate) tables: Tables,
    pub(crate) options: Options,
    /// The epoch under which calls are made; `None` while the stores have to be compared.
    epoch: watch::Sender<Option<Arc<str>>>,
    /// Told that they have to be.
    pub(crate) stale: Notify,
    pub(crate) seen: Seen,
}

/// What was last seen of the stores.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The newest position that this node has told or been told.
    pub(crate) position: AtomicU64,
    /// Up to where the database has it.
    pub(crate) persisted: AtomicU64,
    /// How old the oldest call is that it does not have, in microseconds.
    pub(crate) lag_us: AtomicU64,
    /// Whether Redis answered when it was last asked.
    pub(crate) answers: AtomicBool,
}

impl Seen {
    /// How many entries are not persisted.
    pub(crate) fn lag(&self) -> u64 {
        let position = self.position.load(Ordering::Relaxed);
        position.saturating_sub(self.persisted.load(Ordering::Relaxed))
    }

    pub(crate) fn note(&self, position: u64, persisted: u64) {
        self.position.fetch_max(position, Ordering::Relaxed);
        self.persisted.fetch_max(persisted, Ordering::Relaxed);
    }

    /// Begins anew where the ledger goes on.
    pub(crate) fn begin(&self, position: u64, persisted: u64) {
        self.position.store(position, Ordering::Relaxed);
        self.persisted.store(persisted, Ordering::Relaxed);
    }
}

impl Front {
    pub(crate) fn new(link: Link, tables: Tables, options: Options) -> Self {
        Self {
            link,
            tables,
            options,
            epoch: watch::Sender::new(None),
            stale: Notify::new(),
            seen: Seen::default(),
        }
    }

    /// The epoch in force; waits for it while the stores are compared.
    pub(crate) async fn epoch(&self, deadline: Instant) -> Result<Arc<str>, Unavailable> {
        let mut receiver = self.epoch.subscribe();
        let known = receiver.wait_for(Option::is_some);
        match tokio::time::timeout_at(deadline.into(), known).await {
            Ok(Ok(epoch)) => epoch.clone().ok_or(Unavailable::LedgerUnavailable),
            _ => Err(Unavailable::LedgerUnavailable),
        }
    }

    /// The epoch in force, if any.
    pub(crate) fn epoch_now(&self) -> Option<Arc<str>> {
        self.epoch.borrow().clone()
    }

    /// The stores agree, under this epoch.
    pub(crate) fn agree(&self, epoch: Arc<str>) {
        self.epoch.send_replace(Some(epoch));
    }

    /// Redis does not go on under this epoch: the stores have to be compared.
    pub(crate) fn doubt(&self, epoch: &str) {
        let changed = self.epoch.send_if_modified(|current| {
            let is_it = current.as_deref() == Some(epoch);
            if is_it {
                *current = None;
            }
            is_it
        });
        if changed {
            tracing::warn!(
                "Redis is empty, was restarted or rebuilt: comparing it with the database"
            );
        }
        self.stale.notify_one();
    }

    /// Applies the batches in one call.
    pub(crate) async fn apply(&self, batches: &[Batch], deadline: Instant) -> Answered {
        let mut checked = Checked::default();
        let [mut pause, pause_max] = PAUSES;
        loop {
            let epoch = self.epoch(deadline).await?;
            let call = encode(epoch.as_bytes(), batches, &checked);
            let trouble = match self.link.call(&call, deadline).await {
                Ok(Reply::Done(values)) => match decode(&values, batches, &checked) {
                    Ok(answered) => {
                        self.seen.note(answered.position, answered.persisted);
                        return Ok(answered.outcomes);
                    }
                    Err(damaged) => damaged.into(),
                },
                Ok(Reply::Check(keys)) => {
                    self.check(&keys, &mut checked, deadline).await?;
                    continue;
                }
                Ok(Reply::Again) => continue,
                Err(Trouble::Stale) => {
                    self.doubt(&epoch);
                    checked = Checked::default();
                    continue;
                }
                Err(trouble) => trouble,
            };
            let again = match &trouble {
                // Under their ids the commands answer again what they answered first.
                Trouble::Lost(_) => batches.iter().all(Batch::is_repeatable),
                trouble => trouble.is_passing(),
            };
            if !again || Instant::now() + pause >= deadline {
                tracing::warn!(error = %Chain(&trouble), "a call was not answered");
                return Err(trouble.unavailable());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(pause_max);
        }
    }

    /// Asks the database for ids that only a filter knows.
    async fn check(
        &self,
        keys: &[Value],
        checked: &mut Checked,
        deadline: Instant,
    ) -> Result<(), Unavailable> {
        let damaged = |_: Damaged| Unavailable::StorageDamaged;
        let unknown = keys.iter().map(|key| {
            let key = bytes(Some(key))?.ok_or(Damaged)?;
            Unknown::of(key)
        });
        let unknown: Vec<_> = unknown.collect::<Result<_, _>>().map_err(damaged)?;
        let asked = unknown.iter().map(|unknown| async move {
            match unknown {
                Unknown::Transfer(id) => {
                    let used = self.tables.transfer(*id, deadline).await?;
                    Ok((*unknown, used, None))
                }
                Unknown::Batch(id) => {
                    let used = self.tables.batch(*id, deadline).await?;
                    Ok((*unknown, None, used))
                }
            }
        });
        for (unknown, transfer, batch) in try_join_all(asked).await? {
            match unknown {
                Unknown::Transfer(id) => {
                    let checked = checked.transfer(id, transfer.as_ref());
                    checked.map_err(damaged)?;
                }
                Unknown::Batch(id) => checked.batch(id, batch),
            }
        }
        Ok(())
    }
}
