//! A ledger that grows: its ids go to tables, its state to snapshots, and both come back.

use std::time::Instant;

use engine_embedded::{EmbeddedEngine, EmbeddedOptions, Expected, verify, verify_since};
use journal::faulty::FaultyStorage;
use journal::{FileStorage, Hash, Storage, scan};
use ledger::{Command, TransferId, Unavailable};

use crate::bank::{Bank, deposit, open_account, pend, small, small_overlapping, transfer};

/// So many deposits, twenty to a call.
fn deposit_all<S: Storage>(bank: &Bank<S>, ids: std::ops::Range<u128>) {
    let ids: Vec<_> = ids.collect();
    for ids in ids.chunks(20) {
        let commands = ids.iter().map(|id| deposit(*id, "a", 1)).collect();
        let outcomes = bank.submit(commands).unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.code() == "created"));
    }
}

fn names(storage: &FaultyStorage, kind: &str) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.ends_with(kind));
    names.sort();
    names
}

#[test]
fn a_start_reads_from_the_newest_snapshot_on() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(16, 14));
    bank.open_accounts(&["a"]);
    // Refused, and remembered.
    bank.give(pend(5, "a", 1, 60));
    deposit_all(&bank, 1_000..3_000);
    drop(bank);
    let segments = names(&storage, ".segment").len() as u64;
    assert!(segments > 10);
    let clock = std::sync::Arc::<testkit::ManualClock>::default();
    let opened = EmbeddedEngine::open(storage.clone(), small(16, 14), clock);
    let (engine, recovery) = opened.unwrap();
    // The last segment's first record is what the newest snapshot is before.
    assert_eq!(recovery.from_segment, segments - 1);
    assert_eq!(recovery.journal.segments, segments);
    assert_eq!(engine.transfer_ids_count(), 2_001);
    drop(engine);
    assert_eq!(names(&storage, ".snapshot").len(), 2);
    let verified = verify(storage, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!((verified.snapshots_count, verified.unusable.len()), (2, 0));
    assert!(verified.tables_count > 0);
}

