//! Parts of pending transfers that are of nothing, of too much, or of something else.

use ledger::{AccountId, Event, Transfer, TransferId, TransferKind};

use super::check_upon;
use super::history::History;

fn transfer(history: &mut History, id: u128) -> &mut Transfer {
    match &mut history.transfer(id).event {
        Event::Transfer(transfer) => transfer,
        other => panic!("no transfer: {other:?}"),
    }
}

fn part(pending_id: u128, pending_amount: u64) -> TransferKind {
    TransferKind::PostPart {
        pending_id: TransferId::from_u128(pending_id),
        pending_amount,
    }
}

#[test]
fn a_history_with_parts_is_clean() {
    let audit = History::in_parts().audit();
    assert_eq!(audit.findings, []);
    assert!(audit.balances.values().all(|sum| *sum == 0));
}

#[test]
fn parts_that_are_wrong_are_found() {
    let goes_on = "a part does not go on from the one before";
    let other_amount = "a pending transfer was ended with another amount";
    check_upon(
        &History::in_parts(),
        &[
            (goes_on, |h| transfer(h, 9).kind = part(2, 71)),
            (goes_on, |h| transfer(h, 9).amount = 71),
            (goes_on, |h| transfer(h, 6).kind = part(2, 99)),
            (other_amount, |h| transfer(h, 9).amount = 19),
            (other_amount, |h| transfer(h, 13).amount = 90),
            (other_amount, |h| {
                transfer(h, 12).kind = TransferKind::Post {
                    pending_id: TransferId::from_u128(2),
                    pending_amount: 100,
                    in_full: false,
                };
            }),
            ("a part was posted of a transfer that is not pending", |h| {
                transfer(h, 9).kind = part(99, 70);
            }),
            ("a part was posted of a transfer that is not pending", |h| {
                // The fourth had expired by then.
                transfer(h, 28).kind = part(4, 40);
            }),
            ("a part was posted on other accounts", |h| {
                transfer(h, 9).credit_account_id = AccountId::new("world:BRL").unwrap();
            }),
            ("a part leads to another pending transfer", |h| {
                let origin = h.transfer(7).links.origin;
                h.transfer(9).links.origin = origin;
            }),
            ("a pending transfer was ended that is not pending", |h| {
                // The part that reaches the whole ends it: a void has nothing to end any more.
                let timestamp = transfer(h, 19).timestamp;
                let credit = transfer(h, 19).credit;
                let after = transfer(h, 28);
                after.kind = TransferKind::Void {
                    pending_id: TransferId::from_u128(17),
                };
                assert!(after.timestamp > timestamp && credit.is_some());
            }),
            ("a transfer id was used before", |h| {
                transfer(h, 9).id = TransferId::from_u128(6);
            }),
        ],
    );
}
