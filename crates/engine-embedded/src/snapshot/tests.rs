//! Snapshots over a storage that loses, tears and fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use journal::{Storage, read_segment_start};
use ledger::{
    Account, AccountId, Currency, Limit, Millis, Payment, PaymentId, PaymentState, ProcessorName,
    Timestamp,
};
use parking_lot::RwLock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use super::layout::{PARTIAL, file_name};
use super::read::{load, numbers};
use super::{Begun, SnapshotSums, Taker, newest};
use crate::accounts::Kept;
use crate::beside::Stop;
use crate::books::{Books, CHECKPOINT_ENTRIES, OpenPayment};
use crate::ids::segments_of;
use crate::sums::SumLayers;

use journal::Address;

fn address(random: &mut StdRng) -> Option<Address> {
    Address::from_u64(random.random_range(0..1 << 40))
}

fn kept(random: &mut StdRng, entry_count: u64) -> Kept {
    let limit = if random.random() {
        Limit::Credit(random.random_range(0..1 << 40))
    } else {
        Limit::Unlimited
    };
    let currency = Currency::new("BRL").unwrap();
    let mut account = Account::new(currency, limit, Timestamp::from_nanos(random.random()));
    account.entry_count = entry_count;
    account.credits_posted = random.random();
    Kept {
        account,
        last_entry: address(random),
        opened: address(random),
    }
}

fn account_id(number: usize) -> AccountId {
    AccountId::new(&format!("users:{number}")).unwrap()
}

fn payment(random: &mut StdRng, number: u128) -> OpenPayment {
    let payment = Payment {
        id: PaymentId::from_u128(number),
        account_id: random.random::<bool>().then(|| account_id(1)),
        currency: Currency::new("BRL").unwrap(),
        amount: random.random_range(1..1_000),
        description: "payment".into(),
        state: PaymentState::Accepted,
        attempt: 0,
        accepted_at: Timestamp::from_nanos(u64::try_from(number).unwrap() * 1_000),
        timestamp: Timestamp::from_nanos(7),
        notes: ledger::Notes::NONE,
    };
    OpenPayment {
        payment,
        resolution: address(random),
    }
}

fn books(random: &mut StdRng, accounts_count: usize) -> Books {
    let mut books = Books::default();
    for number in 0..accounts_count {
        let entry_count = random.random_range(0..5_000);
        let kept = kept(random, entry_count);
        books.accounts.push(account_id(number), kept);
        let checkpoints: Vec<_> = (0..entry_count / CHECKPOINT_ENTRIES)
            .map(|_| Address::from_u64(random.random_range(1..1 << 40)).unwrap())
            .collect();
        if !checkpoints.is_empty() {
            books
                .checkpoints
                .insert(u32::try_from(number).unwrap(), checkpoints);
        }
    }
    for number in 0..random.random_range(0..1_500) {
        books.payments.insert(payment(random, number));
    }
    books.summary.layers = SumLayers::empty((0, 1));
    books.purges = vec![Timestamp::from_nanos(3)];
    books.transfer_ids_count = random.random();
    books
}

fn taker(storage: &FaultyStorage, books: Books) -> Taker<FaultyStorage> {
    Taker {
        storage: Arc::new(storage.clone()),
        books: Arc::new(RwLock::new(books)),
        stop: Stop::default(),
    }
}

/// Takes a snapshot before this segment.
fn take(taker: &Taker<FaultyStorage>, segment: u64) -> std::io::Result<u64> {
    let start = read_segment_start(&*taker.storage, segment)?.unwrap();
    let begun = Begun::of(&mut taker.books.write(), start, Timestamp::from_nanos(9));
    taker.take(begun, || Ok(None))
}

