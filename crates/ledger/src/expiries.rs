//! The pending transfers that have a time, ordered by it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::id::{AccountId, TransferId};
use crate::money::AMOUNT_MAX;
use crate::state::{State, UsedTransfer};
use crate::time::Timestamp;
use crate::transfer::{Standing, Transfer};

/// Pending transfers by the time from which on they are expired. Memory grows with those that
/// are pending now, not with history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expiries {
    by_time: BTreeSet<(Timestamp, TransferId)>,
    by_id: HashMap<TransferId, Times>,
    /// By limited account and side, each in the order of time.
    by_account: BTreeSet<(AccountId, Side, Timestamp, TransferId)>,
    /// A copy that is being taken.
    copy: Option<Copying>,
}

/// A pending transfer that has a time, as a copy of [`Expiries`] says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedPending {
    /// The pending transfer.
    pub id: TransferId,
    /// From when on it is expired.
    pub expires_at: Timestamp,
    /// Its account on the debit side, if that one is limited.
    pub debit_account_id: Option<AccountId>,
    /// Its account on the credit side, if that one is limited.
    pub credit_account_id: Option<AccountId>,
}

/// How far a copy has come, and what happened since it was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Copying {
    /// All up to here is copied.
    after: Option<(Timestamp, TransferId)>,
    /// Those that came since.
    added: HashSet<TransferId>,
    /// Those that were not copied yet when they ended, or when they were put before that place.
    passed: Vec<TimedPending>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Times {
    /// Later than `expires_at` where it was postponed.
    due_at: Timestamp,
    pending: TimedPending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Debit,
    Credit,
}

impl Expiries {
    /// Takes in a transfer that was recorded.
    pub fn record(&mut self, transfer: &Transfer) {
        if let Some(expires_at) = transfer.expires_at() {
            let limited = |id: &AccountId| (!id.is_reserved()).then(|| id.clone());
            if let Some(copy) = &mut self.copy {
                copy.added.insert(transfer.id);
            }
            self.insert(TimedPending {
                id: transfer.id,
                expires_at,
                debit_account_id: limited(&transfer.debit_account_id),
                credit_account_id: limited(&transfer.credit_account_id),
            });
        }
        if let Some((pending_id, _)) = transfer.ends()
            && let Some(Times { due_at, pending }) = self.by_id.remove(&pending_id)
        {
            let due = (due_at, pending_id);
            self.by_time.remove(&due);
            for entry in pending.entries() {
                self.by_account.remove(&entry);
            }
            if let Some(copy) = &mut self.copy
                && !copy.added.remove(&pending_id)
                && copy.after.is_none_or(|after| due > after)
            {
                copy.passed.push(pending);
            }
        }
    }

    /// Takes in a pending transfer from a copy.
    pub fn insert(&mut self, pending: TimedPending) {
        let (id, due_at) = (pending.id, pending.expires_at);
        self.by_time.insert((due_at, id));
        self.by_account.extend(pending.entries());
        self.by_id.insert(id, Times { due_at, pending });
    }

    /// Counts a pending transfer as due only from `until` on.
    pub fn postpone(&mut self, pending_id: TransferId, until: Timestamp) {
        if let Some(times) = self.by_id.get_mut(&pending_id) {
            let (before, after) = ((times.due_at, pending_id), (until, pending_id));
            self.by_time.remove(&before);
            self.by_time.insert(after);
            times.due_at = until;
            if let Some(copy) = &mut self.copy
                && !copy.added.contains(&pending_id)
                && copy
                    .after
                    .is_some_and(|copied| before > copied && after <= copied)
            {
                // It is now where the copy has been.
                copy.passed.push(times.pending.clone());
            }
        }
    }

    /// Begins a copy of what there is now, to be taken a part at a time while things go on.
    pub fn begin_copy(&mut self) {
        self.copy = Some(Copying::default());
    }

