//! Payments that break a rule.

use ledger::{
    AccountId, Event, Payment, PaymentState, ProcessorName, RefusedCode, TransferId, TransferKind,
};

use super::check;
use super::history::History;

fn processor(name: &str) -> ProcessorName {
    ProcessorName::new(name).unwrap()
}

fn set_processor(payment: &mut Payment, name: &str) {
    match &mut payment.state {
        PaymentState::Sent { processor: of, .. } | PaymentState::Settled { processor: of, .. } => {
            *of = processor(name);
        }
        other => panic!("{other:?}"),
    }
}

fn settlement(history: &mut History, id: u128, nth: usize) -> &mut ledger::Transfer {
    match history.payment_event(id, nth) {
        Event::PaymentSettled { transfer, .. } => transfer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn acceptances_that_break_a_rule_are_found() {
    check(&[
        ("a payment id was used before", |h| {
            let accepted = |event: &Event| matches!(event, Event::PaymentAccepted(_));
            h.again(accepted);
        }),
        ("a transfer id was used before", |h| {
            // The settlement's id is taken by the acceptance.
            let id = TransferId::of_payment(h.payment(7, 0).id);
            if let Event::Transfer(transfer) = &mut h.transfer(1).event {
                transfer.id = id;
            }
        }),
        ("a payment was accepted in another state", |h| {
            h.payment(7, 0).attempt = 1;
        }),
        ("a payment was accepted in another state", |h| {
            h.payment(4, 0).state = PaymentState::Refused {
                code: RefusedCode::ProcessorRefused,
            };
        }),
        ("a payment was accepted that is malformed", |h| {
            h.payment(4, 0).amount = 0;
        }),
        ("a payment was accepted that is malformed", |h| {
            h.payment(4, 0).description = "\n".into();
        }),
        ("a payment was accepted that is malformed", |h| {
            h.payment(4, 0).account_id = Some(AccountId::new("world:BRL").unwrap());
        }),
        ("a payment is from an account that cannot pay it", |h| {
            h.payment(4, 0).account_id = Some(AccountId::new("c").unwrap());
        }),
        ("account b has passed its limit", |h| {
            let payment = h.payment(4, 0);
            payment.account_id = Some(AccountId::new("b").unwrap());
            payment.amount = 1_000;
        }),
    ]);
}

#[test]
fn attempts_that_break_a_rule_are_found() {
    let elsewhere = "a payment was sent elsewhere while it was on its way";
    let not_open = "a payment that was not accepted, or is settled or refused already";
    check(&[
        (elsewhere, |h| h.payment(1, 1).attempt = 2),
        (elsewhere, |h| h.payment(1, 1).attempt = u32::MAX),
        (elsewhere, |h| {
            // Sent to the second while the first has it.
            let released = |e: &Event| matches!(e, Event::PaymentReleased(_));
            h.remove(released);
        }),
        ("a payment was released that was not sent", |h| {
            h.twice(|event| matches!(event, Event::PaymentReleased(_)));
        }),
        ("a payment was released that was not sent", |h| {
            h.payment(1, 2).attempt = 0;
        }),
        ("a payment's content has changed", |h| {
            h.payment(1, 1).amount += 1;
        }),
        (not_open, |h| {
            h.payment(1, 1).id = ledger::PaymentId::from_u128(99);
        }),
        // It was purged.
        (not_open, |h| {
            let mut purged = h.payment(4, 0).clone();
            purged.state = PaymentState::Sent {
                processor: processor("default"),
                requested_at: ledger::Millis(1),
            };
            purged.attempt = 1;
            let mut record = h.batch(2).clone();
            record.event = Event::PaymentSent(purged);
            h.frames.push(vec![record]);
        }),
    ]);
}

#[test]
fn settlements_that_break_a_rule_are_found() {
    let by_another = "a payment was settled by a processor it was not sent to";
    let not_its = "a settlement's transfer is not its payment's";
    let not_open = "a payment that was not accepted, or is settled or refused already";
    check(&[
        (by_another, |h| set_processor(h.payment(2, 2), "fallback")),
        (by_another, |h| {
            let id = AccountId::new("processor:fallback:BRL").unwrap();
            settlement(h, 2, 2).credit_account_id = id;
        }),
        (by_another, |h| h.payment(2, 2).attempt += 1),
        // Settled twice.
        (not_open, |h| {
            h.again(|event| matches!(event, Event::PaymentSettled { .. }));
        }),
        (not_its, |h| {
            settlement(h, 2, 2).id = TransferId::from_u128(7);
        }),
        (not_its, |h| settlement(h, 2, 2).amount += 1),
        (not_its, |h| {
            settlement(h, 2, 2).debit_account_id = AccountId::new("a").unwrap();
        }),
        (not_its, |h| {
            // The reservation would stay for good.
            settlement(h, 1, 4).kind = TransferKind::Settle {
                payment_id: ledger::PaymentId::from_u128(1),
                reserved: false,
            };
        }),
    ]);
}

#[test]
fn ends_without_a_settlement_that_break_a_rule_are_found() {
    check(&[
        ("a purge miscounts its payments", |h| {
            let purge = h.find(|event| matches!(event, Event::PaymentsPurged { .. }));
            if let Event::PaymentsPurged { payments_count, .. } = &mut purge.event {
                *payments_count += 1;
            }
        }),
        (
            "a payment that was not accepted, or is settled or refused",
            |h| {
                h.again(|event| matches!(event, Event::PaymentRefused(_)));
            },
        ),
        ("a payment was refused twice", |h| {
            h.payment(3, 1).attempt = 1;
        }),
        ("a payment id was used before", |h| {
            h.payment(4, 0).id = h.payment(3, 0).id;
        }),
    ]);
}

#[test]
fn what_has_references_and_metadata_is_clean() {
    assert_eq!(History::noted().audit().findings, []);
}
