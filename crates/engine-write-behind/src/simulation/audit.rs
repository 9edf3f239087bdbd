//! What must be true after every step, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Report, Write};
use super::node::Node;
use super::world::{Life, World};
use crate::compare::{Agreed, OnLoss};
use crate::data_loss::Dropped;
use crate::epoch::{History, Newest};

/// By then a node has looked at what Redis is set to.
const SETTINGS_BOUND: usize = 600;

/// What the auditor knows.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Every write that Redis has applied and no fault has taken.
    owed: BTreeSet<Write>,
    /// Those that a fault has taken.
    excused: BTreeSet<Write>,
    pub(super) was_rolled_back: bool,
    /// Which nodes a node has found silent while it watched them last.
    found_silent: BTreeMap<Life, BTreeSet<Life>>,
    /// What a node has read last of what the others have reported.
    pub(super) reports_read: BTreeMap<Life, BTreeMap<Life, Report>>,
    /// Under which epoch the Redis was that a node has halted last; `None`: it was empty.
    pub(super) halted: BTreeMap<Life, Option<String>>,
    /// What a node has named since as dropped with it.
    pub(super) dropped: BTreeMap<Life, Dropped>,
    broken: Option<String>,
}

impl Audit {
    pub(super) fn applied(&mut self, write: Write) {
        self.excused.remove(&write);
        self.owed.insert(write);
    }

    /// A node looks whether others go on with another Redis.
    pub(super) fn begin_watch(&mut self, life: Life) {
        self.found_silent.remove(&life);
    }
}

fn is_prefix(one: &[Write], other: &[Write]) -> bool {
    let length = one.len().min(other.len());
    one[..length] == other[..length]
}

impl World {
    /// Whether a store in use has it.
    fn has(&self, write: Write) -> bool {
        let is_in = |redis: usize| {
            let ledger = self.redis[redis].kept.ledger.as_ref();
            ledger.is_some_and(|data| data.history.contains(&write))
        };
        self.database.history.contains(&write) || self.masters().any(is_in)
    }

    /// Whether all nodes are silent whose reports are watched; all that are silent now are noted. One that
    /// runs reports several times while it is watched.
    pub(super) fn note_silent(&mut self, watching: Life, others: &[Life]) -> bool {
        let known = self.states.keys().copied();
        let silent: BTreeSet<Life> = known.filter(|life| self.is_silent(*life)).collect();
        let are_silent = others.iter().all(|life| silent.contains(life));
        self.audit.found_silent.insert(watching, silent);
        are_silent
    }

    fn is_silent(&self, life: Life) -> bool {
        !self.living.contains(&life)
            || self.paused.contains(&life)
            || self
                .states
                .get(&life)
                .is_none_or(|state| state.borrow().era.is_none())
    }

    /// Nothing after this position was answered by this node, or reported by another one, that the ledger
    /// did not go on without before, unless it may be lost. The epoch is not confirmed yet.
    fn check_answered(&mut self, life: Life, began: u64, on_loss: OnLoss) {
        let halted = self.audit.halted.get(&life).cloned().flatten();
        let went_on = |epoch: &str| self.database.history(epoch);
        let is_tail = |epoch: &str| {
            halted.as_deref() == Some(epoch) && went_on(epoch) == History::WentOn(None)
        };
        let is_allowed = |epoch: &str| match on_loss {
            OnLoss::Refuse => false,
            OnLoss::NameTail => is_tail(epoch),
            OnLoss::NameAll => true,
        };
        let own = self
            .states
            .get(&life)
            .and_then(|state| state.borrow().last.clone());
        let own = own.map(|newest| {
            let position = match went_on(&newest.epoch) {
                History::WentOn(Some(from)) => from.min(newest.position),
                History::WentOn(None) | History::Unknown | History::Gap => newest.position,
            };
            (newest.epoch, position)
        });
        let reports = self.audit.reports_read.get(&life).into_iter().flatten();
        let of_others = reports.filter(|(other, _)| **other != life);
        let of_others = of_others.filter_map(|(_, report)| {
            let (_, position) = self.database.vouched(report)?;
            Some((report.newest.epoch.clone(), position))
        });
        let beyond = of_others
            .chain(own)
            .filter(|(_, position)| *position > began);
        let beyond: Vec<_> = beyond.collect();
        if let Some((_, to)) = beyond.iter().find(|(epoch, _)| !is_allowed(epoch)) {
            self.audit.broken = Some(format!(
                "{life} went on after position {began} without what was answered up to {to}, and was not told to"
            ));
        }
        self.tally.tails += u64::from(!beyond.is_empty() && on_loss == OnLoss::NameTail);
    }

