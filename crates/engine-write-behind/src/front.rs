//! What a node shares among its tasks: the ways to both stores, and what it knows of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engine_postgres::{Answered, JudgedClock, Tables};
use futures_util::future::try_join_all;
use ledger::{Batch, Unavailable};
use parking_lot::Mutex;
use redis::Value;
use stdx::ErrorChain;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::call::{Checked, decode, encode};
use crate::compare::Agreed;
use crate::data_loss::Loss;
use crate::epoch::Newest;
use crate::error::{Damaged, Trouble, WriteBehindOpenError};
use crate::guard::Guard;
use crate::layout::NamedId;
use crate::link::{Function, Link, Reply, bytes};
use crate::nodes::Place;
use crate::options::WriteBehindOptions;
use crate::settings::{self, Patience, Settings, Watch};

/// How long to wait before another attempt: twice as long every time, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// How long a look at Redis' settings may take.
const SETTINGS_BOUND: Duration = Duration::from_secs(2);

/// What a node's tasks share.
pub(crate) struct Front {
    pub(crate) link: Link,
    pub(crate) tables: Tables,
    pub(crate) options: WriteBehindOptions,
    /// The era in which calls are made; `None` while the stores have to be compared.
    era: watch::Sender<Option<Arc<Era>>>,
    /// The newest one there was.
    last_era: Mutex<Option<Arc<Era>>>,
    /// Told that they have to be.
    pub(crate) stale: Notify,
    pub(crate) seen: Seen,
    /// Whether Redis takes writes and keeps what it answers.
    pub(crate) guard: Guard,
    /// How far its clock is believed.
    pub(crate) clock: OnceLock<JudgedClock>,
    /// How its settings were when they were last looked at.
    pub(crate) watch: Watch,
    /// This node, among those that share the stores.
    pub(crate) node_id: Uuid,
    /// Where Redis is, and what it called itself when it was last looked at.
    place: Mutex<Place>,
    /// Whether the comparison under way, or the last one, took an epoch.
    pub(crate) has_taken: AtomicBool,
    /// Why this node compares no Redis any more: it was led to another one than a node that lived. It
    /// still joins what the others go on with; else it waits to be started again.
    pub(crate) elsewhere: Mutex<Option<String>>,
    /// What was named as lost since the ledger was open last.
    losses_named: Mutex<Vec<Loss>>,
}

/// The time from one comparison of the stores to the next.
#[derive(Debug)]
pub(crate) struct Era {
    pub(crate) epoch: String,
    /// The newest position that this node has answered or been told in it.
    position: AtomicU64,
}

impl Era {
    /// What each call carries: with less in it, Redis does nothing.
    pub(crate) fn token(&self) -> String {
        format!("{}{}", self.epoch, self.position.load(Ordering::Acquire))
    }

    pub(crate) fn newest(&self) -> Newest {
        Newest {
            epoch: self.epoch.clone(),
            position: self.position.load(Ordering::Acquire),
        }
    }
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
}

impl Seen {
    /// How many entries are not persisted.
    pub(crate) fn lag(&self) -> u64 {
        let position = self.position.load(Ordering::Relaxed);
        position.saturating_sub(self.persisted.load(Ordering::Relaxed))
    }

    fn note(&self, position: u64, persisted: u64) {
        self.position.fetch_max(position, Ordering::Relaxed);
        self.persisted.fetch_max(persisted, Ordering::Relaxed);
    }

    /// Begins anew where the ledger goes on.
    fn begin(&self, position: u64, persisted: u64) {
        self.position.store(position, Ordering::Relaxed);
        self.persisted.store(persisted, Ordering::Relaxed);
    }
}

impl Front {
    pub(crate) fn new(
        link: Link,
        address: String,
        tables: Tables,
        options: WriteBehindOptions,
    ) -> Self {
        Self {
            link,
            tables,
            options,
            era: watch::Sender::new(None),
            last_era: Mutex::default(),
            stale: Notify::new(),
            seen: Seen::default(),
            guard: Guard::default(),
            clock: OnceLock::new(),
            watch: Watch::default(),
            node_id: Uuid::new_v4(),
            place: Mutex::new(Place {
                run_id: String::new(),
                address,
            }),
            has_taken: AtomicBool::new(false),
            elsewhere: Mutex::default(),
            losses_named: Mutex::default(),
        }
    }

