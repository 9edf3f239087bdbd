//! Reading the ledger's list of due payments, page by page, into a bounded window.

use std::time::Duration;

use ledger::{DueQuery, Millis, Payment, PaymentId, PaymentState, Unavailable};

use super::payment::{Held, Pin, Stage};
use super::queue::Line;
use super::{Dispatcher, Effect};

/// How many payments a page has at the most.
const PAGE_MAX: usize = 1_000;
/// How long to wait after a page could not be read.
const RETRY_WAIT: Duration = Duration::from_millis(100);

impl Dispatcher {
    /// Asks for the next page where there is one and room for it.
    pub(super) fn read_due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.pages.reading.is_some() || now < self.pages.retry_at {
            return;
        }
        // Not before it was walked to its end once, be there ever so much behind it since.
        if self.pages.walked == Some(self.pages.walk) && now >= self.pages.rescan_at {
            self.rescan(now);
        }
        let room = self.policy.window.saturating_sub(self.queue.fresh_len());
        // Not one by one: a page is worth asking for.
        let is_worth_it = room >= (self.policy.window / 4).min(PAGE_MAX);
        if self.pages.is_at_end || !is_worth_it {
            return;
        }
        let limit = room.min(PAGE_MAX);
        self.pages.reading = Some(limit);
        self.pages.is_stale = false;
        effects.push(Effect::ReadDue(DueQuery {
            after: self.pages.after,
            limit,
        }));
    }

    /// Begins with the oldest again. What waits for an operator, or was refused by some processors
    /// while the others fail, is let go of: it is found again as it stands then, and tried anew.
    fn rescan(&mut self, now: Duration) {
        self.pages.after = None;
        self.pages.is_at_end = false;
        self.pages.walk += 1;
        self.pages.rescan_at = now + self.policy.rescan_interval;
        let parked: Vec<PaymentId> = self
            .held
            .iter()
            .filter(|(_, held)| match held.stage {
                Stage::Conflict(_) | Stage::Orphan => true,
                Stage::Waiting => held.line.refused_by != 0,
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in parked {
            if !self.forgive(id, now) {
                self.forget(id, now);
            }
        }
    }

    /// Walks the list from its beginning soon: something was let go of that may still be due.
    pub(super) fn rescan_soon(&mut self, now: Duration) {
        self.pages.rescan_at = self.pages.rescan_at.min(now + LOST_WAIT);
    }

    pub(super) fn adopt(
        &mut self,
        page: Result<Vec<Payment>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(limit) = self.pages.reading.take() else {
            return;
        };
        let ended = std::mem::take(&mut self.pages.ended);
        let Ok(page) = page else {
            self.pages.retry_at = now + RETRY_WAIT;
            // What was claimed and not told is behind nothing that was.
            self.rescan_soon(now);
            return;
        };
        if self.pages.rescan_at == Duration::ZERO {
            self.pages.rescan_at = now + self.policy.rescan_interval;
        }
        let is_last = page.len() < limit;
        self.pages.is_at_end = is_last && !self.pages.is_stale;
        for payment in page {
            self.pages.after = self.pages.after.max(Some(payment.place()));
            // The ledger's time does not step back: nothing is requested before it was accepted.
            let accepted_at = Millis(payment.accepted_at.as_nanos() / 1_000_000);
            self.wall = self.wall.max(accepted_at);
            match self.held.get_mut(&payment.id) {
                Some(held) if held.is_idle() && held.is_behind(&payment) => {
                    // Another node, or an operator there, has changed it.
                    self.forget(payment.id, now);
                    self.hold(&payment, now);
                    self.prove_waiting(payment.id, now, effects);
                }
                Some(held) => held.walk = self.pages.walk,
                None if ended.contains(&payment.id) => {}
                None => {
                    self.hold(&payment, now);
                    self.prove_waiting(payment.id, now, effects);
                }
            }
        }
        if is_last && self.pages.walked != Some(self.pages.walk) {
            self.pages.walked = Some(self.pages.walk);
            self.forget_missed(now);
        }
    }

    /// Lets go of what a walk of the whole list did not tell of: another node ended it.
    fn forget_missed(&mut self, now: Duration) {
        let is_missed = |held: &Held| held.walk < self.pages.walk && held.is_idle();
        let held = self.held.iter();
        let missed: Vec<PaymentId> = held
            .filter(|(_, held)| is_missed(held))
            .map(|(id, _)| *id)
            .collect();
        for id in missed {
            self.forget(id, now);
        }
        self.conflicts
            .retain_amounts(|id| self.held.contains_key(id));
    }

    pub(super) fn hold(&mut self, payment: &Payment, now: Duration) {
        let stage = match &payment.state {
            PaymentState::Accepted => {
                self.queue.insert(Line::default(), payment.place());
                Stage::Waiting
            }
            PaymentState::Sent {
                processor,
                requested_at,
            } => {
                let is_it = |name: &_| name == processor;
                let place = self.policy.processors.iter().position(|p| is_it(&p.name));
                match place {
                    Some(place) => {
                        // Whoever sent it may still be about to, until its lease is over.
                        let lease_until = now + self.policy.processors[place].lease;
                        let pin = Pin::fresh(place, *requested_at, now, lease_until).unclear(now);
                        let processor = &mut self.processors[place];
                        processor.pinned_count += 1;
                        processor.questions.insert((now, payment.id));
                        processor.leases.insert((lease_until, payment.id));
                        Stage::Unknown(pin)
                    }
                    None => {
                        self.orphans_count += 1;
                        Stage::Orphan
                    }
                }
            }
            PaymentState::Settled { .. } | PaymentState::Refused { .. } => return,
        };
        let held = Held::new(payment, now, stage, self.pages.walk);
        self.held.insert(payment.id, held);
    }

    /// Somebody else changed a payment. Where a command or a request is under way its end will
    /// show what it is now.
    pub(super) fn changed(&mut self, id: PaymentId, now: Duration) {
        self.pages.woken();
        if self.pages.reading.is_some() {
            self.pages.ended.insert(id);
        }
        let Some(held) = self.held.get(&id) else {
            self.rescan_soon(now);
            return;
        };
        if held.is_idle() {
            self.forget(id, now);
        }
        self.rescan_soon(now);
    }

    /// Lets go of a payment, with all that refers to it.
    pub(super) fn forget(&mut self, id: PaymentId, now: Duration) {
        let Some(held) = self.held.remove(&id) else {
            return;
        };
        if self.pages.reading.is_some() {
            self.pages.ended.insert(id);
        }
        if held.pending.is_some() {
            self.commands_count -= 1;
        }
        match held.stage {
            Stage::Waiting => self.queue.remove(held.line, held.place),
            Stage::Orphan => self.orphans_count -= 1,
            Stage::Conflict(_) => self.conflicts_count -= 1,
            _ => {}
        }
        if let Some(pin) = held.stage.pin() {
            let pin = *pin;
            self.unpin(id, &held.stage, &pin, now);
        }
    }

    /// Takes a payment off its processor's books.
    pub(super) fn unpin(&mut self, id: PaymentId, stage: &Stage, pin: &Pin, now: Duration) {
        let processor = &mut self.processors[pin.processor];
        processor.pinned_count -= 1;
        processor.leases.remove(&(pin.lease_until, id));
        match stage {
            Stage::Sending(_) => processor.cancel(id, pin.sent_at, now),
            Stage::Unknown(_) => {
                let is_it = |question: &&(Duration, PaymentId)| question.1 == id;
                if let Some(question) = processor.questions.iter().find(is_it).copied() {
                    processor.questions.remove(&question);
                }
            }
            _ => {}
        }
    }
}

/// How soon the list is walked again after something was let go of.
const LOST_WAIT: Duration = Duration::from_millis(500);
