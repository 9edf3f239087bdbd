//! Records at their largest fit in the room that is made for them; and the bytes of an example.

use ledger::{
    AMOUNT_MAX, AcceptPayment, AccountId, After, Batch, BatchDecided, BatchId, Command, Currency,
    Digest, Event, METADATA_BYTES_MAX, MemberFailure, Metadata, Millis, MoveMoney, Notes, Outcome,
    Payment, PaymentId, PaymentState, ProcessorName, Record, Reference, Refusal, Timestamp,
    Transfer, TransferId, TransferKind,
};

use super::{Links, RECORD_BYTES_MAX, batch_bytes_max, decode, encode, record_bytes_max};

const NEVER: Timestamp = Timestamp::from_nanos(u64::MAX);

/// The room of this command alone, where the notes of the payment that it is about are the largest.
fn room(command: Command) -> usize {
    batch_bytes_max(&Batch::one(command), |_| largest_notes().size_bytes())
}

fn length(event: &Event) -> usize {
    let links = Links {
        debit_previous: u64::MAX,
        credit_previous: u64::MAX,
        origin: u64::MAX,
    };
    let mut bytes = Vec::new();
    encode(links, event, &mut bytes);
    assert_eq!(decode(&bytes).unwrap().event, *event);
    bytes.len()
}

/// A reference and metadata of the most bytes.
pub(super) fn largest_notes() -> Notes {
    let text = "x".repeat(METADATA_BYTES_MAX - r#"{"a":""}"#.len());
    let reference = Reference::new(&"💸".repeat(128)).unwrap();
    Notes::new(Some(reference), Metadata::new([("a", &*text)]).unwrap())
}

fn account() -> AccountId {
    AccountId::new(&"a".repeat(64)).unwrap()
}

fn money() -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(1),
        debit_account_id: account(),
        credit_account_id: account(),
        amount: AMOUNT_MAX,
        description: "💸".repeat(140).into(),
        notes: largest_notes(),
    }
}

fn transfer(kind: TransferKind) -> Transfer {
    let after = Some(After {
        entry_number: u64::MAX,
        balance: i64::MIN,
        credit_limit: u64::MAX,
    });
    let money = money();
    Transfer {
        id: money.id,
        kind,
        debit_account_id: money.debit_account_id,
        credit_account_id: money.credit_account_id,
        amount: money.amount,
        description: money.description,
        notes: money.notes,
        timestamp: NEVER,
        debit: after,
        credit: after,
    }
}

fn payment() -> Payment {
    Payment {
        id: PaymentId::from_u128(1),
        account_id: Some(account()),
        currency: Currency::new("BRL").unwrap(),
        amount: AMOUNT_MAX,
        description: "💸".repeat(140).into(),
        state: PaymentState::Settled {
            processor: ProcessorName::new(&"p".repeat(32)).unwrap(),
            requested_at: Millis(u64::MAX),
        },
        attempt: u32::MAX,
        accepted_at: NEVER,
        timestamp: NEVER,
        notes: largest_notes(),
    }
}

/// The refusal with the most bytes.
fn refusal() -> Refusal {
    Refusal::InsufficientFunds {
        account_id: account(),
        available: u64::MAX,
        required: u64::MAX,
        credit_limit: u64::MAX,
    }
}

fn refused(command: &Command) -> Event {
    Event::Refused {
        command: command.clone(),
        refusal: refusal(),
        timestamp: NEVER,
    }
}

#[test]
fn the_largest_transfers_fit_in_their_room() {
    let command = Command::Transfer(money());
    let room = record_bytes_max(&command);
    assert!(length(&Event::Transfer(transfer(TransferKind::Transfer))) <= room);
    assert!(length(&refused(&command)) <= room);
    let command = Command::Pend {
        transfer: money(),
        timeout_s: u32::MAX,
    };
    let room = record_bytes_max(&command);
    let kind = TransferKind::Pend {
        timeout_s: u32::MAX,
    };
    assert!(length(&Event::Transfer(transfer(kind))) <= room);
    assert!(length(&refused(&command)) <= room);
}