    /// The Redis that this node was given, as it was when it was last looked at.
    pub(crate) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// The era that runs; waits for it while the stores are compared.
    pub(crate) async fn era(&self, deadline: Instant) -> Result<Arc<Era>, Unavailable> {
        let mut receiver = self.era.subscribe();
        let known = receiver.wait_for(Option::is_some);
        match tokio::time::timeout_at(deadline.into(), known).await {
            Ok(Ok(era)) => era.clone().ok_or(Unavailable::LedgerUnavailable),
            _ => Err(Unavailable::LedgerUnavailable),
        }
    }

    /// The era that runs, if any.
    pub(crate) fn era_now(&self) -> Option<Arc<Era>> {
        self.era.borrow().clone()
    }

    /// The newest position that this node has seen, in the newest era it has seen.
    pub(crate) fn newest(&self) -> Option<Newest> {
        self.last_era.lock().as_ref().map(|era| era.newest())
    }

    /// Told a position in this era. `false`: the era is over, and what was told may be lost already.
    #[must_use]
    pub(crate) fn note(&self, era: &Era, position: u64, persisted: u64) -> bool {
        // While the era is borrowed it does not end: a later comparison knows the position.
        let now = self.era.borrow();
        let is_now = now.as_ref().is_some_and(|now| now.epoch == era.epoch);
        if is_now {
            era.position.fetch_max(position, Ordering::AcqRel);
            self.seen.note(position, persisted);
        }
        is_now
    }

    /// Whether this era still runs.
    pub(crate) fn is_now(&self, era: &Era) -> bool {
        self.era
            .borrow()
            .as_ref()
            .is_some_and(|now| now.epoch == era.epoch)
    }

    /// Names what the ledger goes on without; not again when the comparison is tried again.
    pub(crate) fn name(&self, loss: Loss, persisted: u64) {
        let mut named = self.losses_named.lock();
        if !named.contains(&loss) {
            named.push(loss);
            loss.report(persisted);
        }
    }

    /// The stores agree: a new era begins, or the one before goes on.
    pub(crate) fn begin(&self, agreed: Agreed) {
        self.elsewhere.lock().take();
        // What is lost from here on is lost once more, also at the same positions.
        self.losses_named.lock().clear();
        let (position, persisted) = (agreed.position, agreed.persisted);
        let origin = match agreed.rebuilt {
            None => "kept",
            Some(_) => "rebuilt from the database",
        };
        tracing::info!(
            persisted_position = persisted,
            position,
            origin,
            "the ledger is open"
        );
        self.seen.begin(position, persisted);
        let mut last = self.last_era.lock();
        let goes_on = last.take().filter(|era| era.epoch == agreed.epoch);
        let era = goes_on.unwrap_or_else(|| {
            Arc::new(Era {
                epoch: agreed.epoch,
                position: AtomicU64::new(0),
            })
        });
        era.position.fetch_max(position, Ordering::AcqRel);
        *last = Some(Arc::clone(&era));
        self.era.send_replace(Some(era));
    }

    /// Redis or the database does not go on in this era: the stores have to be compared.
    pub(crate) fn doubt(&self, epoch: &str) {
        let changed = self.era.send_if_modified(|current| {
            let is_it = current.as_ref().is_some_and(|era| era.epoch == epoch);
            if is_it {
                *current = None;
            }
            is_it
        });
        if changed {
            tracing::warn!(
                "Redis or the database has changed since they were compared: they are compared again, and \
                 no write is applied meanwhile"
            );
        }
        self.stale.notify_one();
    }

    /// Looks at what Redis is set to; while that is wrong, nothing is written.
    pub(crate) async fn look_at_settings(&self) -> Result<Settings, WriteBehindOpenError> {
        let (asked, deadline) = (self.options.durability, Instant::now() + SETTINGS_BOUND);
        let patience = Patience::UntilTheDeadline;
        let looked = settings::check(&self.link, asked, &self.watch, patience, deadline);
        let settings = self.noted(looked.await)?;
        self.place.lock().run_id.clone_from(&settings.run_id);
        Ok(settings)
    }

    /// Looks whether the library may do what it has to; it has to be loaded.
    pub(crate) async fn look_at_commands(&self) -> Result<(), WriteBehindOpenError> {
        self.noted(settings::probe(&self.link, Instant::now() + SETTINGS_BOUND).await)
    }

