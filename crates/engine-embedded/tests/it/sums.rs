//! Sums of settled payments: in memory, in tables, and made anew from the journal, always the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedOptions, verify};
use journal::Storage;
use journal::faulty::FaultyStorage;
use ledger::{
    AcceptPayment, Command, Currency, Engine, Millis, Note, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, ProcessorSummary, ResolutionKind, ResolvePayment, Unavailable,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use crate::bank::{Bank, small, small_overlapping, wait};
use crate::gated::Gated;

fn accept(id: u128, amount: u64) -> Command {
    Command::AcceptPayment(AcceptPayment {
        id: PaymentId::from_u128(id),
        account_id: None,
        currency: Currency::new("BRL").unwrap(),
        amount,
        description: "paid".into(),
        notes: ledger::Notes::NONE,
    })
}

fn send(id: u128, processor: &str, requested_at: u64) -> Command {
    Command::SendPayment {
        id: PaymentId::from_u128(id),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        processor: ProcessorName::new(processor).unwrap(),
        requested_at: Millis(requested_at),
    }
}

const SENT: PaymentExpected = PaymentExpected {
    state: PaymentStateName::Sent,
    attempt: 1,
};

fn settle(id: u128, requested_at: u64) -> Command {
    Command::SettlePayment {
        id: PaymentId::from_u128(id),
        expected: SENT,
        requested_at: Millis(requested_at),
    }
}

/// As an operator does whose processor has recorded it.
fn settle_by_hand(id: u128, requested_at: u64) -> Command {
    Command::ResolvePayment(ResolvePayment {
        id: PaymentId::from_u128(id),
        expected: SENT,
        kind: ResolutionKind::Settled {
            requested_at: Millis(requested_at),
        },
        who: Note::new("ana").unwrap(),
        why: Note::new("it is in their books").unwrap(),
        send_lease: Duration::ZERO,
    })
}

fn give_all<S: Storage>(bank: &Bank<S>, commands: Vec<Command>) {
    for outcome in bank.submit(commands).unwrap() {
        assert_eq!(outcome.code(), "created");
    }
}

fn summary<S: Storage>(
    bank: &Bank<S>,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Vec<ProcessorSummary>, Unavailable> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let (from, to) = (from.map(Millis), to.map(Millis));
    wait(bank.engine.payments_summary(from, to, deadline))
}

fn names(storage: &FaultyStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.starts_with("sums-"));
    names.sort();
    names
}

