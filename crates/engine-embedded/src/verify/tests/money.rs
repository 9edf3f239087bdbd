//! Transfers that break a rule.

use ledger::{AMOUNT_MAX, AccountId, Event, Timestamp, Transfer, TransferId, TransferKind};

use super::history::History;
use super::{check, is_transfer};

fn transfer(history: &mut History, id: u128) -> &mut Transfer {
    match &mut history.transfer(id).event {
        Event::Transfer(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

fn expiry(history: &mut History) -> &mut Transfer {
    let is_expiry =
        |event: &Event| matches!(event, Event::Transfer(t) if t.kind == TransferKind::Expire);
    match &mut history.find(is_expiry).event {
        Event::Transfer(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

#[test]
fn entries_that_do_not_add_up_are_found() {
    check(&[
        (
            "account a has entry 2 with balance 300 and credit limit 1000 by it",
            |h| {
                transfer(h, 2).debit.as_mut().unwrap().balance += 1;
            },
        ),
        ("account b has entry 1", |h| {
            transfer(h, 2).credit.as_mut().unwrap().entry_number += 1;
        }),
        (
            "the record says entry 2 with balance 300 and credit limit 1001",
            |h| {
                transfer(h, 2).debit.as_mut().unwrap().credit_limit += 1;
            },
        ),
        ("account a has no entry by it", |h| {
            transfer(h, 3).debit = transfer(h, 2).debit;
        }),
        ("account b has entry 1", |h| {
            transfer(h, 2).credit = None;
        }),
        ("account a has entry 1 with balance -200", |h| {
            h.remove(|event| is_transfer(event, 1));
        }),
        ("an entry does not lead to the one before", |h| {
            h.transfer(2).links.debit_previous = 0;
        }),
        ("an entry does not lead to the one before", |h| {
            let links = h.transfer(2).links;
            h.transfer(8).links.credit_previous = links.debit_previous;
        }),
        ("its timestamp is not later than the one before", |h| {
            let first = transfer(h, 1).timestamp;
            transfer(h, 2).timestamp = first;
        }),
        ("a transfer id was used before", |h| {
            transfer(h, 8).id = TransferId::from_u128(1);
        }),
        ("a transfer id was used before", |h| {
            // A refused id is used as well.
            transfer(h, 15).id = TransferId::from_u128(9);
        }),
    ]);
}

#[test]
fn transfers_of_a_wrong_form_are_found() {
    check(&[
        ("an amount is out of range", |h| transfer(h, 15).amount = 0),
        ("an amount is out of range", |h| {
            transfer(h, 15).amount = AMOUNT_MAX + 1;
        }),
        ("a description is invalid", |h| {
            transfer(h, 15).description = "".into();
        }),
        ("debit and credit account are the same", |h| {
            transfer(h, 15).debit_account_id = account("b");
        }),
        ("a plain transfer moves a processor's account", |h| {
            transfer(h, 15).debit_account_id = account("processor:default:BRL");
        }),
        ("the currencies differ", |h| {
            transfer(h, 15).credit_account_id = account("c");
        }),
        ("the balances of BRL sum to", |h| {
            transfer(h, 15).credit_account_id = account("c");
        }),
        ("account nobody is not open", |h| {
            transfer(h, 15).credit_account_id = account("nobody");
        }),
        ("money moved on a closed account", |h| {
            transfer(h, 15).credit_account_id = account("d");
        }),
        ("account b has passed its limit", |h| {
            let transfer = transfer(h, 15);
            std::mem::swap(
                &mut transfer.debit_account_id,
                &mut transfer.credit_account_id,
            );
        }),
        ("the balance of account b has passed 2^53 - 1", |h| {
            transfer(h, 15).amount = AMOUNT_MAX;
        }),
        ("a settlement without its payment", |h| {
            transfer(h, 15).kind = TransferKind::Settle {
                payment_id: ledger::PaymentId::from_u128(9),
                reserved: false,
            };
        }),
    ]);
}

#[test]
fn pending_transfers_ended_wrongly_are_found() {
    let not_pending = "a pending transfer was ended that is not pending";
    let wrong_time = "a pending transfer was ended after its time, or expired before it";
    let wrong_amount = "a pending transfer was ended with another amount";
    check(&[
        (not_pending, |h| h.remove(|event| is_transfer(event, 3))),
        (not_pending, |h| {
            transfer(h, 7).kind = TransferKind::Void {
                pending_id: TransferId::from_u128(3),
            };
        }),
        // Expired before its time, one that has none, and voided after its time.
        (wrong_time, |h| {
            transfer(h, 5).kind = TransferKind::Pend { timeout_s: 3_600 };
        }),
        (wrong_time, |h| {
            transfer(h, 5).kind = TransferKind::Pend { timeout_s: 0 };
        }),
        (wrong_time, |h| {
            let pending_id = TransferId::from_u128(5);
            let expiry = expiry(h);
            expiry.kind = TransferKind::Void { pending_id };
            expiry.id = TransferId::from_u128(99);
        }),
        (wrong_time, |h| {
            let pended = transfer(h, 5).timestamp;
            let early = pended.plus_seconds(1).as_nanos() - 1;
            expiry(h).timestamp = Timestamp::from_nanos(early);
        }),
        (wrong_amount, |h| {
            let after = transfer(h, 6);
            after.kind = TransferKind::Post {
                pending_id: TransferId::from_u128(3),
                pending_amount: 99,
                in_full: false,
            };
        }),
        (wrong_amount, |h| transfer(h, 6).amount = 101),
        (wrong_amount, |h| transfer(h, 7).amount = 49),
        (wrong_amount, |h| {
            transfer(h, 6).kind = TransferKind::Post {
                pending_id: TransferId::from_u128(3),
                pending_amount: 100,
                in_full: true,
            };
        }),
        ("a pending transfer was ended on other accounts", |h| {
            transfer(h, 7).credit_account_id = account("b");
        }),
        ("an end leads to another pending transfer", |h| {
            h.transfer(6).links.origin = 1;
        }),
    ]);
}