    fn noted<T>(&self, looked: Result<T, WriteBehindOpenError>) -> Result<T, WriteBehindOpenError> {
        match &looked {
            Ok(_) => self.guard.note_settings(None),
            Err(WriteBehindOpenError::Unsafe(why)) => self.guard.note_settings(Some(why.clone())),
            // It was not asked: nothing is known that was not known before.
            Err(_) => {}
        }
        looked
    }

    /// Both, while the ledger is open.
    pub(crate) async fn look_again(&self) -> Result<(), WriteBehindOpenError> {
        let (asked, deadline) = (self.options.durability, Instant::now() + SETTINGS_BOUND);
        let looked = async {
            let patience = Patience::None;
            let looked = settings::check(&self.link, asked, &self.watch, patience, deadline);
            self.place.lock().run_id = looked.await?.run_id;
            settings::probe(&self.link, deadline).await
        };
        self.noted(looked.await)
    }

    /// Applies the batches in one call.
    pub(crate) async fn apply(&self, batches: &[Batch], deadline: Instant) -> Answered {
        self.call(Function::Apply, batches, deadline).await
    }

    /// Calls the function that applies batches, or the one that previews them.
    pub(crate) async fn call(
        &self,
        function: Function,
        batches: &[Batch],
        deadline: Instant,
    ) -> Answered {
        let mut checked = Checked::default();
        let [mut pause, pause_max] = PAUSES;
        // A later attempt that is refused says nothing about an earlier one.
        let mut may_be_applied = false;
        loop {
            self.guard.check()?;
            let era = self.era(deadline).await?;
            let (token, latest) = (era.token(), self.latest_for(deadline));
            let call = encode(function, token.as_bytes(), latest, batches, &checked);
            let trouble = match self.link.call(&call, deadline).await {
                Ok(Reply::Done(values)) => match decode(&values, batches, &checked) {
                    Ok(answered) => {
                        if self.note(&era, answered.position, answered.persisted) {
                            return Ok(answered.outcomes);
                        }
                        // It is given again, to the Redis that the ledger goes on with.
                        may_be_applied = true;
                        if !batches.iter().all(Batch::is_repeatable) {
                            return Err(Unavailable::LedgerUnavailable);
                        }
                        checked = Checked::default();
                        continue;
                    }
                    Err(damaged) => {
                        may_be_applied = true;
                        damaged.into()
                    }
                },
                Ok(Reply::Check(keys)) => {
                    let checked = self.check(&keys, &mut checked, deadline).await;
                    checked.map_err(|why| unknown_if(may_be_applied, why))?;
                    continue;
                }
                Ok(Reply::Again) => continue,
                Err(Trouble::Stale) => {
                    self.doubt(&era.epoch);
                    checked = Checked::default();
                    continue;
                }
                Err(Trouble::ClockJumped(now)) => {
                    // Shown at once, not with the next look.
                    let _ = self.clock().judge(now);
                    Trouble::ClockJumped(now)
                }
                Err(trouble) => trouble,
            };
            may_be_applied |= trouble.may_be_applied();
            let again = match &trouble {
                // Under their ids the commands answer again what they answered first.
                Trouble::Lost(_) => batches.iter().all(Batch::is_repeatable),
                trouble => trouble.is_passing(),
            };
            if !again || Instant::now() + pause >= deadline {
                tracing::warn!(error = %ErrorChain(&trouble), "a call was not answered");
                return Err(unknown_if(may_be_applied, trouble.unavailable()));
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
            NamedId::of_key(key)
        });
        let unknown: Vec<_> = unknown.collect::<Result<_, _>>().map_err(damaged)?;
        let asked = unknown.iter().map(|unknown| async move {
            match unknown {
                NamedId::Transfer(id) => {
                    let used = self.tables.transfer(*id, deadline).await?;
                    Ok((*unknown, used, None))
                }
                NamedId::Batch(id) => {
                    let used = self.tables.batch(*id, deadline).await?;
                    Ok((*unknown, None, used))
                }
            }
        });
        for (unknown, transfer, batch) in try_join_all(asked).await? {
            match unknown {
                NamedId::Transfer(id) => {
                    let checked = checked.transfer(id, transfer.as_ref());
                    checked.map_err(damaged)?;
                }
                NamedId::Batch(id) => checked.batch(id, batch),
            }
        }
        Ok(())
    }
}

/// What may have been applied is never answered as certainly not done.
fn unknown_if(may_be_applied: bool, why: Unavailable) -> Unavailable {
    if may_be_applied && why.nothing_done() {
        return Unavailable::LedgerUnavailable;
    }
    why
}
