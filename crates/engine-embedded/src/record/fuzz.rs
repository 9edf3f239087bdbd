//! The reader of records, on mutated ones.

use ledger::{
    AccountId, After, Event, Notes, Reference, Timestamp, Transfer, TransferId, TransferKind,
};
use testkit::fuzz;

use super::{Links, Recorded, decode, encode};

#[test]
fn fuzz_records() {
    let links = Links {
        debit_previous: 17,
        credit_previous: u64::MAX,
        origin: 0,
    };
    let account = |id| AccountId::new(id).expect("an id");
    let after = |entry_number| {
        Some(After {
            entry_number,
            balance: -5,
            credit_limit: 100_000,
        })
    };
    let transfer = |kind| Transfer {
        id: TransferId::from_u128(1),
        kind,
        debit_account_id: account("world:BRL"),
        credit_account_id: account("users:42"),
        amount: 1_000,
        description: "top-up".into(),
        notes: Notes::of_reference(Some(Reference::new("order 7").expect("a reference"))),
        timestamp: Timestamp::from_nanos(1_750_000_000_000_000_007),
        debit: None,
        credit: after(3),
    };
    let examples = [TransferKind::Transfer, TransferKind::Pend { timeout_s: 60 }].map(|kind| {
        let mut bytes = Vec::new();
        encode(links, &Event::Transfer(transfer(kind)), &mut bytes);
        bytes
    });
    fuzz(&[&examples[0], &examples[1]], |bytes| {
        if let Ok(Recorded { links, event }) = decode(bytes) {
            let mut written = Vec::new();
            encode(links, &event, &mut written);
            let again = decode(&written).expect("what was read can be written");
            assert_eq!(again.event, event);
        }
    });
}