/// What was verified before a head is not read again, and what comes after it is.
#[test]
fn verifying_since_a_head_begins_with_a_snapshot() {
    let storage = FaultyStorage::new(7);
    let bank = Bank::open(storage.clone(), small(16, 14));
    bank.open_accounts(&["a"]);
    deposit_all(&bank, 1_000..3_000);
    drop(bank);
    let (mut heads, mut records_count) = (Vec::new(), 0);
    let scanned = scan(&storage, |visited| {
        records_count += 1;
        if visited.last_in_frame {
            heads.push((visited.frame.sequence, visited.frame.hash));
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let scanned = scanned.unwrap();
    let last = *heads.last().unwrap();
    let verified = verify_since(&storage, last).unwrap().unwrap();
    assert!(verified.is_clean(), "{verified:?}");
    assert_eq!(verified.head, scanned.head);
    assert!(verified.from.number > 5);
    assert_eq!(
        verified.from.head.records + verified.records_count,
        records_count
    );
    assert!(verified.balances.values().all(|sum| *sum == 0));
    // From the snapshot before: then the newest one and later tables are compared.
    let sequence = verified.from.head.sequence - 1;
    let earlier = heads[usize::try_from(sequence).unwrap() - 1];
    let before = verify_since(&storage, earlier).unwrap().unwrap();
    assert!(before.is_clean(), "{before:?}");
    assert!(before.from.number < verified.from.number);
    assert_eq!(before.snapshots_count, 1);
    // Before the oldest snapshot nothing can be begun with.
    assert!(verify_since(&storage, heads[0]).unwrap().is_none());
    // A head that is not this ledger's.
    let other = verify_since(&storage, (last.0, Hash([9; 32])))
        .unwrap()
        .unwrap();
    assert_eq!(other.expected, Expected::Other(last.1));
    let beyond = verify_since(&storage, (last.0 + 1, last.1))
        .unwrap()
        .unwrap();
    assert_eq!(beyond.expected, Expected::Beyond);
    assert!(!other.is_clean() && !beyond.is_clean());
    // Damage before the snapshot is not met, damage behind it is.
    let damaged = storage.copy();
    damaged.flip_bit("0000000001.segment", 8 * 300);
    assert!(verify_since(&damaged, last).unwrap().unwrap().is_clean());
    let name = format!("{:010}.segment", verified.from.number - 1);
    damaged.flip_bit(&name, 8 * 300);
    assert!(verify_since(&damaged, earlier).is_err());
}

/// A folder of a version that kept everything in memory, and one whose tables are gone.
#[test]
fn an_old_folder_gets_tables_and_a_snapshot_at_its_first_start() {
    let storage = FaultyStorage::new(2);
    let bank = Bank::open(storage.clone(), small(16, 14));
    bank.open_accounts(&["a"]);
    deposit_all(&bank, 1_000..3_000);
    drop(bank);
    for name in names(&storage, ".table") {
        storage.remove(&name).unwrap();
    }
    // Once with its snapshots, once without.
    for is_without in [false, true] {
        let storage = storage.copy();
        if is_without {
            for name in names(&storage, ".snapshot") {
                storage.remove(&name).unwrap();
            }
        }
        let bank = Bank::open(storage.clone(), small(16, 14));
        assert!(bank.give(deposit(1_007, "a", 1)).replayed);
        assert_eq!(
            bank.give(deposit(1_008, "a", 2)).code(),
            "exists_with_different_amount"
        );
        assert_eq!(bank.account("a").entry_count, 2_000);
        assert!(bank.transfer(2_999).unwrap().is_some());
        assert_eq!(bank.transfer(3_001), Ok(None));
        drop(bank);
        assert!(!names(&storage, ".table").is_empty());
        assert!(!names(&storage, ".snapshot").is_empty());
        let verified = verify(storage, small(16, 14).journal, true).unwrap();
        assert_eq!(verified.audit.findings, []);
        assert!(verified.tables_count > 0 && verified.snapshots_count > 0);
    }
}

/// With threads, over real files, as a server runs it.
#[test]
fn tables_and_snapshots_are_made_while_the_ledger_works() {
    let folder = tempfile::tempdir().unwrap();
    let storage = || FileStorage::open(folder.path()).unwrap();
    let bank = Bank::open(storage(), small_overlapping(64, 48));
    bank.open_accounts(&["a", "b"]);
    let mut pended = Vec::new();
    for round in 0..20_u128 {
        let first = 10_000 + round * 1_000;
        deposit_all(&bank, first..first + 500);
        for id in first + 500..first + 560 {
            bank.give(pend(id, "a", 1, 3_600));
        }
        pended.push(first + 500);
        if round >= 10 {
            // Those of a segment that is in a table by now, most likely.
            let pending_id = TransferId::from_u128(pended[(round - 10) as usize]);
            let post = Command::Post {
                id: TransferId::from_u128(first + 900),
                pending_id,
                amount: None,
            };
            assert_eq!(bank.give(post).code(), "created");
        }
    }
    drop(bank);
    let bank = Bank::open(storage(), small_overlapping(64, 48));
    assert!(bank.give(deposit(10_000, "a", 1)).replayed);
    assert!(bank.give(pend(11_501, "a", 1, 3_600)).replayed);
    assert_eq!(bank.account("a").debits_pending, 20 * 60 - 10);
    assert_eq!(bank.statement("a", Some(5), 10).unwrap().entries.len(), 4);
    drop(bank);
    let verified = verify(storage(), small(64, 48).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert!(verified.snapshots_count > 0 && verified.tables_count > 0);
    assert_eq!(verified.unusable, Vec::<String>::new());
}

/// A post leads to its pending transfer although that one is long in a table, and the other way
/// round.
#[test]
fn a_pending_transfer_in_a_table_is_ended_and_found() {
    let storage = FaultyStorage::new(4);
    let bank = Bank::open(storage.clone(), small(16, 14));
    bank.open_accounts(&["a", "b"]);
    bank.give(deposit(1, "a", 100));
    bank.give(pend(2, "a", 30, 0));
    deposit_all(&bank, 1_000..2_000);
    assert!(!names(&storage, ".table").is_empty());
    let pending_id = TransferId::from_u128(2);
    let post = Command::Post {
        id: TransferId::from_u128(3),
        pending_id,
        amount: Some(10),
    };
    assert_eq!(bank.give(post.clone()).code(), "created");
    let before = bank.transfer(2).unwrap();
    deposit_all(&bank, 2_000..3_000);
    assert_eq!(bank.transfer(2).unwrap(), before);
    assert!(bank.give(post).replayed);
    let again = Command::Void {
        id: TransferId::from_u128(4),
        pending_id,
    };
    assert_eq!(bank.give(again).code(), "pending_already_posted");
    drop(bank);
    let verified = verify(storage, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
}

/// Calls that need the damaged page are refused until it is made anew; then they are answered as
/// ever.
#[test]
fn a_damaged_table_is_made_anew_while_the_ledger_goes_on() {
    let storage = FaultyStorage::new(5);
    let bank = Bank::open(storage.clone(), small(16, 14));
    bank.open_accounts(&["a"]);
    deposit_all(&bank, 1_000..1_600);
    let name = names(&storage, ".table").remove(0);
    storage.flip_bit(&name, 8 * 24 + 3);
    assert_eq!(bank.transfer(1_000), Err(Unavailable::StorageDamaged));
    let again = bank.submit(vec![deposit(1_000, "a", 1)]);
    assert_eq!(again.unwrap_err(), Unavailable::StorageDamaged);
    // With the next segment the keeper comes to it.
    deposit_all(&bank, 5_000..5_200);
    assert!(bank.transfer(1_000).unwrap().is_some());
    assert!(bank.give(deposit(1_000, "a", 1)).replayed);
    drop(bank);
    let verified = verify(storage, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!(verified.unusable, Vec::<String>::new());
}

/// An opening takes a snapshot before the journal has its next segment. What there was of one that had
/// no room is removed, wherever the machine stops: the journal goes on.
#[test]
fn a_crash_of_a_snapshot_without_room_leaves_room_for_the_journal() {
    let grown = FaultyStorage::new(8);
    let without_snapshots = EmbeddedOptions {
        snapshot_bytes: u64::MAX,
        ..small(64, 48)
    };
    let bank = Bank::open(grown.clone(), without_snapshots);
    bank.open_accounts(&["a"]);
    let ids: Vec<_> = (0..4_500).map(|number| format!("users:{number}")).collect();
    for ids in ids.chunks(5) {
        let commands = ids.iter().map(|id| open_account(id, 1)).collect();
        assert!(
            bank.submit(commands)
                .unwrap()
                .iter()
                .all(|outcome| outcome.code() == "created")
        );
    }
    drop(bank);
    grown.remove("spare").unwrap();
    let segments_count = names(&grown, ".segment").len();
    // For a segment and a small table, not for a snapshot.
    let capacity = Some(used_bytes(&grown) + (90 << 10));
    let options = EmbeddedOptions {
        snapshot_bytes: 64 << 10,
        ..small(64, 48)
    };
    let open = |storage: &FaultyStorage| {
        storage.set_capacity(capacity);
        let clock = std::sync::Arc::<testkit::ManualClock>::default();
        EmbeddedEngine::open(storage.clone(), options.clone(), clock)
    };
    let quiet = grown.copy();
    drop(open(&quiet).unwrap());
    let log = quiet.operation_log();
    assert!(log.iter().any(|done| done.file == "snapshot.partial"));
    assert_eq!(names(&quiet, ".snapshot"), [""; 0]);
    for number in 0..=quiet.operations() {
        let storage = grown.copy();
        storage.crash_after_operation(number);
        drop(open(&storage));
        let storage = match number % 2 {
            0 => storage.crash(),
            _ => storage.kill(),
        };
        storage.set_capacity(capacity);
        let bank = Bank::open(storage.clone(), options.clone());
        assert_eq!(bank.account("users:4499").credit_limit(), Some(1));
        let mut ids = 1..;
        while names(&storage, ".segment").len() == segments_count {
            let commands = ids.by_ref().take(5).map(|id| deposit(id, "a", 1)).collect();
            bank.submit(commands).unwrap();
        }
        drop(bank);
        assert_eq!(storage.bytes("snapshot.partial"), None, "{number}");
    }
}

fn used_bytes(storage: &FaultyStorage) -> u64 {
    let names = storage.list().unwrap();
    let bytes = |name: &String| storage.bytes(name).unwrap().len() as u64;
    names.iter().map(bytes).sum()
}

/// What is kept beside the journal is owed on a full disk; the ledger goes on as long as the journal
/// itself has room.
#[test]
fn a_full_disk_is_no_reason_to_stop() {
    let storage = FaultyStorage::new(6);
    let options = EmbeddedOptions {
        snapshot_bytes: 64 << 10,
        ..small(64, 48)
    };
    let bank = Bank::open(storage.clone(), options.clone());
    bank.open_accounts(&["a"]);
    deposit_all(&bank, 1_000..2_000);
    // The spare is there: one more segment can begin, and nothing else has room.
    storage.set_capacity(Some(used_bytes(&storage) + 1_000));
    let tables = names(&storage, ".table").len();
    deposit_all(&bank, 2_000..2_600);
    assert_eq!(names(&storage, ".table").len(), tables);
    assert!(bank.give(deposit(2_500, "a", 1)).replayed);
    storage.set_capacity(None);
    deposit_all(&bank, 3_000..4_000);
    assert!(names(&storage, ".table").len() > tables);
    assert!(bank.give(transfer(1_500, "world:BRL", "a", 1)).replayed);
    let started = Instant::now();
    drop(bank);
    let verified = verify(storage, options.journal, true).unwrap();
    assert_eq!(verified.audit.findings, [], "{:?}", started.elapsed());
}
