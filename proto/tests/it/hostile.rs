//! Whatever the bytes are, reading them answers, and it answers what the generated code does.

use ledger::{Batch, Command, Outcome};
use proptest::prelude::*;
use proto::{Invalid, Message, submit, v1};

use crate::history::history;

fn generated(bytes: &[u8]) -> Option<Vec<Batch>> {
    let message = v1::SubmitRequest::decode(bytes).ok()?;
    let batches = message.batches.into_iter().map(Batch::try_from);
    batches.collect::<Result<_, _>>().ok()
}

/// What the generated code reads of the answers that are read by hand, in order.
fn generated_moves(bytes: &[u8]) -> Vec<v1::Moved> {
    let message = v1::SubmitResponse::decode(bytes).unwrap();
    let outcomes = message.batches.into_iter().flat_map(|batch| batch.outcomes);
    outcomes.filter_map(|outcome| moved(&outcome)).collect()
}

fn moves(outcomes: &[Vec<Outcome>]) -> Vec<v1::Moved> {
    let messages = outcomes.iter().flatten().map(v1::Outcome::from);
    messages.filter_map(|outcome| moved(&outcome)).collect()
}

fn moved(outcome: &v1::Outcome) -> Option<v1::Moved> {
    match outcome.result {
        Some(v1::outcome::Result::Moved(moved)) => Some(moved),
        _ => None,
    }
}

fn sample() -> (Vec<u8>, Vec<Batch>, Vec<u8>) {
    let (mut request, mut response, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    for (submitted, outcomes) in history(5, 12).calls {
        submit::write_request(&submitted, &mut request);
        submit::write_response(&outcomes, &mut response);
        batches.extend(submitted);
    }
    (request, batches, response)
}

/// The key of an entry of a transfer's metadata: field 8, of the wire type of messages.
const METADATA_KEY: u8 = 8 << 3 | 2;

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(submit::read_request(&bytes).ok(), generated(&bytes));
        let _ = submit::read_response(&bytes, Vec::new());
        let _ = submit::response_size(&bytes, 3);
    }

    #[test]
    fn damaged_messages_are_read_as_the_generated_code_reads_them(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut request, batches, mut response) = sample();
        let same_response = |bytes: &[u8]| {
            if let Ok(outcomes) = submit::read_response(bytes, batches.clone()) {
                prop_assert_eq!(moves(&outcomes), generated_moves(bytes));
            }
            Ok(())
        };
        let at = place.index(request.len());
        // The generated code takes an entry of a map for one whatever its wire type: there the reader is stricter.
        prop_assume!(request[at] != METADATA_KEY || byte >> 3 != METADATA_KEY >> 3);
        request[at] = byte;
        prop_assert_eq!(submit::read_request(&request).ok(), generated(&request));
        request.truncate(cut.index(request.len()));
        prop_assert_eq!(submit::read_request(&request).ok(), generated(&request));
        let at = place.index(response.len());
        response[at] = byte;
        same_response(&response)?;
        response.truncate(cut.index(response.len()));
        same_response(&response)?;
    }
}

#[test]
fn fields_of_tomorrow_are_passed_over_and_known_ones_must_be_as_they_are() {
    let batch = |extra: &[u8]| {
        let purge = v1::command::Command::PurgePayments(v1::PurgePayments::default());
        let command = v1::Command {
            command: Some(purge),
        };
        let batch = v1::Batch {
            commands: vec![command],
            atomic_id: Vec::new(),
        };
        let mut bytes = v1::SubmitRequest {
            batches: vec![batch],
        }
        .encode_to_vec();
        bytes.extend_from_slice(extra);
        let read = submit::read_request(&bytes).ok();
        assert_eq!(read, generated(&bytes), "{extra:?}");
        read.is_some()
    };
    // A number, a text and a group in fields 2 to 4.
    assert!(batch(&[0x10, 1]));
    assert!(batch(&[0x1a, 1, b'x']));
    assert!(batch(&[0x23, 0x08, 1, 0x24]));
    // The batches as a number; a field's number that is 0, and one past 2^29 - 1.
    assert!(!batch(&[0x08, 1]));
    assert!(!batch(&[0x02, 0]));
    assert!(!batch(&[0x80, 0x80, 0x80, 0x80, 0x10, 1]));
    // The end of a group that did not begin.
    assert!(!batch(&[0x24]));
}

fn refused(command: v1::command::Command) -> Invalid {
    let command = Some(command);
    Command::try_from(v1::Command { command }).unwrap_err()
}

