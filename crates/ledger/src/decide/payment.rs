//! A payment's life.
//!
//! Every command but the first names the state and attempt it expects. A command that finds its
//! own work done already is answered with it (`exists`): these commands have no id of their own.

use crate::command::{AcceptPayment, Command, Field};
use crate::currency::Currency;
use crate::decide::decision::{
    Decision, check_amount, check_description, check_kept_description, remember, replay,
};
use crate::decide::transfer::{
    check_funds, check_may_debit, check_open, check_total, find, is_free, set_after,
};
use crate::event::Event;
use crate::id::{AccountId, PaymentId, ProcessorName, TransferId};
use crate::outcome::{Outcome, Record, Refusal};
use crate::payment::{Payment, PaymentExpected, PaymentState, PaymentStateName, RefusedCode};
use crate::resolution::{PaymentResolved, Resolution, ResolutionKind, ResolvePayment};
use crate::state::{State, UsedPayment};
use crate::time::{Millis, Timestamp};
use crate::transfer::{Transfer, TransferKind};

pub(super) fn accept<S: State + ?Sized>(
    state: &S,
    accept: AcceptPayment,
    now: Timestamp,
) -> Decision {
    let id = accept.id;
    match state.payment(id) {
        Some(UsedPayment::Accepted(payment)) => {
            let first = Ok(Record::Payment(payment.as_accepted()));
            return replay(
                Some(payment.command()),
                &Command::AcceptPayment(accept),
                first,
            );
        }
        Some(UsedPayment::Refused(first, refusal)) => {
            return replay(Some(first), &Command::AcceptPayment(accept), Err(refusal));
        }
        None => {}
    }
    if !is_free(state, TransferId::of_payment(id)) {
        return Decision::Refused(Refusal::ExistsWithDifferent(Field::Kind));
    }
    if let Err(refusal) = check_description(&accept.description) {
        return Decision::Refused(refusal);
    }
    if let Err(refusal) = check_account(state, &accept) {
        return remember(Command::AcceptPayment(accept), refusal, now);
    }
    Decision::Event(Event::PaymentAccepted(Payment {
        id,
        account_id: accept.account_id,
        currency: accept.currency,
        amount: accept.amount,
        description: accept.description,
        notes: accept.notes,
        state: PaymentState::Accepted,
        attempt: 0,
        accepted_at: now,
        timestamp: now,
    }))
}

pub(super) fn check_form(accept: &AcceptPayment) -> Result<(), Refusal> {
    check_amount(accept.amount)?;
    check_kept_description(&accept.description)?;
    match &accept.account_id {
        Some(account_id) if account_id.is_reserved() => Err(Refusal::AccountReserved {
            account_id: account_id.clone(),
        }),
        _ => Ok(()),
    }
}

fn check_account<S: State + ?Sized>(state: &S, accept: &AcceptPayment) -> Result<(), Refusal> {
    let Some(account_id) = &accept.account_id else {
        return check_payer_is_open(state, accept.currency);
    };
    let account = find(state, account_id)?;
    check_open(&account, account_id)?;
    check_may_debit(&account, account_id)?;
    if account.currency != accept.currency {
        return Err(Refusal::CurrencyMismatch);
    }
    check_funds(&account, account_id, accept.amount)?;
    check_total(&account, account_id, accept.amount)
}

/// A payment without an account is paid by the outside, which a currency opens with its first account.
fn check_payer_is_open<S: State + ?Sized>(state: &S, currency: Currency) -> Result<(), Refusal> {
    if currency.check_current().is_err() && state.account(&AccountId::world(currency)).is_none() {
        return Err(Refusal::CurrencyNotCurrent { currency });
    }
    Ok(())
}

