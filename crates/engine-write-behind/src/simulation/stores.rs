//! What a comparison asks of the stores, as questions to the models.

use std::cell::{Cell, RefCell};

use rand::Rng;
use uuid::Uuid;

use super::Bug;
use super::model::{Connection, No, keeps_epoch};
use super::node::State;
use super::world::{Life, Shared, World, ask, pause};
use crate::compare::{Mark, Stores, Verdict, judge};
use crate::data_loss::Loss;
use crate::epoch::History;
use crate::error::WriteBehindOpenError;
use crate::nodes::{Answered, NodeWatch, Other, Place};
use crate::positions::Behind;

/// The stores of one node, over one connection to the database.
pub(super) struct Simulated<'a> {
    shared: &'a Shared,
    state: &'a RefCell<State>,
    life: Life,
    connection: Connection,
    /// C1: what was read too early.
    early: RefCell<Option<Option<Mark>>>,
    /// The database's restarts when it was read last.
    restarts: Cell<u64>,
}

/// All nodes have one name for Redis.
fn place(run: u64) -> Place {
    Place {
        run_id: run.to_string(),
        address: String::new(),
    }
}

fn life_of(node_id: Uuid) -> Life {
    node_id.as_u64_pair().1
}

fn elsewhere() -> WriteBehindOpenError {
    WriteBehindOpenError::Disagree("TWO REDIS SERVERS".to_owned())
}

/// As for the real ones: whichever node came first, the next comparison finds it.
pub(super) const fn failed(no: No) -> WriteBehindOpenError {
    match no {
        No::Lost | No::Stale | No::Moved | No::Unpersisted => WriteBehindOpenError::Busy,
    }
}

impl<'a> Simulated<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        state: &'a RefCell<State>,
        connection: Connection,
    ) -> Self {
        Self {
            shared,
            state,
            life: state.borrow().life,
            connection,
            early: RefCell::new(None),
            restarts: Cell::new(0),
        }
    }

    /// Over the connection to the database.
    pub(super) async fn query<T: 'static>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, No> + 'static,
    ) -> Result<T, WriteBehindOpenError> {
        // What has arrived before the connection was lost may be carried out after it.
        let restarts = {
            let world = self.shared.borrow();
            if world.is_orphan(self.connection) {
                return Err(failed(No::Lost));
            }
            world.database_restarts
        };
        let asked = ask(self.shared, move |world| {
            if world.is_away || world.database_restarts != restarts {
                return Err(No::Lost);
            }
            effect(world)
        });
        asked.await.map_err(failed)
    }

    async fn call<T: 'static>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, No> + 'static,
    ) -> Result<T, WriteBehindOpenError> {
        ask(self.shared, effect).await.map_err(failed)
    }

    async fn look(&self) -> Result<Option<Mark>, WriteBehindOpenError> {
        let life = self.life;
        self.call(move |world| {
            let bug = world.bug;
            Ok(world.redis_of(life).look(bug))
        })
        .await
    }

    /// As the statement of `nodes::check`.
    async fn others(&self, run: u64) -> Result<Vec<Other>, WriteBehindOpenError> {
        let life = self.life;
        self.query(move |world| {
            let database = &world.database;
            let others = database
                .nodes
                .iter()
                .filter(|(other, report)| **other != life && report.run != run && !report.has_left);
            let others = others.map(|(life, report)| Other {
                node_id: Uuid::from_u128(u128::from(*life)),
                place: place(report.run),
                beats: report.beats,
            });
            Ok(others.collect())
        })
        .await
    }

    pub(super) fn bug(&self) -> Option<Bug> {
        self.shared.borrow().bug
    }
}

