//! Commands to the ledger, and what it says to them.

use std::time::Duration;

use ledger::{
    Command, Outcome, Payment, PaymentId, PaymentState, PaymentStateName, Record, RefusedCode,
    Unavailable,
};

use super::payment::{Pin, Stage};
use super::processor::doubled;
use super::{Dispatcher, Effect, REPORT_GRACE, SendRequest};

/// How long to wait before a command that was not answered is given again.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(20);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

impl Dispatcher {
    pub(super) fn submit_send(
        &mut self,
        id: PaymentId,
        state: PaymentStateName,
        pin: Pin,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let command = Command::SendPayment {
            id,
            expected: held.expected(state),
            processor: self.policy.processors[pin.processor].name.clone(),
            requested_at: pin.requested_at,
        };
        self.submit(id, command, effects);
    }

    /// The processor has it: under this time.
    pub(super) fn settle(
        &mut self,
        id: PaymentId,
        pin: Pin,
        requested_at: ledger::Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.stage = Stage::Ending(pin);
        let command = Command::SettlePayment {
            id,
            expected: held.expected(PaymentStateName::Sent),
            requested_at,
        };
        self.submit(id, command, effects);
    }

    /// No attempt was recorded: back to the queue, or to its end where nobody wants it.
    pub(super) fn release(&mut self, id: PaymentId, pin: Pin, effects: &mut Vec<Effect>) {
        let everybody = u64::MAX >> (64 - self.processors.len().clamp(1, 64));
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.stage = Stage::Ending(pin);
        let expected = held.expected(PaymentStateName::Sent);
        let command = if held.refused_by == everybody {
            let code = RefusedCode::ProcessorRefused;
            Command::RefusePayment { id, expected, code }
        } else {
            Command::ReleasePayment { id, expected }
        };
        self.submit(id, command, effects);
    }

    fn submit(&mut self, id: PaymentId, command: Command, effects: &mut Vec<Effect>) {
        if let Some(held) = self.held.get_mut(&id) {
            held.pending = Some((command.clone(), 0));
            self.commands_count += 1;
            effects.push(Effect::Submit(id, command));
        }
    }

    pub(super) fn retry_commands(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.retries.first().copied() {
            if at > now {
                return;
            }
            self.retries.remove(&(at, id));
            if let Some((command, _)) = self.held.get(&id).and_then(|held| held.pending.as_ref()) {
                effects.push(Effect::Submit(id, command.clone()));
            }
        }
    }

    pub(super) fn outcome(
        &mut self,
        id: PaymentId,
        result: Result<Box<Outcome>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let Some((command, tries)) = &mut held.pending else {
            return;
        };
        let Ok(outcome) = result else {
            // Done or not: the same command again has the same outcome.
            let wait = doubled(RETRY_WAIT_MIN, *tries).min(RETRY_WAIT_MAX);
            *tries += 1;
            self.retries.insert((now + wait, id));
            return;
        };
        let was_refusal = matches!(command, Command::RefusePayment { .. });
        let was_settlement = matches!(command, Command::SettlePayment { .. });
        held.pending = None;
        self.commands_count -= 1;
        match outcome.result {
            Ok(Record::Payment(payment)) => {
                self.count(&payment, was_settlement, was_refusal);
                self.done(&payment, now, effects);
            }
            // Somebody else has brought it to another state: as the ledger has it, it is found
            // again if it is still due.
            Ok(_) | Err(_) => {
                self.forget(id, now);
                self.rescan_soon(now);
            }
        }
    }

    fn done(&mut self, payment: &Payment, now: Duration, effects: &mut Vec<Effect>) {
        let id = payment.id;
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        match (&payment.state, &held.stage) {
            (PaymentState::Sent { .. }, Stage::Sending(pin)) => {
                held.attempt = payment.attempt;
                let mut pin = *pin;
                self.processors[pin.processor]
                    .delay
                    .leave(pin.sent_at, id, now);
                pin.sent_at = now;
                held.stage = Stage::Sent(pin);
                effects.push(Effect::Send(SendRequest {
                    id,
                    attempt: held.attempt,
                    processor: pin.processor,
                    amount: held.amount,
                    currency: held.currency,
                    requested_at: pin.requested_at,
                    lease_until: pin.lease_until,
                }));
                self.overdue.insert((pin.lease_until + REPORT_GRACE, id));
            }
            (PaymentState::Accepted, Stage::Ending(pin)) => {
                let pin = *pin;
                // What only a broken processor might still want must not fill the window. It is
                // found again when the list is walked from its beginning.
                let refused_count = self.queue.len() - self.queue.fresh_len();
                if held.refused_by != 0 && refused_count >= self.policy.window {
                    return self.forget(id, now);
                }
                let ended = std::mem::replace(&mut held.stage, Stage::Waiting);
                self.queue.insert(held.refused_by, held.place);
                self.unpin(id, &ended, &pin, now);
            }
            _ => self.forget(id, now),
        }
    }
}