/// What is there is the books, though they have changed since.
#[test]
fn a_snapshot_is_of_the_moment_it_was_begun() {
    for seed in Seeds::from_env(6) {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        let _journal = segments_of(&storage, 2);
        let original = books(&mut random, 3_000);
        let again = books(&mut StdRng::seed_from_u64(seed), 3_000);
        assert_eq!(original.differs_from(&again), None, "the same seed");
        let taker = Arc::new(taker(&storage, original));
        let start = read_segment_start(&storage, 2).unwrap().unwrap();
        let begun = Begun::of(&mut taker.books.write(), start, Timestamp::from_nanos(9));
        let changing = {
            let (taker, mut random) = (Arc::clone(&taker), random.clone());
            std::thread::spawn(move || {
                for step in 0..400_u64 {
                    let mut books = taker.books.write();
                    for _ in 0..20 {
                        let slot = random.random_range(0..3_000);
                        let changed = kept(&mut random, 5_000);
                        books.accounts.set(slot, changed);
                        let address = Address::from_u64(step + 1).unwrap();
                        books.checkpoints.get_or_default(slot).push(address);
                    }
                    let new = account_id(10_000 + usize::try_from(step).unwrap());
                    let opened = kept(&mut random, 0);
                    books.accounts.push(new, opened);
                    let number = random.random_range(0..3_000_u128);
                    let mut changed = payment(&mut random, number);
                    if random.random() {
                        let processor = ProcessorName::new("default").unwrap();
                        let requested_at = Millis(step);
                        changed.payment.state = PaymentState::Settled {
                            processor,
                            requested_at,
                        };
                    }
                    books.payments.insert(changed);
                }
            })
        };
        taker.take(begun, || Ok(None)).unwrap();
        changing.join().unwrap();
        let snapshot = newest(&storage.crash()).unwrap().0.unwrap();
        assert_eq!(snapshot.start, start);
        assert_eq!(snapshot.newest, Timestamp::from_nanos(9));
        assert_eq!(snapshot.sums, SnapshotSums::InTables { first: 0, end: 1 });
        assert_eq!(snapshot.books.differs_from(&again), None);
    }
}

/// Wherever the machine stops, the newest whole snapshot is one of those that were taken.
#[test]
fn every_operation_of_taking_one_is_a_crash_point() {
    let before = FaultyStorage::new(5);
    drop(segments_of(&before, 4));
    let run = |storage: &FaultyStorage| {
        let taker = taker(storage, books(&mut StdRng::seed_from_u64(1), 600));
        (1..=4).try_for_each(|segment| take(&taker, segment).map(drop))
    };
    let quiet = before.copy();
    run(&quiet).unwrap();
    assert_eq!(numbers(&quiet).unwrap(), [3, 4]);
    let expected = books(&mut StdRng::seed_from_u64(1), 600);
    for number in 0..quiet.operations() {
        let storage = before.copy();
        storage.crash_after_operation(number);
        // A removal of an old one that fails is no failure of the new one.
        assert!(run(&storage).is_err() || storage.is_stopped());
        let storage = storage.crash();
        if let Some(snapshot) = newest(&storage).unwrap().0 {
            assert_eq!(snapshot.books.differs_from(&expected), None);
        }
        // None of those that are there is broken: what is not whole has no name.
        for segment in numbers(&storage).unwrap() {
            assert!(load(&storage, segment).unwrap().is_some(), "after {number}");
        }
        run(&storage).unwrap();
        let snapshot = newest(&storage).unwrap().0.unwrap();
        assert_eq!(snapshot.start.number, 4);
        assert_eq!(storage.bytes("snapshot.partial"), None);
    }
}

#[test]
fn a_damaged_one_is_passed_over_for_the_one_before() {
    let mut random = StdRng::seed_from_u64(8);
    let storage = FaultyStorage::new(8);
    drop(segments_of(&storage, 3));
    let taker = taker(&storage, books(&mut random, 500));
    take(&taker, 2).unwrap();
    take(&taker, 3).unwrap();
    let bits = storage.bytes(&file_name(3)).unwrap().len() as u64 * 8;
    for _ in 0..300 {
        let damaged = storage.copy();
        let bit = random.random_range(0..bits);
        damaged.flip_bit(&file_name(3), bit);
        let (snapshot, useless) = newest(&damaged).unwrap();
        assert_eq!(snapshot.unwrap().start.number, 2, "bit {bit}");
        assert_eq!(useless, [file_name(3)]);
    }
    for length in [0, 1, 127, 128, 200, bits / 8 - 1] {
        let torn = storage.copy();
        let length = usize::try_from(length).unwrap();
        torn.alter(&file_name(3), |bytes| bytes.truncate(length));
        assert_eq!(newest(&torn).unwrap().0.unwrap().start.number, 2);
    }
    let longer = storage.copy();
    longer.alter(&file_name(3), |bytes| bytes.push(0));
    assert_eq!(newest(&longer).unwrap().0.unwrap().start.number, 2);
}