impl Stores for Simulated<'_> {
    async fn database(&self) -> Result<Option<Behind>, WriteBehindOpenError> {
        if self.bug() == Some(Bug::JudgedUnderWay) && self.early.borrow().is_none() {
            let mark = self.look().await?;
            *self.early.borrow_mut() = Some(mark);
        }
        let read = self.query(|world| Ok((world.database.read(), world.database_restarts)));
        let (behind, restarts) = read.await?;
        self.restarts.set(restarts);
        Ok(behind)
    }

    async fn create(&self) -> Result<(), WriteBehindOpenError> {
        self.query(|world| {
            world.database.exists = true;
            Ok(())
        })
        .await
    }

    async fn redis(&self) -> Result<Option<Mark>, WriteBehindOpenError> {
        if let Some(early) = &*self.early.borrow() {
            return Ok(early.clone());
        }
        self.look().await
    }

    async fn check_alone(&self) -> Result<(), WriteBehindOpenError> {
        self.shared.borrow_mut().audit.begin_watch(self.life);
        if self.bug() == Some(Bug::OthersUnwatched) {
            return Ok(());
        }
        if self.state.borrow().is_elsewhere {
            return Err(elsewhere());
        }
        let life = self.life;
        let run = self.call(move |world| Ok(world.redis_of(life).run)).await?;
        self.state.borrow_mut().run = run;
        let mut watch = NodeWatch::default();
        loop {
            let others = self.others(run).await?;
            let place = place(run);
            if others.iter().any(|other| watch.is_alive(other, &place)) {
                self.state.borrow_mut().is_elsewhere = true;
                self.shared.borrow_mut().tally.elsewhere += 1;
                return Err(elsewhere());
            }
            let lives: Vec<Life> = others.iter().map(|other| life_of(other.node_id)).collect();
            if self.shared.borrow_mut().note_silent(self.life, &lives) {
                return Ok(());
            }
            pause().await;
        }
    }

    async fn answered(&self) -> Result<Option<Answered>, WriteBehindOpenError> {
        let life = self.life;
        let answered = self.query(move |world| {
            let reports = world.database.nodes.clone();
            world.audit.reports_read.insert(life, reports);
            Ok(world.database.answered(life))
        });
        let answered = answered.await?;
        let is_unread = self.bug() == Some(Bug::ReportsUnread);
        Ok(answered.filter(|_| !is_unread))
    }

    async fn take(&self, above: u64) -> Result<Behind, WriteBehindOpenError> {
        let life = self.life;
        self.query(move |world| {
            if keeps_epoch(world.bug)
                && let Some(taken) = world.database.read()
                && taken.began.is_some()
            {
                let bug = world.bug;
                let mark = world.redis_of(life).look(bug);
                let history = mark.as_ref().map_or(History::WentOn(None), |mark| {
                    world.database.history(&mark.epoch)
                });
                if let Ok(Verdict::Keep(mark)) = judge(&taken, mark.as_ref(), history)
                    && mark.epoch == taken.epoch
                {
                    return Ok(taken);
                }
            }
            let random = world.rng.random();
            let taken = world.database.take(above, random);
            world.tell(|| format!("taken {taken:?}"));
            taken
        })
        .await
    }

    async fn halt(&self, taken: &Behind) -> Result<Option<Mark>, WriteBehindOpenError> {
        if let Some(early) = &*self.early.borrow() {
            return Ok(early.clone());
        }
        let (epoch, life) = (taken.epoch.clone(), self.life);
        let found = self.call(move |world| {
            let bug = world.bug;
            let found = world.redis_of(life).halt(&epoch, bug);
            world.tell(|| format!("halted for {epoch}: {found:?}"));
            let found = found?;
            let halted = found.as_ref().map(|mark| mark.epoch.clone());
            world.audit.halted.insert(life, halted);
            world.audit.dropped.remove(&life);
            Ok((found, world.redis_of(life).run))
        });
        let (found, run) = found.await?;
        if run != self.state.borrow().run && self.bug() != Some(Bug::OthersUnwatched) {
            return Err(failed(No::Moved));
        }
        Ok(found)
    }

    async fn history(&self, epoch: &str) -> Result<History, WriteBehindOpenError> {
        let epoch = epoch.to_owned();
        self.query(move |world| Ok(world.database.history(&epoch)))
            .await
    }

    fn name(&self, loss: Loss, _: u64) {
        self.shared.borrow_mut().tally.alarms += 1;
        match loss {
            Loss::Own { to, .. } => {
                let mut state = self.state.borrow_mut();
                state.alarmed = state.alarmed.max(Some(to));
            }
            Loss::Dropped(dropped) => {
                let mut world = self.shared.borrow_mut();
                world.audit.dropped.insert(self.life, dropped);
            }
            Loss::OfOthers { .. } => {}
            Loss::WithRedis { .. } => unreachable!("only an operator gives up a Redis"),
        }
    }

    async fn resume(&self, found: &Mark, epoch: &str) -> Result<(), WriteBehindOpenError> {
        let (from, to, position) = (found.epoch.clone(), epoch.to_owned(), found.position);
        let life = self.life;
        self.call(move |world| {
            let bug = world.bug;
            let done = world.redis_of(life).resume(&from, &to, position, bug);
            world.tell(|| format!("resumed {from} to {to} at {position}: {done:?}"));
            done
        })
        .await
    }

    async fn rebuild(
        &self,
        found: Option<&Mark>,
        drop: u64,
        epoch: &str,
    ) -> Result<(), WriteBehindOpenError> {
        let (epoch, life) = (epoch.to_owned(), self.life);
        let (from, to) = (
            found.map_or_else(String::new, |mark| mark.epoch.clone()),
            epoch.clone(),
        );
        let restarts = self.restarts.get();
        self.call(move |world| {
            let bug = world.bug;
            let done = world.redis_of(life).rebuild(&to, &from, drop, bug);
            let named = world.audit.dropped.get(&life);
            if named.is_some_and(|named| named.to == drop) {
                // An older one that has come back, with calls without which the ledger went on: they were
                // named before.
                world.excuse();
            }
            if world.database_restarts != restarts {
                // Rolled back after the last look at it: no order of questions is safe from that.
                world.excuse();
            }
            world.tell(|| format!("rebuilding {from} to {to} up to {drop}: {done:?}"));
            done
        })
        .await?;
        let own = epoch.clone();
        let copied = self.query(move |world| {
            if world.database.epoch != own {
                return Err(No::Moved);
            }
            Ok(world.database.history.clone())
        });
        let copied = copied.await?;
        self.call(move |world| {
            let position = copied.len();
            let done = world.redis_of(life).found(&epoch, copied);
            world.tell(|| format!("founded {epoch} at {position}: {done:?}"));
            done
        })
        .await
    }

    async fn confirm(&self, epoch: &str, began: u64) -> Result<bool, WriteBehindOpenError> {
        let (epoch, life) = (epoch.to_owned(), self.life);
        let on_loss = self
            .state
            .borrow()
            .on_loss(self.shared.borrow().is_everysec);
        self.query(move |world| {
            if world.database.epoch == epoch {
                world.check_taken(life, began, on_loss);
            }
            let is_confirmed = world.database.confirm(&epoch, began);
            world.tell(|| format!("confirmed {epoch} at {began}: {is_confirmed}"));
            Ok(is_confirmed)
        })
        .await
    }
}
