//! Reversals that are of nothing, of too much, or of something else.

use ledger::{AccountId, Transfer, TransferId, TransferKind};

use super::check_upon;
use super::history::History;

fn transfer(history: &mut History, id: u128) -> &mut Transfer {
    match &mut history.transfer(id).event {
        ledger::Event::Transfer(transfer) => transfer,
        other => panic!("no transfer: {other:?}"),
    }
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn reverse(reverses: u128, reversed_before: u64, in_full: bool) -> TransferKind {
    TransferKind::Reverse {
        reverses: TransferId::from_u128(reverses),
        reversed_before,
        in_full,
    }
}

#[test]
fn a_history_with_reversals_is_clean() {
    let audit = History::reversed().audit();
    assert_eq!(audit.findings, []);
    assert!(audit.balances.values().all(|sum| *sum == 0));
}

#[test]
fn reversals_that_are_wrong_are_found() {
    let goes_on = "a reversal does not go on from the one before";
    let not_of_it = "the reversals of a transfer are not of what it moved";
    check_upon(
        &History::reversed(),
        &[
            (goes_on, |h| transfer(h, 6).kind = reverse(2, 49, false)),
            (goes_on, |h| transfer(h, 5).kind = reverse(2, 0, true)),
            (goes_on, |h| h.transfer(6).links.origin = 1),
            (
                "the first reversal of a transfer says that there was one before",
                |h| transfer(h, 5).kind = reverse(2, 1, false),
            ),
            ("reversals of one transfer move other accounts", |h| {
                transfer(h, 6).credit_account_id = account("world:BRL");
            }),
            ("a reversal moves other accounts than its transfer", |h| {
                transfer(h, 7).credit_account_id = account("world:BRL");
            }),
            ("a reversal leads to another transfer", |h| {
                let origin = h.transfer(5).links.origin;
                h.transfer(7).links.origin = origin;
            }),
            ("was reversed, and it has moved nothing", |h| {
                h.transfer(7).links.origin = 1;
            }),
            ("was reversed, and it has moved nothing", |h| {
                let origin = h.transfer(4).links.origin;
                h.transfer(7).links.origin = origin;
            }),
            (not_of_it, |h| transfer(h, 4).amount = 61),
            (not_of_it, |h| transfer(h, 2).amount = 199),
            ("a transfer id was used before", |h| {
                transfer(h, 7).id = TransferId::from_u128(5);
            }),
        ],
    );
}