#[test]
fn what_the_ledger_cannot_say_is_named() {
    use v1::command::Command as Kind;
    let transfer = v1::MoveMoney {
        id: vec![1; 16],
        debit_account_id: "a".to_owned(),
        credit_account_id: "b".to_owned(),
        amount: 1,
        description: "x".to_owned(),
        ..v1::MoveMoney::default()
    };
    let changed = |change: fn(&mut v1::MoveMoney)| {
        let mut transfer = transfer.clone();
        change(&mut transfer);
        refused(Kind::Transfer(transfer))
    };
    assert_eq!(changed(|t| t.id = vec![1; 15]), Invalid::Id("id"));
    assert_eq!(changed(|t| t.id.clear()), Invalid::Id("id"));
    assert_eq!(changed(|t| t.reference = vec![1]), Invalid::Id("reference"));
    let too_long = changed(|t| t.reference_text = "x".repeat(129));
    assert_eq!(too_long, Invalid::ReferenceText);
    let both = changed(|t| {
        t.reference = vec![1; 16];
        t.reference_text = "x".to_owned();
    });
    assert_eq!(both, Invalid::TwoReferences);
    let text = |text: &str| text.to_owned();
    for (name, value) in [("", "x"), ("a", "\n"), ("a", &*"x".repeat(1_000))] {
        let metadata = [(text(name), text(value))].into();
        let transfer = v1::MoveMoney {
            metadata,
            ..transfer.clone()
        };
        assert_eq!(refused(Kind::Transfer(transfer)), Invalid::Metadata);
    }
    let debit = Invalid::AccountId("debit_account_id");
    assert_eq!(changed(|t| t.debit_account_id = "a b".to_owned()), debit);
    let missing = Invalid::Missing("transfer");
    assert_eq!(refused(Kind::Pend(v1::Pend::default())), missing);
    let open = v1::OpenAccount {
        id: "a".to_owned(),
        currency: "XXQ".to_owned(),
        credit_limit: 0,
    };
    assert_eq!(refused(Kind::OpenAccount(open)), Invalid::Currency);
    let mut settle = v1::SettlePayment {
        id: vec![1; 16],
        ..v1::SettlePayment::default()
    };
    assert_eq!(
        refused(Kind::SettlePayment(settle.clone())),
        Invalid::Missing("expected")
    );
    settle.expected = Some(v1::PaymentExpected {
        state: 77,
        attempt: 0,
    });
    assert_eq!(
        refused(Kind::SettlePayment(settle.clone())),
        Invalid::Unknown("state")
    );
    settle.expected = Some(v1::PaymentExpected {
        state: v1::PaymentStateName::Sent.into(),
        attempt: 1,
    });
    settle.requested_at_ms = i64::MAX.cast_unsigned() + 1;
    assert_eq!(
        refused(Kind::SettlePayment(settle)),
        Invalid::Time("requested_at_ms")
    );
    let resolve = |kind, who: &str, why: &str| {
        let expected = Some(v1::PaymentExpected {
            state: v1::PaymentStateName::Sent.into(),
            attempt: 1,
        });
        refused(Kind::ResolvePayment(v1::ResolvePayment {
            id: vec![1; 16],
            expected,
            kind,
            requested_at_ms: 0,
            who: who.to_owned(),
            why: why.to_owned(),
        }))
    };
    assert_eq!(resolve(1, "", "x"), Invalid::Note("who"));
    assert_eq!(resolve(2, "ana", "a\nb"), Invalid::Note("why"));
    assert_eq!(resolve(3, "ana", &"x".repeat(141)), Invalid::Note("why"));
    assert_eq!(resolve(0, "ana", "x"), Invalid::Unknown("kind"));
    assert_eq!(resolve(4, "ana", "x"), Invalid::Unknown("kind"));
    let nothing = Command::try_from(v1::Command::default());
    assert_eq!(nothing.unwrap_err(), Invalid::Missing("command"));
}

#[test]
fn a_batch_has_its_bounds() {
    let purge = v1::command::Command::PurgePayments(v1::PurgePayments::default());
    let command = v1::Command {
        command: Some(purge),
    };
    let read = |counts: &[usize]| {
        let batch = |count: &usize| v1::Batch {
            commands: vec![command.clone(); *count],
            atomic_id: Vec::new(),
        };
        let batches = counts.iter().map(batch).collect();
        submit::read_request(&v1::SubmitRequest { batches }.encode_to_vec())
    };
    assert_eq!(read(&[0]), Err(Invalid::Batch));
    assert_eq!(read(&[8_191]), Err(Invalid::Batch));
    assert_eq!(read(&[8_190; 9]), Err(Invalid::Request));
    assert_eq!(read(&[8_190, 1]).unwrap().len(), 2);
}

#[test]
fn answers_of_another_shape_are_refused() {
    let (_, batches, response) = sample();
    let fewer = submit::read_response(&response, batches[1..].to_vec());
    assert!(fewer.is_err());
    let mut more = batches.clone();
    more.extend(batches);
    assert_eq!(
        submit::read_response(&response, more).unwrap_err(),
        Invalid::Shape
    );
}