pub(super) fn send<S: State + ?Sized>(
    state: &S,
    id: PaymentId,
    expected: PaymentExpected,
    processor: ProcessorName,
    requested_at: Millis,
    now: Timestamp,
) -> Decision {
    let sent = PaymentState::Sent {
        processor,
        requested_at,
    };
    let payment = match find_payment(state, id) {
        Ok(payment) => payment,
        Err(refusal) => return Decision::Refused(refusal),
    };
    // Only what is accepted or sent can have become this.
    let was_due = matches!(
        expected.state,
        PaymentStateName::Accepted | PaymentStateName::Sent
    );
    if was_due && payment.state == sent && payment.attempt == expected.attempt.saturating_add(1) {
        return done(payment);
    }
    // A payment that is on its way may only be sent again as it was sent before.
    let pinned_elsewhere = payment.state != PaymentState::Accepted && payment.state != sent;
    if payment.standing() != expected || pinned_elsewhere {
        return other_state(&payment);
    }
    Decision::Event(Event::PaymentSent(Payment {
        state: sent,
        attempt: payment.attempt + 1,
        timestamp: now,
        ..payment
    }))
}

pub(super) fn settle<S: State + ?Sized>(
    state: &S,
    id: PaymentId,
    expected: PaymentExpected,
    requested_at: Millis,
    now: Timestamp,
) -> Decision {
    let payment = match find_payment(state, id) {
        Ok(payment) => payment,
        Err(refusal) => return Decision::Refused(refusal),
    };
    match &payment.state {
        PaymentState::Settled {
            requested_at: first,
            ..
        } if *first == requested_at && payment.attempt == expected.attempt => done(payment),
        PaymentState::Sent { processor, .. } if payment.standing() == expected => {
            let processor = processor.clone();
            settled(state, payment, processor, requested_at, now)
        }
        PaymentState::Accepted
        | PaymentState::Sent { .. }
        | PaymentState::Settled { .. }
        | PaymentState::Refused { .. } => other_state(&payment),
    }
}

fn settled<S: State + ?Sized>(
    state: &S,
    payment: Payment,
    processor: ProcessorName,
    requested_at: Millis,
    now: Timestamp,
) -> Decision {
    let reserved = payment.account_id.is_some();
    let mut transfer = Transfer {
        id: TransferId::of_payment(payment.id),
        kind: TransferKind::Settle {
            payment_id: payment.id,
            reserved,
        },
        debit_account_id: payment.payer(),
        credit_account_id: AccountId::processor(&processor, payment.currency),
        amount: payment.amount,
        description: payment.description.clone(),
        notes: payment.notes.clone().said_again(),
        timestamp: now,
        debit: None,
        credit: None,
    };
    match (
        find(state, &transfer.debit_account_id),
        find(state, &transfer.credit_account_id),
    ) {
        (Ok(debit), Ok(credit)) => set_after(&mut transfer, debit, credit),
        // Acceptance and sending opened both.
        (Err(refusal), _) | (_, Err(refusal)) => return Decision::Refused(refusal),
    }
    let state = PaymentState::Settled {
        processor,
        requested_at,
    };
    let payment = Payment {
        state,
        timestamp: now,
        ..payment
    };
    Decision::Event(Event::PaymentSettled {
        payment: Box::new(payment),
        transfer,
    })
}

pub(super) fn release<S: State + ?Sized>(
    state: &S,
    id: PaymentId,
    expected: PaymentExpected,
    now: Timestamp,
) -> Decision {
    let payment = match find_payment(state, id) {
        Ok(payment) => payment,
        Err(refusal) => return Decision::Refused(refusal),
    };
    match payment.state {
        PaymentState::Accepted if payment.attempt == expected.attempt && payment.attempt > 0 => {
            done(payment)
        }
        PaymentState::Sent { .. } if payment.standing() == expected => {
            Decision::Event(Event::PaymentReleased(Payment {
                state: PaymentState::Accepted,
                timestamp: now,
                ..payment
            }))
        }
        PaymentState::Accepted
        | PaymentState::Sent { .. }
        | PaymentState::Settled { .. }
        | PaymentState::Refused { .. } => other_state(&payment),
    }
}