    /// The ledger goes on with this node's Redis from here on, at this position: what only another one has
    /// is gone. No node goes on with that one, but those that were found silent; and nothing after this
    /// position was answered, as far as it is known.
    pub(super) fn check_taken(&mut self, life: Life, began: u64, on_loss: OnLoss) {
        self.check_answered(life, began, on_loss);
        let here = self.led_to(life);
        let kept = |redis: usize| self.redis[redis].kept.ledger.as_ref();
        let is_doomed = |write: &Write| {
            !self.database.history.contains(write)
                && kept(here).is_none_or(|data| !data.history.contains(write))
        };
        let doomed: BTreeSet<Write> = self.audit.owed.iter().copied().filter(is_doomed).collect();
        if doomed.is_empty() {
            return;
        }
        let silent = self.audit.found_silent.get(&life);
        let lives = self.states.iter().find(|(other, state)| {
            **other != life
                && self.led_to(**other) != here
                && !self.is_silent(**other)
                && silent.is_none_or(|silent| !silent.contains(other))
                // A database that was rolled back may have lost what this node had reported.
                && (!self.audit.was_rolled_back || self.database.nodes.contains_key(other))
                && kept(self.led_to(**other)).is_some_and(|data| {
                    let state = state.borrow();
                    state
                        .era
                        .as_ref()
                        .is_some_and(|era| era.epoch == data.epoch)
                })
        });
        if let Some((other, _)) = lives {
            self.audit.broken = Some(format!(
                "the ledger went on with the Redis of {life} without {doomed:?}, while {other} goes on \
                 with the other one"
            ));
        }
        for write in doomed {
            self.audit.owed.remove(&write);
            self.audit.excused.insert(write);
            self.tally.excused += 1;
        }
    }

    /// A fault happened: what no store in use has now, it has taken.
    pub(super) fn excuse(&mut self) {
        let owed = self.audit.owed.iter().copied();
        let taken: Vec<_> = owed.filter(|write| !self.has(*write)).collect();
        for write in taken {
            self.audit.owed.remove(&write);
            self.audit.excused.insert(write);
            self.tally.excused += 1;
        }
    }

    pub(super) fn note_agreed(&mut self, agreed: &Agreed, last: Option<&Newest>) {
        let is_join = last.is_some_and(|last| last.epoch == agreed.epoch);
        self.tally.joined += u64::from(is_join);
        self.tally.kept += u64::from(!is_join && agreed.rebuilt.is_none());
        self.tally.rebuilt += u64::from(agreed.rebuilt.is_some());
    }

    /// An answer to what was sent then, by a node that runs since then.
    pub(super) fn check_answer(&mut self, sent_at: usize, runs_since: usize) {
        self.tally.answered += 1;
        let could_know = self
            .unkept_since
            .map(|since| since.max(runs_since) + SETTINGS_BOUND);
        if could_know.is_some_and(|from| sent_at > from) {
            self.audit.broken = Some(format!(
                "a write of step {sent_at} was answered by a Redis that is set to keep nothing since {:?}",
                self.unkept_since
            ));
        }
    }

