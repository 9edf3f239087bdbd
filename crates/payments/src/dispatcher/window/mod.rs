//! The window of due payments: those that the dispatcher holds, and how far the ledger's list of the
//! others has been read.
//!
//! A payment's stage changes here only, so that the queue and the counters always agree with it.

mod due_list;
mod held;
mod queue;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ledger::{DuePlace, DueQuery, Payment, PaymentId};

use super::denials::Waiting;
use super::payment::Stage;
use super::processor_set::ProcessorSet;
use crate::policy::ProcessorIndex;
use due_list::DueList;
pub(super) use due_list::PageCome;
pub(super) use held::Held;
pub(super) use queue::Line;
use queue::Queue;

const NOT_HELD: &str = "the dispatcher acts on payments that it holds";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Window {
    held: HashMap<PaymentId, Held>,
    by_stage: ByStage,
    list: DueList,
    /// Payments that wait before they go to a processor again, by when that ends.
    waits: BTreeSet<(Duration, PaymentId)>,
}

/// What follows from the stages of the payments that are held.
#[derive(Debug, Default)]
struct ByStage {
    queue: Queue,
    orphans_count: usize,
    conflicts_count: usize,
}

impl Window {
    pub(super) fn get(&self, id: PaymentId) -> Option<&Held> {
        self.held.get(&id)
    }

    /// All of a payment may be changed but its stage and its line.
    pub(super) fn get_mut(&mut self, id: PaymentId) -> Option<&mut Held> {
        self.held.get_mut(&id)
    }

    /// One that is known to be held.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub(super) fn held(&self, id: PaymentId) -> &Held {
        let Some(held) = self.held.get(&id) else {
            unreachable!("{NOT_HELD}");
        };
        held
    }

    /// One that is held for certain.
    pub(super) fn held_mut(&mut self, id: PaymentId) -> &mut Held {
        let Some(held) = self.held.get_mut(&id) else {
            unreachable!("{NOT_HELD}");
        };
        held
    }

    pub(super) fn stage(&self, id: PaymentId) -> Option<Stage> {
        self.held.get(&id).map(|held| held.stage)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (PaymentId, &Held)> {
        self.held.iter().map(|(id, held)| (*id, held))
    }

    /// How many are held, in every stage.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many of them were sent to a processor that is not configured.
    pub(super) const fn orphans_count(&self) -> usize {
        self.by_stage.orphans_count
    }

    /// How many of them their processor has with another amount.
    pub(super) const fn conflicts_count(&self) -> usize {
        self.by_stage.conflicts_count
    }

    /// Takes a payment in. One that waits may go to every processor.
    pub(super) fn hold(&mut self, payment: &Payment, now: Duration, stage: Stage) {
        let held = Held::new(payment, now, stage, self.list.walk());
        self.by_stage.enter(&held);
        self.held.insert(payment.id, held);
    }

    /// Lets go of a payment.
    pub(super) fn remove(&mut self, id: PaymentId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.list.ended(id);
        self.by_stage.leave(&held);
        Some(held)
    }

    /// Brings a payment that is held to another stage.
    pub(super) fn set_stage(&mut self, id: PaymentId, stage: Stage) {
        let Some(held) = self.held.get_mut(&id) else {
            unreachable!("{NOT_HELD}");
        };
        self.by_stage.leave(held);
        held.stage = stage;
        self.by_stage.enter(held);
    }

    /// Has a payment that is held wait in the line of those that may go where it may.
    pub(super) fn enqueue(&mut self, id: PaymentId, waiting: Waiting) {
        let Some(held) = self.held.get_mut(&id) else {
            unreachable!("{NOT_HELD}");
        };
        self.by_stage.leave(held);
        held.stage = Stage::Waiting;
        held.line.waiting_for = waiting.processors;
        self.by_stage.enter(held);
        if let Some(until) = waiting.until {
            self.waits.insert((until, id));
        }
    }

    /// A processor refused a payment that is with it.
    pub(super) fn refused(&mut self, id: PaymentId, processor: ProcessorIndex) {
        let Some(held) = self.held.get_mut(&id) else {
            unreachable!("{NOT_HELD}");
        };
        stdx::invariant!(
            !matches!(held.stage, Stage::Waiting),
            "a payment that waits is with no processor"
        );
        held.line.refused_by.insert(processor);
    }

    /// Lets a payment that waits be tried anew by those that refused it.
    pub(super) fn forgive(&mut self, id: PaymentId) {
        if let Some(held) = self.held.get_mut(&id)
            && matches!(held.stage, Stage::Waiting)
        {
            self.by_stage.leave(held);
            held.line.refused_by = ProcessorSet::default();
            self.by_stage.enter(held);
        }
    }
}

/// What waits.
impl Window {
    /// The oldest of each line.
    pub(super) fn heads(&self) -> impl Iterator<Item = (Line, DuePlace)> {
        self.by_stage.queue.heads()
    }

    /// The newest of all that a processor may get.
    pub(super) fn newest(&self, processor: ProcessorIndex) -> Option<DuePlace> {
        self.by_stage.queue.newest(processor)
    }