pub(super) fn refuse<S: State + ?Sized>(
    state: &S,
    id: PaymentId,
    expected: PaymentExpected,
    code: RefusedCode,
    now: Timestamp,
) -> Decision {
    let payment = match find_payment(state, id) {
        Ok(payment) => payment,
        Err(refusal) => return Decision::Refused(refusal),
    };
    let refused = PaymentState::Refused { code };
    if payment.state == refused && payment.attempt == expected.attempt {
        return done(payment);
    }
    if !payment.state.is_due() || payment.standing() != expected {
        return other_state(&payment);
    }
    Decision::Event(Event::PaymentRefused(Payment {
        state: refused,
        timestamp: now,
        ..payment
    }))
}

/// What the same decision of a dispatcher's would do, kept with who and why.
pub(super) fn resolve<S: State + ?Sized>(
    state: &S,
    resolve: ResolvePayment,
    now: Timestamp,
) -> Decision {
    let ResolvePayment {
        id,
        expected,
        kind,
        who,
        why,
        send_lease,
    } = resolve;
    // What was resolved in this way before is answered again, with whichever texts: see below.
    let texts = check_description(who.as_str()).and_then(|()| check_description(why.as_str()));
    let before = match find_payment(state, id) {
        Ok(payment) => payment,
        Err(refusal) => return Decision::Refused(refusal),
    };
    let is_sent =
        matches!(before.state, PaymentState::Sent { .. }) && before.standing() == expected;
    let until = before.timestamp.plus(send_lease);
    match kind {
        ResolutionKind::Release | ResolutionKind::Refuse if is_sent && now < until => {
            return Decision::Refused(Refusal::PaymentUnderWay { until });
        }
        ResolutionKind::Release | ResolutionKind::Refuse | ResolutionKind::Settled { .. } => {}
    }
    let decision = match kind {
        ResolutionKind::Settled { requested_at } => settle(state, id, expected, requested_at, now),
        ResolutionKind::Release => release(state, id, expected, now),
        ResolutionKind::Refuse => refuse(state, id, expected, RefusedCode::OperatorRefused, now),
    };
    let (payment, transfer) = match decision {
        Decision::Event(Event::PaymentSettled { payment, transfer }) => (*payment, Some(transfer)),
        Decision::Event(Event::PaymentReleased(payment) | Event::PaymentRefused(payment)) => {
            (payment, None)
        }
        other @ (Decision::Event(_) | Decision::Exists(_) | Decision::Refused(_)) => return other,
    };
    if let Err(refusal) = texts {
        return Decision::Refused(refusal);
    }
    let processor = match before.state {
        PaymentState::Sent { processor, .. } => Some(processor),
        PaymentState::Accepted | PaymentState::Settled { .. } | PaymentState::Refused { .. } => {
            None
        }
    };
    let resolution = Resolution {
        kind,
        attempt: payment.attempt,
        processor,
        who,
        why,
        timestamp: now,
    };
    Decision::Event(Event::PaymentResolved(Box::new(PaymentResolved {
        payment,
        transfer,
        resolution,
    })))
}

/// A purge takes all that waits, so it says what it knows of: one that arrives after others have
/// gone on would take payments that its caller never meant.
pub(super) fn purge<S: State + ?Sized>(
    state: &S,
    expected_accepted_at: Option<Timestamp>,
    now: Timestamp,
) -> Decision {
    let accepted_at = state.newest_payment_accepted_at();
    if expected_accepted_at.is_some_and(|expected| accepted_at > expected) {
        return Decision::Refused(Refusal::PaymentsInOtherState { accepted_at });
    }
    let payments_count = state.payments_accepted().len() as u64;
    Decision::Event(Event::PaymentsPurged {
        payments_count,
        timestamp: now,
    })
}

fn find_payment<S: State + ?Sized>(state: &S, id: PaymentId) -> Result<Payment, Refusal> {
    match state.payment(id) {
        Some(UsedPayment::Accepted(payment)) => Ok(payment),
        Some(UsedPayment::Refused(..)) | None => Err(Refusal::PaymentNotFound { payment_id: id }),
    }
}

const fn done(payment: Payment) -> Decision {
    Decision::Exists(Outcome::exists(Ok(Record::Payment(payment))))
}

fn other_state(payment: &Payment) -> Decision {
    let PaymentExpected { state, attempt } = payment.standing();
    Decision::Refused(Refusal::PaymentInOtherState { state, attempt })
}