/// What is fixed in a transfer's room is enough where nothing else is in it.
#[test]
fn the_smallest_transfers_fit_in_their_room() {
    let mut money = money();
    money.debit_account_id = AccountId::new("a").unwrap();
    money.credit_account_id = AccountId::new("b").unwrap();
    money.description = "x".into();
    let mut transfer = transfer(TransferKind::Pend {
        timeout_s: u32::MAX,
    });
    transfer.debit_account_id = money.debit_account_id.clone();
    transfer.credit_account_id = money.credit_account_id.clone();
    transfer.description = money.description.clone();
    let command = Command::Transfer(money);
    let room = record_bytes_max(&command);
    assert!(length(&Event::Transfer(transfer)) <= room);
    // The refused account is one of the two, whose ids are short here.
    assert!(length(&refused(&command)) <= room);
}

#[test]
fn the_largest_of_all_others_fit_in_theirs() {
    let mut post = transfer(TransferKind::Post {
        pending_id: TransferId::from_u128(1),
        pending_amount: AMOUNT_MAX,
        in_full: true,
    });
    post.notes = post.notes.said_again();
    let mut settle = transfer(TransferKind::Settle {
        payment_id: PaymentId::from_u128(1),
        reserved: true,
    });
    settle.notes = settle.notes.said_again();
    let accept = Command::AcceptPayment(AcceptPayment {
        id: PaymentId::from_u128(1),
        account_id: Some(account()),
        currency: Currency::new("BRL").unwrap(),
        amount: AMOUNT_MAX,
        description: "💸".repeat(140).into(),
        notes: largest_notes(),
    });
    for event in [
        Event::Transfer(post.clone()),
        failed_by(Outcome::exists(Ok(Record::Transfer(post)))),
        failed_by(Outcome::refused(refusal())),
    ] {
        assert!(length(&event) <= RECORD_BYTES_MAX, "{event:?}");
    }
    for event in [Event::PaymentAccepted(payment()), refused(&accept)] {
        assert!(length(&event) <= record_bytes_max(&accept), "{event:?}");
    }
    let settled = Event::PaymentSettled {
        payment: Box::new(payment()),
        transfer: settle,
    };
    let command = Command::SettlePayment {
        id: PaymentId::from_u128(1),
        expected: payment().standing(),
        requested_at: Millis(u64::MAX),
    };
    // The batch's own record has its room besides.
    assert!(length(&settled) <= room(command) - RECORD_BYTES_MAX);
}

#[test]
fn the_largest_member_that_is_there_fits_into_the_record_of_its_batch() {
    let atomic = Batch::atomic(BatchId::from_u128(1), vec![Command::Transfer(money())]);
    let room = batch_bytes_max(&atomic.unwrap(), |_| 0);
    for there in [
        Record::Transfer(transfer(TransferKind::Transfer)),
        Record::Payment(payment()),
    ] {
        let event = failed_by(Outcome::exists(Ok(there)));
        assert!(length(&event) <= room - record_bytes_max(&Command::Transfer(money())));
    }
}

/// The second has an id that the first has taken, and smaller notes: what follows is about the first.
#[test]
fn the_larger_of_two_payments_with_one_id_counts() {
    let id = PaymentId::from_u128(1);
    let accept = |notes| {
        Command::AcceptPayment(AcceptPayment {
            id,
            account_id: Some(account()),
            currency: Currency::new("BRL").unwrap(),
            amount: AMOUNT_MAX,
            description: "💸".repeat(140).into(),
            notes,
        })
    };
    let small = Notes::of_reference(Some(Reference::new("x").unwrap()));
    let mut commands = vec![accept(largest_notes()), accept(small)];
    let release = || Command::ReleasePayment {
        id,
        expected: payment().standing(),
    };
    commands.extend((0..1_000).map(|_| release()));
    let batch = Batch::independent(commands).unwrap();
    let needed = 1_001 * length(&Event::PaymentReleased(payment()));
    assert!(needed <= batch_bytes_max(&batch, |_| 0));
}

fn failed_by(outcome: Outcome) -> Event {
    Event::Batch(BatchDecided {
        id: BatchId::from_u128(1),
        digest: Digest([255; 32]),
        members_count: u32::MAX,
        failure: Some(MemberFailure {
            index: u32::MAX,
            outcome: Box::new(outcome),
        }),
        timestamp: NEVER,
    })
}

