//! Damage that is met at the opening, and damage that a read meets later.

use std::sync::Arc;

use engine_embedded::{EmbeddedEngine, EmbeddedOptions, OpenError, verify};
use journal::faulty::FaultyStorage;
use ledger::{Command, TransferId, Unavailable};
use testkit::ManualClock;

use crate::bank::{Bank, deposit, pend, small};

/// A bank over several small segments, with the damage in the record of `transfer <id>`.
fn damage_record(storage: &FaultyStorage, id: u128) -> (String, usize) {
    let text = format!("transfer {id}");
    for number in 0.. {
        let file = format!("{number:010}.segment");
        let bytes = storage.bytes(&file).expect("a segment with that record");
        let found = bytes.windows(text.len()).position(|w| w == text.as_bytes());
        if let Some(offset) = found {
            storage.flip_bit(&file, offset as u64 * 8 + 3);
            return (file, offset);
        }
    }
    unreachable!("the numbers never end")
}

fn bank_of(storage: &FaultyStorage, deposits: u128) -> Bank<FaultyStorage> {
    bank_with(storage, deposits, small(16, 12))
}

fn bank_with(
    storage: &FaultyStorage,
    deposits: u128,
    options: EmbeddedOptions,
) -> Bank<FaultyStorage> {
    let bank = Bank::open(storage.clone(), options);
    bank.open_accounts(&["a", "b"]);
    for id in 1_001..=1_000 + deposits {
        bank.give(deposit(id, if id % 2 == 0 { "b" } else { "a" }, 1));
    }
    bank
}

/// From a snapshot on the journal is read at the opening. What is damaged before it is met by the
/// reads that need it, and by `verify`.
#[test]
fn damage_before_a_snapshot_is_met_by_reads_and_by_verify() {
    let storage = FaultyStorage::new(1);
    drop(bank_of(&storage, 200));
    let (file, offset) = damage_record(&storage, 1_010);
    let bank = Bank::open(storage.clone(), small(16, 12));
    assert_eq!(bank.transfer(1_010), Err(Unavailable::StorageDamaged));
    assert!(bank.transfer(1_009).unwrap().is_some());
    assert_eq!(bank.account("b").entry_count, 100);
    // The same id again is neither a new transfer nor the old one.
    let again = bank.submit(vec![deposit(1_010, "b", 1)]);
    assert_eq!(again.unwrap_err(), Unavailable::StorageDamaged);
    assert_eq!(bank.give(deposit(1_900, "b", 1)).code(), "created");
    drop(bank);
    let told = verify(storage, small(16, 12).journal, true).unwrap_err();
    let journal::OpenError::Damaged {
        file: told,
        offset: told_offset,
        ..
    } = told
    else {
        panic!("{told}");
    };
    assert_eq!(told, file);
    assert!(told_offset <= offset as u64);
}

#[test]
fn damage_in_a_sealed_segment_stops_the_opening_and_changes_nothing() {
    let storage = FaultyStorage::new(1);
    let no_snapshots = EmbeddedOptions {
        snapshot_bytes: u64::MAX,
        ..small(16, 12)
    };
    drop(bank_with(&storage, 200, no_snapshots));
    let (file, offset) = damage_record(&storage, 1_010);
    let names = [
        "0000000000.segment",
        "0000000001.segment",
        "0000000002.segment",
    ];
    let bytes = names.map(|name| storage.bytes(name).unwrap());
    let operations = storage.operations();
    let opened = EmbeddedEngine::open(
        storage.clone(),
        small(16, 12),
        Arc::<ManualClock>::default(),
    );
    let Err(error @ OpenError::Journal(journal::OpenError::Damaged { .. })) = opened else {
        panic!("damage must be told");
    };
    let text = error.to_string();
    let told = text.split_once("is damaged at byte ").expect(&text);
    assert_eq!(told.0.trim(), file);
    let told_offset: usize = told.1.split(':').next().unwrap().parse().unwrap();
    assert!(
        told_offset <= offset && offset - told_offset < 12 << 10,
        "{text}"
    );
    assert!(text.contains("restore this file from a backup"), "{text}");
    assert_eq!(storage.operations(), operations);
    assert_eq!(names.map(|name| storage.bytes(name).unwrap()), bytes);
}

#[test]
fn damage_met_by_a_read_refuses_that_call_only() {
    let storage = FaultyStorage::new(1);
    let bank = bank_of(&storage, 100);
    damage_record(&storage, 1_011);
    let damaged = Unavailable::StorageDamaged;
    assert_eq!(bank.transfer(1_011), Err(damaged));
    assert_eq!(bank.statement("a", None, 1_000).unwrap_err(), damaged);
    assert_eq!(bank.submit(vec![deposit(1_011, "a", 1)]), Err(damaged));
    // The same account beside it, other accounts, other ids, new work.
    assert_eq!(bank.statement("a", None, 40).unwrap().entries.len(), 40);
    assert_eq!(bank.statement("a", Some(6), 9).unwrap_err(), damaged);
    assert_eq!(bank.statement("b", None, 1_000).unwrap().entries.len(), 50);
    assert!(bank.transfer(1_013).unwrap().is_some());
    assert_eq!(bank.give(deposit(1_013, "a", 1)).code(), "exists");
    assert_eq!(bank.give(deposit(5_000, "a", 1)).code(), "created");
    assert_eq!(bank.account("a").balance(), 51);
}

/// "Nothing done" is only said where it is true.
#[test]
fn what_came_before_the_damage_in_one_batch_is_not_called_undone() {
    let storage = FaultyStorage::new(1);
    let bank = bank_of(&storage, 100);
    damage_record(&storage, 1_011);
    let batch = vec![
        deposit(5_000, "a", 1),
        deposit(1_011, "a", 1),
        deposit(5_001, "a", 1),
    ];
    let answer = bank.submit(batch.clone()).unwrap_err();
    assert!(!answer.nothing_done(), "{answer}");
    assert!(bank.transfer(5_000).unwrap().is_some());
    assert_eq!(bank.transfer(5_001), Ok(None));
    // Asked again nothing new is done, and that is said.
    assert_eq!(bank.submit(batch), Err(Unavailable::StorageDamaged));
    assert_eq!(bank.account("a").balance(), 51);
}

#[test]
fn a_pending_transfer_that_cannot_be_read_holds_up_nobody_else() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(16, 12));
    bank.open_accounts(&["a", "b"]);
    bank.give(deposit(1, "a", 100));
    bank.give(pend(77_001, "a", 60, 1));
    bank.give(pend(77_002, "a", 5, 1));
    bank.give(pend(77_003, "a", 1, 0));
    damage_record(&storage, 77_001);
    bank.clock.advance_ns(3_000_000_000);
    let post = |id: u128, pending: u128| Command::Post {
        id: TransferId::from_u128(id),
        pending_id: TransferId::from_u128(pending),
        amount: None,
    };
    assert_eq!(bank.give(deposit(2, "b", 1)).code(), "created");
    // The other one has expired; what cannot be read stays reserved.
    let account = bank.account("a");
    assert_eq!(
        (account.debits_pending, account.available()),
        (61, Some(39))
    );
    assert_eq!(
        bank.submit(vec![post(3, 77_001)]),
        Err(Unavailable::StorageDamaged)
    );
    assert_eq!(bank.give(post(4, 77_002)).code(), "pending_expired");
    assert_eq!(bank.give(post(5, 77_003)).code(), "created");
    assert_eq!(bank.account("a").balance(), 99);
}