#[test]
fn one_of_another_journal_or_of_a_lost_end_is_not_used() {
    let (storage, other) = (FaultyStorage::new(1), FaultyStorage::new(2));
    for storage in [&storage, &other] {
        drop(segments_of(storage, 2));
        let taker = taker(storage, books(&mut StdRng::seed_from_u64(1), 10));
        take(&taker, 2).unwrap();
    }
    let foreign = other.bytes(&file_name(2)).unwrap();
    let mixed = storage.copy();
    mixed.alter(&file_name(2), |bytes| bytes.clone_from(&foreign));
    assert!(newest(&mixed).unwrap().0.is_none());
    // A disk that lost the last segment, which it had acknowledged.
    storage.remove("0000000002.segment").unwrap();
    assert!(newest(&storage).unwrap().0.is_none());
}

/// The end of a snapshot waits for who has the books, and nobody waits behind it.
#[test]
fn readers_do_not_wait_for_the_end_of_a_snapshot() {
    let storage = FaultyStorage::new(5);
    drop(segments_of(&storage, 2));
    let taker = Arc::new(taker(&storage, books(&mut StdRng::seed_from_u64(1), 10)));
    let start = read_segment_start(&storage, 2).unwrap().unwrap();
    let begun = Begun::of(&mut taker.books.write(), start, Timestamp::from_nanos(9));
    // As the writer has them while it waits for the disk.
    let reading = taker.books.read();
    let taking = {
        let taker = Arc::clone(&taker);
        std::thread::spawn(move || taker.take(begun, || Ok(None)))
    };
    while storage.bytes(&file_name(2)).is_none() {
        std::thread::yield_now();
    }
    // It is about to end the copy, or waits to do so.
    for _ in 0..50 {
        assert!(taker.books.try_read().is_some());
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(reading);
    taking.join().unwrap().unwrap();
    let ended = taker.books.read();
    assert!(!ended.accounts.copy_next(1, |_, _, _| ()));
    assert!(ended.payments.copy_next(None, 1).is_none());
}

/// Readers of whom one always has the books keep a snapshot from its end for a while only.
#[test]
fn the_end_of_a_snapshot_is_not_held_back_for_ever() {
    let storage = FaultyStorage::new(5);
    drop(segments_of(&storage, 2));
    let taker = Arc::new(taker(&storage, books(&mut StdRng::seed_from_u64(1), 10)));
    let start = read_segment_start(&storage, 2).unwrap().unwrap();
    let begun = Begun::of(&mut taker.books.write(), start, Timestamp::from_nanos(9));
    let mut reading = taker.books.read();
    let taking = {
        let taker = Arc::clone(&taker);
        std::thread::spawn(move || taker.take(begun, || Ok(None)))
    };
    let started = Instant::now();
    // The next reader comes before the one before it leaves, until it has to wait behind the snapshot.
    while let Some(next) = taker.books.try_read() {
        reading = next;
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it still waits"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(reading);
    taking.join().unwrap().unwrap();
    assert!(!taker.books.read().accounts.copy_next(1, |_, _, _| ()));
}

#[test]
fn a_full_disk_leaves_the_ones_before() {
    let storage = FaultyStorage::new(4);
    drop(segments_of(&storage, 3));
    let taker = taker(&storage, books(&mut StdRng::seed_from_u64(1), 2_000));
    take(&taker, 2).unwrap();
    let names = storage.list().unwrap();
    let used = |name: &String| storage.bytes(name).unwrap().len() as u64;
    storage.set_capacity(Some(names.iter().map(used).sum::<u64>() + 10_000));
    assert!(take(&taker, 3).is_err());
    assert_eq!(newest(&storage).unwrap().0.unwrap().start.number, 2);
    // What there was of it does not keep the disk full.
    assert_eq!(storage.bytes(PARTIAL), None);
    storage.set_capacity(None);
    take(&taker, 3).unwrap();
    assert_eq!(newest(&storage).unwrap().0.unwrap().start.number, 3);
}
