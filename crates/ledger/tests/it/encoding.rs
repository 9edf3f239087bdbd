//! What is written stays readable: the encoding of commands and events has not changed.
//!
//! `encoding.hex` holds one line for each sample. New variants add lines (`LASTRO_UPDATE_GOLDEN=1`
//! writes them); a line that would change means that journals written before could not be read any more.

use std::fmt::{Debug, Write};

use ledger::{Command, CommandKind, Digest, Event, PaymentId, TransferId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples::{commands, events};

/// Where each event has its place among the samples; a new variant does not compile without.
const fn name(event: &Event) -> &'static str {
    match event {
        Event::Transfer(_) => "transfer",
        Event::AccountOpened { .. } => "account_opened",
        Event::LimitChanged { .. } => "limit_changed",
        Event::AccountClosed { .. } => "account_closed",
        Event::PaymentAccepted(_) => "payment_accepted",
        Event::PaymentSent(_) => "payment_sent",
        Event::PaymentReleased(_) => "payment_released",
        Event::PaymentSettled { .. } => "payment_settled",
        Event::PaymentRefused(_) => "payment_refused",
        Event::PaymentsPurged { .. } => "payments_purged",
        Event::Refused { .. } => "refused",
        Event::Batch(_) => "batch",
        Event::PaymentResolved(_) => "payment_resolved",
        Event::FreezeChanged { .. } => "freeze_changed",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn check_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(sample: &T) {
    let bytes = postcard::to_allocvec(sample).unwrap();
    let (read, rest) = postcard::take_from_bytes::<T>(&bytes).unwrap();
    assert_eq!(read, *sample);
    assert!(rest.is_empty(), "{sample:?} left {} bytes", rest.len());
    for length in 0..bytes.len() {
        assert!(
            postcard::from_bytes::<T>(&bytes[..length]).is_err(),
            "{sample:?} cut at {length}"
        );
    }
}

#[test]
fn every_command_and_event_is_read_as_it_was_written() {
    commands().iter().for_each(check_round_trip);
    events().iter().for_each(check_round_trip);
}

#[test]
fn every_command_has_a_sample() {
    let mut kinds: Vec<_> = commands().iter().map(Command::kind).collect();
    kinds.dedup();
    assert_eq!(kinds, CommandKind::ALL);
}

#[test]
fn every_event_has_a_sample() {
    let mut names: Vec<_> = events().iter().map(name).collect();
    names.dedup();
    assert_eq!(names.len(), 14, "{names:?}");
}

#[test]
fn the_encoding_has_not_changed() {
    let mut now = String::new();
    for command in commands() {
        let bytes = postcard::to_allocvec(&command).unwrap();
        writeln!(now, "command {} {}", command.name(), hex(&bytes)).unwrap();
    }
    for event in events() {
        let bytes = postcard::to_allocvec(&event).unwrap();
        writeln!(now, "event {} {}", name(&event), hex(&bytes)).unwrap();
    }
    let digest = Digest::of(&commands()[..4]);
    writeln!(now, "digest of the first 4 commands {}", hex(&digest.0)).unwrap();
    let transfer_id = TransferId::of_payment(PaymentId::from_u128(1));
    writeln!(now, "transfer of payment 1 {transfer_id}").unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/encoding.hex");
    let golden = std::fs::read_to_string(path).unwrap();
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        let mut new = now.lines();
        let is_kept = golden.lines().all(|line| new.any(|new| new == line));
        assert!(
            is_kept,
            "a line of encoding.hex would change: nothing is written"
        );
        std::fs::write(path, &now).unwrap();
        return;
    }
    for (number, (golden, now)) in golden.lines().zip(now.lines()).enumerate() {
        assert_eq!(
            golden,
            now,
            "line {} of encoding.hex has changed",
            number + 1
        );
    }
    assert_eq!(golden, now, "encoding.hex lacks the new samples");
}