    /// The next part of the copy, at most `count_max` pending transfers and those that have ended
    /// meanwhile; `None` once it is complete. A part may be empty.
    /// One that was postponed meanwhile may come twice.
    pub fn copy_next(&mut self, count_max: usize) -> Option<Vec<TimedPending>> {
        let copy = self.copy.as_mut()?;
        let mut part = std::mem::take(&mut copy.passed);
        let from = copy.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut is_complete = true;
        let mut visited_count = 0;
        for due in self.by_time.range((from, Bound::Unbounded)) {
            visited_count += 1;
            if visited_count > count_max {
                is_complete = false;
                break;
            }
            copy.after = Some(*due);
            if !copy.added.contains(&due.1)
                && let Some(times) = self.by_id.get(&due.1)
            {
                part.push(times.pending.clone());
            }
        }
        if is_complete && part.is_empty() {
            self.copy = None;
            return None;
        }
        Some(part)
    }

    /// The copy is not wanted any more.
    pub fn end_copy(&mut self) {
        self.copy = None;
    }

    /// A pending transfer that is expired at `now`, the one due first.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<TransferId> {
        self.by_time
            .first()
            .filter(|(due_at, _)| *due_at <= now)
            .map(|(_, id)| *id)
    }

    /// The pending transfers that are expired at `now` and that decisions about these commands
    /// depend upon, at most `count_max` of them. Deciding with all others still pending has the
    /// same outcomes.
    ///
    /// These are the pending transfers that are named, and those that reserve what a command is to
    /// debit. What is reserved to come in matters to an account that is limited or closed, and else
    /// only where a total comes near the largest there is.
    ///
    /// `walk` remembers which accounts were looked at: within one walk each account's side is gone
    /// through once, however many commands name it. A caller that does not expire or postpone all that
    /// is returned has to begin a new walk.
    #[must_use]
    pub fn due_for(
        &self,
        state: &impl State,
        commands: &[Command],
        now: Timestamp,
        count_max: usize,
        walk: &mut DueWalk,
    ) -> DueFor {
        if self.due(now).is_none() {
            return DueFor {
                pending_ids: Vec::new(),
                are_all: true,
            };
        }
        walk.go_on_at(now);
        let mut found = Found {
            expiries: self,
            now,
            count_max,
            due: BTreeSet::new(),
            are_all: true,
            walk,
        };
        let amounts = commands.iter().map(credited_max);
        let total = amounts.fold(0, u64::saturating_add).min(AMOUNT_MAX);
        for command in commands {
            found.look_up(state, command, total);
            if !found.are_all {
                break;
            }
        }
        DueFor {
            are_all: found.are_all,
            pending_ids: found.due.into_iter().map(|(_, id)| id).collect(),
        }
    }

    /// When the next pending transfer expires.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(due_at, _)| *due_at)
    }

    /// How many pending transfers have a time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether no pending transfer has a time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }
}

/// What [`Expiries::due_for`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueFor {
    /// In the order of time.
    pub pending_ids: Vec<TransferId>,
    /// Whether there are no more than these.
    pub are_all: bool,
}

/// Up to which time [`Expiries::due_for`] has gone through which accounts.
#[derive(Debug, Default)]
pub struct DueWalk {
    /// By account: its debit side and its credit side.
    walked_until: HashMap<AccountId, [Option<Timestamp>; 2]>,
    now: Timestamp,
    lookups_count: u64,
}

impl DueWalk {
    /// How many look-ups were made so far: one for each side of an account, and one for each
    /// pending transfer that is on it.
    #[must_use]
    pub const fn lookups_count(&self) -> u64 {
        self.lookups_count
    }

    /// What a clock that stepped back lets come due was not looked at.
    fn go_on_at(&mut self, now: Timestamp) {
        if now < self.now {
            self.walked_until.clear();
        }
        self.now = now;
    }

    /// Up to when the side was gone through before it is gone through up to now.
    fn walk(&mut self, account_id: &AccountId, side: Side) -> Option<Timestamp> {
        let now = self.now;
        let until = |sides: &mut [Option<Timestamp>; 2]| sides[side as usize].replace(now);
        if let Some(sides) = self.walked_until.get_mut(account_id) {
            return until(sides);
        }
        until(self.walked_until.entry(account_id.clone()).or_default())
    }
}

