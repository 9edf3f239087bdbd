//! The readers of messages, on mutated ones.

use ledger::{
    AccountId, Batch, BatchId, Command, Currency, Metadata, MoveMoney, Notes, OpenAccount,
    Reference, TransferId,
};
use proto::submit;
use testkit::fuzz;

fn batches() -> Vec<Batch> {
    let account = |id| AccountId::new(id).unwrap();
    let transfer = |id: u128| {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(id),
            debit_account_id: account("world:BRL"),
            credit_account_id: account("users:42"),
            amount: 1_000,
            description: "top-up".into(),
            notes: Notes::new(
                Some(Reference::new("order 7").unwrap()),
                Metadata::new([("order", "7"), ("shop", "")]).unwrap(),
            ),
        })
    };
    let open = Command::OpenAccount(OpenAccount {
        id: account("users:42"),
        currency: Currency::new("BRL").unwrap(),
        credit_limit: 100_000,
    });
    let pend = match transfer(3) {
        Command::Transfer(transfer) => Command::Pend {
            transfer,
            timeout_s: 60,
        },
        other => other,
    };
    let atomic = Batch::atomic(BatchId::from_u128(9), vec![transfer(1), transfer(2)]).unwrap();
    vec![Batch::one(open), Batch::one(pend), atomic]
}

#[test]
fn fuzz_requests() {
    let mut example = Vec::new();
    submit::write_request(&batches(), &mut example);
    fuzz(&[&example], |bytes| {
        if let Ok(read) = submit::read_request(bytes) {
            let mut written = Vec::new();
            submit::write_request(&read, &mut written);
            let again = submit::read_request(&written).expect("what was read can be written");
            assert_eq!(again, read);
        }
    });
}

#[test]
fn fuzz_answers() {
    // No outcome at all, and bytes that look like some.
    let examples: [&[u8]; 2] = [b"", b"\x0a\x06\x0a\x04\x08\x01\x12\x00"];
    fuzz(&examples, |bytes| {
        let count = batches().len();
        if let Ok(outcomes) = submit::read_response(bytes, batches()) {
            assert_eq!(outcomes.len(), count);
        }
    });
}

#[test]
fn fuzz_deadlines() {
    let examples: [&[u8]; 2] = [b"000000000000002a-1500000", b"ffffffffffffffff-0"];
    fuzz(&examples, |bytes| {
        if let Some((clock, deadline)) = proto::read_deadline(bytes) {
            let written = proto::write_deadline(clock, deadline);
            assert_eq!(
                proto::read_deadline(written.as_bytes()),
                Some((clock, deadline))
            );
        }
    });
}
