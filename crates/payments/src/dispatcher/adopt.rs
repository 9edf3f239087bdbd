//! Reading the ledger's list of due payments, page by page, into a bounded window.

use std::time::Duration;

use ledger::{Millis, Payment, PaymentId, PaymentState, Unavailable};

use super::payment::{Pin, Stage};
use super::window::Held;
use super::{Dispatcher, Effect};

/// The most payments of a page.
const PAGE_MAX: usize = 1_000;

impl Dispatcher {
    /// Asks for the next page where there is one and room for it.
    pub(super) fn read_due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if !self.window.may_read(now) {
            return;
        }
        if self.window.is_rescan_due(now) {
            self.rescan(now);
        }
        let room = self.policy.window.saturating_sub(self.window.fresh_count());
        // Not one by one: a page is worth asking for.
        if room < (self.policy.window / 4).min(PAGE_MAX) {
            return;
        }
        if let Some(query) = self.window.next_page(room.min(PAGE_MAX)) {
            effects.push(Effect::ReadDue(query));
        }
    }

    /// Begins with the oldest again. What waits for an operator, or was refused by some processors
    /// while the others fail, is let go of: it is found again as it stands then, and tried anew.
    fn rescan(&mut self, now: Duration) {
        self.window.rescan(now + self.policy.rescan_interval);
        let is_parked = |held: &Held| match held.stage() {
            Stage::Conflict(_) | Stage::Orphan => true,
            Stage::Waiting => !held.line().refused_by.is_empty(),
            Stage::Sending(_)
            | Stage::Sent(_)
            | Stage::Unknown(_)
            | Stage::Asking(_)
            | Stage::Binding(_)
            | Stage::Ending(_) => false,
        };
        let parked = self.window.all().filter(|(_, held)| is_parked(held));
        let parked: Vec<PaymentId> = parked.map(|(id, _)| id).collect();
        for id in parked {
            if !self.forgive(id, now) {
                self.forget(id, now);
            }
        }
    }

    pub(super) fn adopt(
        &mut self,
        payments: Result<Vec<Payment>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(page) = self.window.page_come() else {
            return;
        };
        let Ok(payments) = payments else {
            return self.window.page_failed(now);
        };
        let next_walk_at = now + self.policy.rescan_interval;
        let is_last = self.window.page_read(&page, payments.len(), next_walk_at);
        for payment in payments {
            self.window.told_of(&payment);
            // The ledger's time does not step back: nothing is requested before it was accepted.
            let accepted_at = Millis(payment.accepted_at.as_nanos() / 1_000_000);
            self.wall = self.wall.max(accepted_at);
            match self.window.get(payment.id) {
                Some(held) if self.is_idle(payment.id, held) && held.is_behind(&payment) => {
                    // Another node, or an operator there, has changed it.
                    self.forget(payment.id, now);
                    self.hold(&payment, now);
                    self.prove_waiting(payment.id, now, effects);
                }
                Some(_) => self.window.met(payment.id),
                None if page.is_of_before(payment.id) => {}
                None => {
                    self.hold(&payment, now);
                    self.prove_waiting(payment.id, now, effects);
                }
            }
        }
        if is_last && let Some(missed) = self.window.walk_ends() {
            self.forget_missed(&missed, now);
        }
    }

    /// Forgets the payments that a walk of the whole list did not return: another node ended them.
    fn forget_missed(&mut self, missed: &[PaymentId], now: Duration) {
        for id in missed {
            let held = self.window.get(*id);
            if held.is_some_and(|held| self.is_idle(*id, held)) {
                self.forget(*id, now);
            }
        }
        let window = &self.window;
        self.conflicts.retain_amounts(|id| window.get(id).is_some());
    }

    pub(super) fn hold(&mut self, payment: &Payment, now: Duration) {
        let stage = match &payment.state {
            // A processor would take the amount for one in its own currency.
            PaymentState::Accepted if payment.currency != self.policy.currency => return,
            PaymentState::Accepted => Stage::Waiting,
            PaymentState::Sent {
                processor,
                requested_at,
            } => match self.processors.named(processor) {
                Some(place) => {
                    let processor = &mut self.processors[place];
                    // The node that sent it may still be about to, until its lease is over.
                    let lease_until = now + processor.policy().lease;
                    processor.pin();
                    processor.lease_counts(lease_until, payment.id);
                    self.questions.put(place, now, payment.id);
                    Stage::Unknown(Pin::fresh(place, *requested_at, now, lease_until).unclear(now))
                }
                None => Stage::Orphan,
            },
            PaymentState::Settled { .. } | PaymentState::Refused { .. } => return,
        };
        self.window.hold(payment, now, stage);
    }

    /// Somebody else changed a payment. Where a command or a request is under way its end will
    /// show what it is now.
    pub(super) fn changed(&mut self, id: PaymentId, now: Duration) {
        self.window.changed_by_others(id);
        let held = self.window.get(id);
        if held.is_some_and(|held| self.is_idle(id, held)) {
            self.forget(id, now);
        }
        self.window.rescan_soon(now);
    }

    /// Lets go of a payment, with all that refers to it.
    pub(super) fn forget(&mut self, id: PaymentId, now: Duration) {
        let Some(held) = self.window.remove(id) else {
            return;
        };
        let _ = self.commands.forget(id);
        let stage = *held.stage();
        if let Some(pin) = stage.pin() {
            self.unpin(id, &stage, pin, now);
        }
    }

    /// Takes a payment off its processor's books.
    pub(super) fn unpin(&mut self, id: PaymentId, stage: &Stage, pin: &Pin, now: Duration) {
        let processor = &mut self.processors[pin.processor];
        processor.unpin(pin.lease_until, id);
        match stage {
            Stage::Sending(_) => processor.cancel(id, pin.sent_at, now),
            Stage::Unknown(_) => self.questions.take_back(pin.processor, id),
            Stage::Waiting
            | Stage::Sent(_)
            | Stage::Asking(_)
            | Stage::Binding(_)
            | Stage::Ending(_)
            | Stage::Conflict(_)
            | Stage::Orphan => {}
        }
    }
}