/// What was settled and counts: processor, time and amount of each.
#[derive(Default)]
struct Model(Vec<(&'static str, u64, u64)>);

impl Model {
    fn check<S: Storage>(&self, bank: &Bank<S>, random: &mut StdRng) {
        for _ in 0..6 {
            let from = random.random_range(0..5_000);
            let to = random.random_range(from..6_000);
            for (from, to) in [(Some(from), Some(to)), (None, Some(to)), (Some(from), None)] {
                assert_eq!(summary(bank, from, to).unwrap(), self.between(from, to));
            }
        }
        assert_eq!(summary(bank, None, None).unwrap(), self.between(None, None));
    }

    fn between(&self, from: Option<u64>, to: Option<u64>) -> Vec<ProcessorSummary> {
        let range = from.unwrap_or(0)..=to.unwrap_or(u64::MAX);
        let mut sums: BTreeMap<&str, (u64, u128)> = BTreeMap::new();
        for (processor, millis, amount) in &self.0 {
            if range.contains(millis) {
                let sum = sums.entry(processor).or_default();
                *sum = (sum.0 + 1, sum.1 + u128::from(*amount));
            }
        }
        let summary = |(processor, (payments_count, amount))| ProcessorSummary {
            processor: ProcessorName::new(processor).unwrap(),
            payments_count,
            amount,
        };
        sums.into_iter().map(summary).collect()
    }
}

/// Payments, late settlements, purges, and starts with and without tables and snapshots.
#[test]
fn a_summary_is_the_same_from_memory_tables_and_journal() {
    for seed in Seeds::from_env(4) {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        let options = || match seed % 2 {
            0 => small(16, 14),
            // Most starts replay some segments whose tables are there.
            _ => EmbeddedOptions {
                snapshot_bytes: 80 << 10,
                ..small(16, 14)
            },
        };
        let mut bank = Bank::open(storage.clone(), options());
        let mut model = Model::default();
        let mut held: Vec<(u128, &str, u64)> = Vec::new();
        for id in 1..=900_u128 {
            let processor = *["default", "fallback"]
                .get(usize::from(random.random_ratio(1, 4)))
                .unwrap();
            let millis = u64::try_from(id).unwrap() * 5 + random.random_range(0..3);
            let amount = random.random_range(1..1_000);
            give_all(&bank, vec![accept(id, amount), send(id, processor, millis)]);
            if random.random_ratio(1, 30) {
                // Settled late, in another segment.
                held.push((id, processor, amount));
            } else {
                let command = match random.random_ratio(1, 20) {
                    true => settle_by_hand(id, millis),
                    false => settle(id, millis),
                };
                give_all(&bank, vec![command]);
                model.0.push((processor, millis, amount));
            }
            if random.random_ratio(1, 60)
                && let Some((id, processor, amount)) = held.pop()
            {
                let millis = random.random_range(0..5_000);
                give_all(&bank, vec![settle(id, millis)]);
                model.0.push((processor, millis, amount));
            }
            if random.random_ratio(1, 250) {
                let purge = Command::PurgePayments {
                    expected_accepted_at: None,
                };
                give_all(&bank, vec![purge]);
                model.0.clear();
                // What was accepted before and is settled later does not count.
                for (id, _, _) in held.drain(..) {
                    give_all(&bank, vec![settle(id, 1)]);
                }
            }
            if random.random_ratio(1, 50) {
                model.check(&bank, &mut random);
            }
            if random.random_ratio(1, 120) {
                drop(bank);
                damage(&storage, &mut random);
                bank = Bank::open(storage.clone(), options());
                model.check(&bank, &mut random);
            }
        }
        drop(bank);
        let verified = verify(storage, options().journal, true).unwrap();
        assert_eq!(verified.audit.findings, []);
        assert_eq!(verified.unusable, [""; 0]);
    }
}

/// Some of what is beside the journal is lost.
fn damage(storage: &FaultyStorage, random: &mut StdRng) {
    for name in storage.list().unwrap() {
        let is_sums = name.starts_with("sums-") && random.random_ratio(1, 4);
        let is_snapshot = name.ends_with(".snapshot") && random.random_ratio(1, 5);
        if is_sums || is_snapshot {
            storage.remove(&name).unwrap();
        }
    }
}

/// So many payments of 7, requested in as many milliseconds.
fn settle_all<S: Storage>(bank: &Bank<S>, ids: std::ops::Range<u128>) {
    for id in ids {
        let millis = u64::try_from(id).unwrap();
        let commands = vec![
            accept(id, 7),
            send(id, "default", millis),
            settle(id, millis),
        ];
        give_all(bank, commands);
    }
}

/// No payment is counted twice or left out while segments are sealed and tables made and merged.
#[test]
fn a_summary_never_misses_or_repeats_what_was_answered() {
    let storage = FaultyStorage::new(3);
    let bank = Arc::new(Bank::open(storage.clone(), small_overlapping(16, 14)));
    let answered = Arc::new(AtomicU64::new(0));
    let is_done = Arc::new(AtomicBool::new(false));
    let reading = {
        let (bank, answered, is_done) = (bank.clone(), answered.clone(), is_done.clone());
        thread::spawn(move || {
            let mut reads = 0;
            while !is_done.load(Ordering::SeqCst) {
                let least = answered.load(Ordering::SeqCst);
                let sums = summary(&bank, None, None).unwrap();
                let (count, amount) = sums
                    .first()
                    .map_or((0, 0), |sum| (sum.payments_count, sum.amount));
                // One more may be decided than answered.
                let most = answered.load(Ordering::SeqCst) + 1;
                assert!(
                    (least..=most).contains(&count),
                    "{least} <= {count} <= {most}"
                );
                assert_eq!(amount, u128::from(count) * 7);
                reads += 1;
            }
            reads
        })
    };
    for id in 1..=2_000_u128 {
        settle_all(&bank, id..id + 1);
        answered.fetch_add(1, Ordering::SeqCst);
    }
    is_done.store(true, Ordering::SeqCst);
    assert!(reading.join().unwrap() > 50);
    drop(bank);
    assert!(!names(&storage).is_empty());
    let verified = verify(storage, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!(verified.unusable, [""; 0]);
}

/// A summary that needs the damaged page is refused until it is made anew.
#[test]
fn a_damaged_table_of_sums_is_made_anew_while_the_ledger_goes_on() {
    let storage = FaultyStorage::new(5);
    let bank = Bank::open(storage.clone(), small(16, 14));
    settle_all(&bank, 1..300);
    let name = names(&storage).remove(0);
    storage.flip_bit(&name, 8 * 32 + 3);
    let whole = |bank: &Bank<FaultyStorage>| summary(bank, None, None).unwrap()[0].payments_count;
    assert_eq!(
        summary(&bank, Some(2), None),
        Err(Unavailable::StorageDamaged)
    );
    // What needs no page of it is answered.
    assert_eq!(whole(&bank), 299);
    // With the next segment the keeper comes to it.
    settle_all(&bank, 300..400);
    let from_2 = summary(&bank, Some(2), None).unwrap()[0].payments_count;
    assert_eq!((from_2, whole(&bank)), (398, 399));
    drop(bank);
    let verified = verify(storage, small(16, 14).journal, true).unwrap();
    assert_eq!(
        (verified.audit.findings, verified.unusable),
        (vec![], vec![])
    );
}

/// A table with other sums is a finding; one that is torn is made anew.
#[test]
fn verify_compares_the_tables_of_sums_with_the_records() {
    let storage = FaultyStorage::new(6);
    let bank = Bank::open(storage.clone(), small(16, 14));
    settle_all(&bank, 1..300);
    drop(bank);
    let verified = verify(storage.clone(), small(16, 14).journal, true).unwrap();
    let tables_count = verified.tables_count;
    assert!(tables_count as usize > names(&storage).len());
    // Another ledger with the same segments and one other amount would have another chain; so the table
    // of another one is not of this journal.
    let other = FaultyStorage::new(7);
    let bank = Bank::open(other.clone(), small(16, 14));
    settle_all(&bank, 1..300);
    drop(bank);
    let name = names(&storage).remove(0);
    let foreign = storage.copy();
    let bytes = other.bytes(&name).unwrap();
    foreign.alter(&name, |file| file.clone_from(&bytes));
    let verified = verify(foreign, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.unusable, [name.as_str()]);
    assert!(verified.is_clean());
    let damaged = storage.copy();
    damaged.flip_bit(&name, 77);
    let verified = verify(damaged, small(16, 14).journal, true).unwrap();
    assert_eq!(verified.unusable, [name]);
    assert_eq!(verified.tables_count, tables_count - 1);
}

/// A summary that needs the disk waits for it in a thread of its own.
#[test]
fn a_summary_on_a_slow_disk_waits_elsewhere() {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(16, 14));
    settle_all(&bank, 1..300);
    storage.stall_reads();
    let stalled = storage.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    runtime.block_on(async {
        let engine = &bank.engine;
        // From memory, although tables have most of it.
        let whole = engine.payments_summary(None, None, deadline).await.unwrap();
        assert_eq!(whole[0].payments_count, 299);
        let part = engine.payments_summary(Some(Millis(2)), Some(Millis(9)), deadline);
        let meanwhile = async {
            // The thread that waits does not hold this one up.
            engine.payments_summary(None, None, deadline).await.unwrap();
            stalled.end_stall();
        };
        let (part, ()) = tokio::join!(part, meanwhile);
        assert_eq!(part.unwrap()[0].payments_count, 8);
    });
}