    /// How many wait.
    pub(super) const fn waiting_count(&self) -> usize {
        self.by_stage.queue.len()
    }

    /// How many of these may go to any processor.
    pub(super) fn fresh_count(&self) -> usize {
        self.by_stage.queue.fresh_len()
    }

    /// The next payment whose wait for a processor is over.
    pub(super) fn pop_wait(&mut self, now: Duration) -> Option<PaymentId> {
        let (at, id) = *self.waits.first()?;
        if at > now {
            return None;
        }
        self.waits.pop_first();
        Some(id)
    }

    /// All payments that wait for a processor; they wait no more.
    pub(super) fn take_waits(&mut self) -> BTreeSet<(Duration, PaymentId)> {
        std::mem::take(&mut self.waits)
    }
}

/// The ledger's list.
impl Window {
    /// There may be something new behind the last page.
    pub(super) const fn woken(&mut self) {
        self.list.woken();
    }

    /// Somebody else changed a payment: a page that is being read may contain its old state.
    pub(super) fn changed_by_others(&mut self, id: PaymentId) {
        self.list.woken();
        self.list.ended(id);
    }

    /// Whether a page may be asked for now.
    pub(super) fn may_read(&self, now: Duration) -> bool {
        self.list.may_read(now)
    }

    /// Whether the list is to be begun anew.
    pub(super) fn is_rescan_due(&self, now: Duration) -> bool {
        self.list.is_rescan_due(now)
    }

    /// Begins the list anew, and once more at the given time.
    pub(super) const fn rescan(&mut self, next_at: Duration) {
        self.list.rescan(next_at);
    }

    /// Walks the list from its beginning soon: something was let go of that may still be due.
    pub(super) fn rescan_soon(&mut self, now: Duration) {
        self.list.rescan_soon(now);
    }

    /// Asks for the next page; `None` where there is none.
    pub(super) fn next_page(&mut self, limit: usize) -> Option<DueQuery> {
        self.list.next_page(limit)
    }

    /// A page has come; `None` where none was asked for.
    pub(super) fn page_come(&mut self) -> Option<PageCome> {
        self.list.page_come()
    }

    /// It could not be read.
    pub(super) fn page_failed(&mut self, now: Duration) {
        self.list.page_failed(now);
    }

    /// It was read and has so many payments. Returns whether it is the last of the list.
    pub(super) fn page_read(
        &mut self,
        page: &PageCome,
        len: usize,
        next_walk_at: Duration,
    ) -> bool {
        let is_last = len < page.limit;
        self.list.page_read(is_last, next_walk_at);
        is_last
    }

    /// The list told of a payment.
    pub(super) fn told_of(&mut self, payment: &Payment) {
        self.list.pass(payment.place());
    }

    /// This walk has told of a payment that is held.
    pub(super) fn met(&mut self, id: PaymentId) {
        let walk = self.list.walk();
        if let Some(held) = self.held.get_mut(&id) {
            held.walk = walk;
        }
    }

    /// The last page of a walk was read. Returns the payments that it did not tell of, once for each
    /// walk.
    pub(super) fn walk_ends(&mut self) -> Option<Vec<PaymentId>> {
        if !self.list.walk_ends() {
            return None;
        }
        let is_missed = |held: &Held| held.walk < self.list.walk();
        let missed = self.held.iter().filter(|(_, held)| is_missed(held));
        Some(missed.map(|(id, _)| *id).collect())
    }

    /// Whether the ledger has payments that are not held.
    pub(super) const fn has_more(&self) -> bool {
        !self.list.is_at_end()
    }

    /// When something is to be done next, after `now`.
    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        let list = self.list.next_at().into_iter().filter(|at| *at > now);
        let waits = self.waits.first().map(|(at, _)| *at);
        list.chain(waits).min()
    }

    #[cfg(test)]
    pub(super) const fn pretend_to_read(&mut self, limit: usize) {
        self.list.pretend_to_read(limit);
    }
}

impl ByStage {
    fn enter(&mut self, held: &Held) {
        match held.stage {
            Stage::Waiting => self.queue.insert(held.line, held.place),
            Stage::Orphan => self.orphans_count += 1,
            Stage::Conflict(_) => self.conflicts_count += 1,
            Stage::Sending(_)
            | Stage::Sent(_)
            | Stage::Unknown(_)
            | Stage::Asking(_)
            | Stage::Binding(_)
            | Stage::Ending(_) => {}
        }
    }

    fn leave(&mut self, held: &Held) {
        match held.stage {
            Stage::Waiting => self.queue.remove(held.line, held.place),
            Stage::Orphan => self.orphans_count -= 1,
            Stage::Conflict(_) => self.conflicts_count -= 1,
            Stage::Sending(_)
            | Stage::Sent(_)
            | Stage::Unknown(_)
            | Stage::Asking(_)
            | Stage::Binding(_)
            | Stage::Ending(_) => {}
        }
    }
}
