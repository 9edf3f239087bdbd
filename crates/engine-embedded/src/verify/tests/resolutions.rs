//! Resolutions that break a rule.

use ledger::{PaymentState, ResolutionKind, TransferId};

use super::check_upon;
use super::history::History;

#[test]
fn resolved_payments_are_clean() {
    let audit = History::resolved().audit();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.payments_count, 7);
}

#[test]
fn resolutions_that_break_a_rule_are_found() {
    let other = "a resolution is not what became of its payment";
    let lost = "a payment's record does not lead to the newest resolution";
    let money = "a resolution moves money, or moves none, against its kind";
    check_upon(
        &History::resolved(),
        &[
            (other, |h| h.resolved_event(1, 2).resolution.attempt = 2),
            (other, |h| {
                h.resolved_event(1, 2).resolution.processor = None;
            }),
            (other, |h| {
                h.resolved_event(1, 2).resolution.timestamp = ledger::Timestamp::default();
            }),
            (other, |h| {
                h.resolved_event(3, 1).resolution.kind = ResolutionKind::Release;
            }),
            (other, |h| {
                let requested_at = ledger::Millis(1);
                h.resolved_event(1, 4).resolution.kind = ResolutionKind::Settled { requested_at };
            }),
            (money, |h| h.resolved_event(1, 4).transfer = None),
            (money, |h| {
                let settlement = h.resolved_event(1, 4).transfer.clone();
                h.resolved_event(4, 3).transfer = settlement;
            }),
            // The one before is passed over.
            (lost, |h| {
                let id = TransferId::of_payment(h.payment(1, 0).id);
                h.find(|event| event.transfer().is_some_and(|t| t.id == id))
                    .links
                    .origin = 0;
            }),
            (lost, |h| {
                let id = TransferId::of_payment(h.payment(2, 0).id);
                h.find(|event| event.transfer().is_some_and(|t| t.id == id))
                    .links
                    .origin = 0;
            }),
            ("a payment was released that was not sent", |h| {
                // The one of a payment that stays open.
                let id = h.payment(2, 0).id;
                h.twice(|event| {
                    event.resolution().is_some()
                        && event.payment().is_some_and(|payment| payment.id == id)
                });
            }),
            ("a payment was refused twice", |h| {
                h.payment(3, 1).attempt = 1;
            }),
            ("a settlement's transfer is not its payment's", |h| {
                let resolved = h.resolved_event(1, 4);
                resolved.transfer.as_mut().unwrap().amount += 1;
            }),
            (
                "a payment was settled by a processor it was not sent to",
                |h| {
                    if let PaymentState::Settled { processor, .. } = &mut h.payment(1, 4).state {
                        *processor = ledger::ProcessorName::new("default").unwrap();
                    }
                },
            ),
        ],
    );
}