/// The most that the command credits an account with, as far as its own text says.
fn credited_max(command: &Command) -> u64 {
    if let Command::Reverse(reverse) = command {
        reverse.amount.unwrap_or(AMOUNT_MAX)
    } else {
        command.move_money().map_or(0, |moved| moved.amount)
    }
}

/// What [`Expiries::due_for`] has found so far.
struct Found<'a> {
    expiries: &'a Expiries,
    now: Timestamp,
    count_max: usize,
    due: BTreeSet<(Timestamp, TransferId)>,
    /// Whether none was left out.
    are_all: bool,
    walk: &'a mut DueWalk,
}

impl Found<'_> {
    fn look_up(&mut self, state: &impl State, command: &Command, total: u64) {
        match command {
            Command::Transfer(moved)
            | Command::Pend {
                transfer: moved, ..
            } => {
                self.add_side(&moved.debit_account_id, Side::Debit);
                let credited = state.account(&moved.credit_account_id);
                if credited.is_some_and(|account| !account.can_be_credited(total)) {
                    self.add_side(&moved.credit_account_id, Side::Credit);
                }
            }
            Command::Reverse(reverse) => {
                if let Some(UsedTransfer::Created(original, Standing::Posted { .. })) =
                    state.transfer(reverse.reverses)
                {
                    self.add_side(&original.credit_account_id, Side::Debit);
                    self.add_side(&original.debit_account_id, Side::Credit);
                }
            }
            Command::AcceptPayment(accept) => {
                if let Some(account_id) = &accept.account_id {
                    self.add_side(account_id, Side::Debit);
                }
            }
            Command::ChangeLimit { account_id, .. }
            | Command::ChangeFreeze { account_id, .. }
            | Command::CloseAccount { account_id, .. } => {
                self.add_side(account_id, Side::Debit);
                self.add_side(account_id, Side::Credit);
            }
            Command::Post { pending_id, .. }
            | Command::PostPart { pending_id, .. }
            | Command::Void { pending_id, .. }
            | Command::Expire { pending_id } => self.add(*pending_id),
            Command::OpenAccount(_)
            | Command::SendPayment { .. }
            | Command::SettlePayment { .. }
            | Command::ReleasePayment { .. }
            | Command::RefusePayment { .. }
            | Command::ResolvePayment(_)
            | Command::PurgePayments { .. } => {}
        }
    }

    fn add_side(&mut self, account_id: &AccountId, side: Side) {
        let walked_until = self.walk.walk(account_id, side);
        if walked_until == Some(self.now) {
            return;
        }
        let key = |at, id| (account_id.clone(), side, at, TransferId::from_u128(id));
        let from = match walked_until {
            Some(walked_until) => Bound::Excluded(key(walked_until, u128::MAX)),
            None => Bound::Included(key(Timestamp::default(), 0)),
        };
        let to = Bound::Included(key(self.now, u128::MAX));
        self.walk.lookups_count += 1;
        for (_, _, _, pending_id) in self.expiries.by_account.range((from, to)) {
            self.walk.lookups_count += 1;
            assert!(
                self.expiries.by_id.contains_key(pending_id),
                "a pending transfer is in all three indexes, or in none"
            );
            self.add(*pending_id);
            if !self.are_all {
                return;
            }
        }
    }

    /// Adds the pending transfer if it is due; a command may name one that has ended, or none at all.
    fn add(&mut self, pending_id: TransferId) {
        let Some(times) = self.expiries.by_id.get(&pending_id) else {
            return;
        };
        let due = (times.due_at, pending_id);
        if times.due_at > self.now || self.due.contains(&due) {
            return;
        }
        if self.due.len() < self.count_max {
            self.due.insert(due);
        } else {
            self.are_all = false;
        }
    }
}

impl TimedPending {
    /// Its place among those of each limited account.
    fn entries(&self) -> impl Iterator<Item = (AccountId, Side, Timestamp, TransferId)> {
        let entry = |account_id: &Option<AccountId>, side| {
            let account_id = account_id.clone()?;
            Some((account_id, side, self.expires_at, self.id))
        };
        let debit = entry(&self.debit_account_id, Side::Debit);
        debit
            .into_iter()
            .chain(entry(&self.credit_account_id, Side::Credit))
    }
}

#[cfg(test)]
mod tests;