/// A build that knows version 1 alone reads whatever has nothing newer.
#[test]
fn records_say_the_oldest_version_that_has_all_they_hold() {
    let version = |event: &Event| {
        let mut bytes = Vec::new();
        encode(Links::default(), event, &mut bytes);
        bytes[0]
    };
    let id = Notes::of_reference(Some(Reference::from_u128(1)));
    let text = Notes::of_reference(Some(Reference::new("order 1").unwrap()));
    for (notes, expected) in [(Notes::NONE, 1), (id, 1), (text, 2), (largest_notes(), 2)] {
        for kind in [TransferKind::Transfer, TransferKind::Expire] {
            let transfer = Transfer {
                notes: notes.clone(),
                ..transfer(kind)
            };
            assert_eq!(version(&Event::Transfer(transfer)), expected);
        }
        let money = MoveMoney {
            notes: notes.clone(),
            ..money()
        };
        assert_eq!(version(&refused(&Command::Transfer(money))), expected);
        // Payments had no reference before.
        let payment = Payment {
            notes: notes.clone(),
            ..payment()
        };
        let expected = if notes.is_none() { 1 } else { 2 };
        assert_eq!(version(&Event::PaymentAccepted(payment.clone())), expected);
        let there = Outcome::exists(Ok(Record::Payment(payment)));
        assert_eq!(version(&failed_by(there)), expected);
    }
}

#[test]
fn the_largest_resolution_fits_in_its_room() {
    let note = ledger::Note::new(&"💸".repeat(140)).unwrap();
    let kind = ledger::ResolutionKind::Settled {
        requested_at: Millis(u64::MAX),
    };
    let command = |note: &ledger::Note| {
        Command::ResolvePayment(ledger::ResolvePayment {
            id: PaymentId::from_u128(1),
            expected: payment().standing(),
            kind,
            who: note.clone(),
            why: note.clone(),
            send_lease: std::time::Duration::ZERO,
        })
    };
    let event = |note: &ledger::Note| {
        Event::PaymentResolved(Box::new(ledger::PaymentResolved {
            payment: payment(),
            transfer: Some(Transfer {
                notes: largest_notes().said_again(),
                ..transfer(TransferKind::Settle {
                    payment_id: PaymentId::from_u128(1),
                    reserved: true,
                })
            }),
            resolution: ledger::Resolution {
                kind,
                attempt: u32::MAX,
                processor: Some(ProcessorName::new(&"p".repeat(32)).unwrap()),
                who: note.clone(),
                why: note.clone(),
                timestamp: NEVER,
            },
        }))
    };
    for note in [note, ledger::Note::new("x").unwrap()] {
        assert!(length(&event(&note)) <= room(command(&note)) - RECORD_BYTES_MAX);
    }
}

/// The example of `docs/ledger-records.md`.
#[test]
fn the_bytes_are_those_of_the_description() {
    let record = [
        &[1, 0xfd, 3, 0, 0, 0][..],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 1, b'a', 1, b'b', 0xc8, 1, 8],
        b"number 2",
        &[0, 0xe9, 0x90, 0xe2, 0xf0, 0x9e, 0xca, 0x9c, 0xc3, 0x18],
        &[1, 2, 0xd8, 4, 0xe8, 7, 1, 1, 0x90, 3, 0],
    ]
    .concat();
    let recorded = decode(&record).unwrap();
    let mut bytes = Vec::new();
    encode(recorded.links, &recorded.event, &mut bytes);
    assert_eq!(bytes, record);
    assert_eq!(recorded.links.debit_previous, 509);
    let transfer = recorded.event.transfer().unwrap();
    assert_eq!((transfer.amount, &transfer.notes), (200, &Notes::NONE));
    assert_eq!(transfer.timestamp.as_nanos(), 1_767_225_600_002_001_001);
    let after = transfer.debit.unwrap();
    assert_eq!((after.entry_number, after.balance), (2, 300));
    assert_eq!(after.credit_limit, 1_000);
    assert!(decode(&record[..record.len() - 1]).is_err());
    assert!(decode(&[&record[..], &[0]].concat()).is_err());
}
