//! The operations of the fixture: every kind, with every field set and left out.

use ledger::{Command, MoveMoney, Notes, Reference, TransferId};
use outbox::Operation;

use crate::bank::{account, operation, transfer};

const fn id(number: u128) -> TransferId {
    TransferId::from_u128(number)
}

/// What was applied before the fixture was left.
pub(crate) fn applied() -> impl Iterator<Item = Operation> {
    (1..=150).map(operation)
}

/// What is queued in it.
pub(crate) fn queued() -> Vec<Operation> {
    let pend = |number, timeout_s, description: &str, reference| Command::Pend {
        transfer: MoveMoney {
            id: id(number),
            debit_account_id: account("a"),
            credit_account_id: account("b"),
            amount: 1_000,
            description: description.into(),
            notes: Notes::of_reference(reference),
        },
        timeout_s,
    };
    let commands = [
        transfer(201, "world:BRL", "a", 9_007_199_254_740_991),
        transfer(202, "a", "b", 5),
        pend(203, 0, "reserva", None),
        pend(
            204,
            4_000_000_000,
            &"ç".repeat(140),
            Some(Reference::from_u128(u128::MAX)),
        ),
        Command::Post {
            id: id(205),
            pending_id: id(203),
            amount: None,
        },
        Command::Post {
            id: id(206),
            pending_id: id(204),
            amount: Some(1),
        },
        Command::Void {
            id: id(207),
            pending_id: id(204),
        },
    ];
    commands
        .map(|command| Operation::new(command).unwrap())
        .into()
}
