//! Every command and every outcome comes back as it was, and the bytes are the definition's.

use std::collections::BTreeSet;

use ledger::{Batch, CommandKind, Refusal};
use proto::{Message, submit, v1};
use testkit::Seeds;

use crate::history::history;

#[test]
fn what_is_submitted_and_answered_comes_back_as_it_was() {
    let mut seen = BTreeSet::new();
    for seed in Seeds::from_env(2) {
        for (batches, outcomes) in history(seed, 1_800).calls {
            let mut request = Vec::new();
            submit::write_request(&batches, &mut request);
            let read = submit::read_request(&request).unwrap();
            assert_eq!(read, batches, "LASTRO_SEED={seed}");

            let mut response = Vec::new();
            submit::write_response(&outcomes, &mut response);
            let read = submit::read_response(&response, batches.clone()).unwrap();
            assert_eq!(read, outcomes, "LASTRO_SEED={seed}");

            let commands = batches.iter().flat_map(Batch::commands);
            for (command, outcome) in commands.zip(outcomes.iter().flatten()) {
                seen.extend([command.name(), outcome.code()]);
            }
        }
    }
    // Only a lease of a node that dispatches has this, and that is not on the wire.
    let codes = Refusal::CODES
        .iter()
        .filter(|code| **code != "payment_under_way");
    for expected in CommandKind::ALL.map(CommandKind::name).iter().chain(codes) {
        assert!(seen.contains(expected), "{expected} did not occur");
    }
}

#[test]
fn the_bytes_are_those_of_the_generated_messages() {
    for seed in Seeds::from_env(1) {
        for (batches, outcomes) in history(seed, 1_000).calls {
            let mut request = Vec::new();
            submit::write_request(&batches, &mut request);
            let message = v1::SubmitRequest {
                batches: batches.iter().map(Into::into).collect(),
            };
            assert_eq!(request, message.encode_to_vec(), "LASTRO_SEED={seed}");
            let generated = v1::SubmitRequest::decode(&*request).unwrap();
            let read: Result<Vec<Batch>, _> =
                generated.batches.into_iter().map(Batch::try_from).collect();
            assert_eq!(read.unwrap(), batches);

            let mut response = Vec::new();
            submit::write_response(&outcomes, &mut response);
            let of_batch = |outcomes: &Vec<_>| v1::Outcomes {
                outcomes: outcomes.iter().map(Into::into).collect(),
            };
            let message = v1::SubmitResponse {
                batches: outcomes.iter().map(of_batch).collect(),
            };
            assert_eq!(response, message.encode_to_vec(), "LASTRO_SEED={seed}");
        }
    }
}

#[test]
fn messages_one_after_the_other_are_one_and_come_apart_again() {
    let calls = history(1, 50).calls;
    let (mut request, mut response, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    for (submitted, outcomes) in &calls {
        submit::write_request(submitted, &mut request);
        submit::write_response(outcomes, &mut response);
        batches.extend(submitted.clone());
    }
    assert_eq!(submit::read_request(&request).unwrap(), batches);
    let mut rest = &response[..];
    for (submitted, outcomes) in calls {
        let size = submit::response_size(rest, submitted.len()).unwrap();
        let (part, after) = rest.split_at(size);
        assert_eq!(submit::read_response(part, submitted).unwrap(), outcomes);
        rest = after;
    }
    assert!(rest.is_empty());
}

#[test]
fn a_batch_takes_no_more_on_the_wire_than_it_says() {
    for (batches, _) in history(3, 600).calls {
        let mut request = Vec::new();
        submit::write_request(&batches, &mut request);
        let said: usize = batches.iter().map(Batch::size_bytes).sum();
        // And what stands around each batch.
        assert!(request.len() <= said + 32 * batches.len());
    }
}