    pub(super) fn check_read(&mut self, write: Write, found: bool) {
        if !found && self.audit.owed.contains(&write) {
            self.audit.broken = Some(format!("write {write} was answered, and is not read"));
        }
    }

    /// After every step.
    pub(super) fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.audit.broken.take() {
            return Err(broken);
        }
        if let Some(lost) = self.audit.owed.iter().find(|write| !self.has(**write)) {
            return Err(format!(
                "write {lost} was applied, and no fault has taken it"
            ));
        }
        let database = &self.database;
        if database.history.len() != database.position {
            return Err(format!("the database has a hole: {database:?}"));
        }
        let once: BTreeSet<_> = database.history.iter().collect();
        if once.len() != database.history.len() {
            return Err(format!("a write is persisted twice: {database:?}"));
        }
        let is_confirmed = database.read().is_some_and(|behind| behind.began.is_some());
        let in_use = self.redis.iter().filter_map(|redis| {
            let (data, session) = (redis.kept.ledger.as_ref()?, redis.session.as_ref()?);
            let is_in_use = session.0 == data.epoch && data.epoch == database.epoch;
            (is_in_use && is_confirmed).then_some(data)
        });
        for data in in_use {
            if !is_prefix(&data.history, &database.history) {
                return Err(format!(
                    "Redis and the database went apart: {data:?}, {database:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whether nothing is left to wait for.
    pub(super) fn is_over(&self, nodes: &[Node]) -> bool {
        let states = || nodes.iter().map(|node| node.state.borrow());
        // A database that never had a ledger may be another one: Redis is not halted for its sake.
        let is_stopped = !self.redis[self.master].is_in_session(self.bug) || !self.database.exists;
        if is_stopped && states().all(|state| state.is_refused && state.era.is_none()) {
            return true;
        }
        let redis = self.redis[self.master].kept.ledger.as_ref();
        redis.is_some_and(|data| {
            states().all(|state| {
                state
                    .era
                    .as_ref()
                    .is_some_and(|era| era.epoch == data.epoch)
            }) && self.redis[self.master].is_in_session(self.bug)
                && data.epoch == self.database.epoch
                && data.trimmed == data.history.len()
                && data.history.len() == self.database.position
        })
    }

    pub(super) fn check_end(&mut self, nodes: &[Node]) -> Result<(), String> {
        if nodes.iter().all(|node| node.state.borrow().era.is_none()) {
            // Only an operator with a newer database can help.
            return if self.audit.was_rolled_back {
                Ok(())
            } else {
                Err(format!(
                    "it refuses without a reason: {}",
                    self.describe(nodes)
                ))
            };
        }
        let redis = self.redis[self.master].kept.ledger.as_ref();
        let history = redis.map_or(&[][..], |data| &data.history);
        if history != self.database.history {
            return Err(format!("the stores differ: {}", self.describe(nodes)));
        }
        if let Some(lost) = self
            .audit
            .owed
            .iter()
            .find(|write| !history.contains(*write))
        {
            return Err(format!("write {lost} is lost: {}", self.describe(nodes)));
        }
        // A database that was rolled back may have lost where an epoch began, and with it the proof.
        let proven = nodes.iter().filter(|_| !self.audit.was_rolled_back);
        for node in proven {
            let state = node.state.borrow();
            for (write, position) in &state.answered {
                if !history.contains(write) && state.alarmed.is_none_or(|to| to < *position) {
                    return Err(format!(
                        "write {write} at {position} is lost, and its node said nothing: {}",
                        self.describe(nodes)
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn describe(&self, nodes: &[Node]) -> String {
        let states: Vec<_> = nodes.iter().map(|node| node.state.borrow()).collect();
        format!(
            "step {}, master {:?}, {:?}, {states:?}, away {}, locks {:?} {:?} of {:?}",
            self.step,
            self.redis[self.master],
            self.database,
            self.is_away,
            self.repair_lock,
            self.writer_lock,
            self.connections
        )
    }
}
