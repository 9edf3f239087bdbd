//! Every operation of the disk as a crash point, beside a model of what was answered and applied.

use std::collections::VecDeque;

use journal::faulty::FaultyStorage;
use journal::{Durability, Storage};
use ledger::{AccountId, Command, MoveMoney, Outcome, Refusal, Timestamp, TransferId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use super::*;
use crate::queue::Queue;
use crate::record::of_operation;

const STEPS: usize = 60;

fn options() -> OutboxOptions {
    OutboxOptions {
        segment_bytes: 4096,
        bytes_max: 5 * 4096,
        ..OutboxOptions::default()
    }
}

fn command(number: u64) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(u128::from(number) + 1),
        debit_account_id: AccountId::new("a").unwrap(),
        credit_account_id: AccountId::new("b").unwrap(),
        amount: number + 1,
        description: "x".repeat(1 + (number % 140) as usize).into(),
        notes: ledger::Notes::NONE,
    })
}

/// Operations by what they are numbered among themselves.
#[derive(Debug, Default)]
struct Model {
    answered_count: u64,
    /// Those of the frame whose commit failed.
    unanswered_count: u64,
    applied_count: u64,
    refused_count: u64,
}

struct Run {
    log: Log<FaultyStorage>,
    queue: Queue,
}

fn open(
    storage: &FaultyStorage,
    durability: Durability,
) -> Result<(Run, Vec<Stored>), OutboxOpenError> {
    let options = OutboxOptions {
        durability,
        ..options()
    };
    let (log, replayed, recovery) = Log::open(storage.clone(), &options)?;
    let found: Vec<Stored> = replayed.operations.iter().copied().collect();
    assert_eq!(recovery.operations_count, found.len());
    let queue = Queue::from(replayed);
    Ok((Run { log, queue }, found))
}

impl Run {
    /// Accepts `count` operations in one frame; whether they were answered.
    fn accept(&mut self, count: u64, model: &mut Model) -> bool {
        let mut frame = VecDeque::new();
        for number in model.answered_count..model.answered_count + count {
            let command = command(number);
            let record = of_operation(&command);
            if !self.log.fits(record.len()) {
                if self.log.has_open_frame() {
                    break;
                }
                match self.log.begin(record.len()) {
                    Ok(()) => {}
                    Err(NoRoom::Quota) => {
                        model.refused_count += 1;
                        return true;
                    }
                    Err(_) => return false,
                }
            }
            let (address, number) = self.log.push(&record);
            let id = operation::id(&command).unwrap();
            let accepted = Timestamp::from_nanos(number);
            frame.push_back(Stored {
                id,
                address,
                number,
                accepted,
            });
        }
        let (before, oldest) = self.queue.progress();
        if before > self.log.marked_before() {
            self.log.push_mark(oldest.as_ref().or(frame.front()));
        }
        if self.log.commit(Timestamp::from_nanos(1)).is_err() {
            model.unanswered_count = frame.len() as u64;
            return false;
        }
        model.answered_count += frame.len() as u64;
        self.queue.extend(frame);
        true
    }

    /// The ledger answers the `count` oldest.
    fn apply(&mut self, count: usize, model: &mut Model) {
        let oldest = self.queue.first(count);
        let command = |stored: &Stored| command(stored.id.to_u128() as u64 - 1);
        let commands: Vec<Command> = oldest.iter().map(command).collect();
        let outcome = Outcome::refused(Refusal::CurrencyMismatch);
        let outcomes = vec![outcome; commands.len()];
        if let Some(last) = oldest.last() {
            model.applied_count = model.applied_count.max(last.id.to_u128() as u64);
        }
        self.queue.answered(commands, &outcomes);
    }

    /// Writes a mark of its own where it is due; whether the disk still works.
    fn mark(&mut self) -> bool {
        let (before, oldest) = self.queue.progress();
        let oldest = oldest.as_ref();
        if !self.log.is_mark_due(before, oldest) {
            return true;
        }
        if self.log.begin_mark().is_err() {
            return false;
        }
        self.log.push_mark(oldest);
        self.log.commit(Timestamp::from_nanos(1)).is_ok()
    }

    fn work(&mut self, random: &mut StdRng, model: &mut Model) {
        for _ in 0..STEPS {
            let goes_on = match random.random_range(0..5) {
                0 | 1 => self.accept(random.random_range(1..8), model),
                2 | 3 => {
                    self.apply(random.random_range(1..12), model);
                    true
                }
                _ => self.mark(),
            };
            if !goes_on {
                return;
            }
            assert!(self.log.bytes() <= options().bytes_max);
        }
    }
}

/// All that was answered and not applied is there, in order, readable, and nothing else but what
/// was applied without a mark or was never answered.
fn check(run: &Run, found: &[Stored], model: &mut Model) {
    let numbers: Vec<u64> = found
        .iter()
        .map(|stored| stored.id.to_u128() as u64 - 1)
        .collect();
    let first = numbers.first().copied().unwrap_or(model.answered_count);
    assert!(first <= model.applied_count, "{first}: {model:?}");
    let end = numbers.last().map_or(model.answered_count, |last| last + 1);
    let whole = model.answered_count + model.unanswered_count;
    assert!(
        end == model.answered_count || end == whole,
        "to {end}: {model:?}"
    );
    assert_eq!(numbers, (first..end).collect::<Vec<_>>());
    let mut buffer = Vec::new();
    for (stored, number) in found.iter().zip(numbers) {
        let reader = run.log.reader();
        reader.record(stored.address, &mut buffer).unwrap();
        assert_eq!(decode(&buffer), Ok(Record::Operation(command(number))));
    }
    model.answered_count = end;
    model.unanswered_count = 0;
}

fn run(storage: &FaultyStorage, durability: Durability, seed: u64) -> Model {
    let mut model = Model::default();
    if let Ok((mut run, _)) = open(storage, durability) {
        run.work(&mut StdRng::seed_from_u64(seed), &mut model);
    }
    model
}

/// Says on a panic how to make it happen again.
struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this run again: LASTRO_SEED={}", self.0);
        }
    }
}

#[test]
fn every_operation_is_a_crash_point() {
    for seed in Seeds::from_env(30) {
        let _again = Again(seed);
        let durability = [Durability::Disk, Durability::Os][(seed % 2) as usize];
        let whole = FaultyStorage::new(seed);
        assert!(run(&whole, durability, seed).applied_count > 20);
        for number in 0..=whole.operations() {
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            let mut model = run(&storage, durability, seed);
            let power_cut = durability == Durability::Disk && !number.is_multiple_of(3);
            let storage = if power_cut {
                storage.crash()
            } else {
                storage.kill()
            };
            let (mut run, found) = open(&storage, durability).unwrap();
            check(&run, &found, &mut model);
            // It goes on, and everything can be let go of.
            assert!(run.accept(3, &mut model));
            run.apply(usize::MAX, &mut model);
            assert!(run.mark());
            assert_eq!(run.log.journal.segments(), 1);
            drop(run);
            let (_, found) = open(&storage.kill(), durability).unwrap();
            assert_eq!(found, []);
        }
    }
}

#[test]
fn crash_after_crash_loses_nothing() {
    for seed in Seeds::from_env(150) {
        let _again = Again(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut storage = FaultyStorage::new(seed);
        let mut model = Model::default();
        for _ in 0..random.random_range(2..7) {
            let operations_max = if random.random() { 200 } else { 25 };
            storage.crash_after_operation(random.random_range(0..operations_max));
            if let Ok((mut run, found)) = open(&storage, Durability::Disk) {
                check(&run, &found, &mut model);
                run.work(&mut random, &mut model);
            }
            storage = if random.random() {
                storage.crash()
            } else {
                storage.kill()
            };
        }
        let (run, found) = open(&storage, Durability::Disk).unwrap();
        check(&run, &found, &mut model);
    }
}

#[test]
fn a_crash_of_a_failing_disk_loses_nothing() {
    for seed in Seeds::from_env(100) {
        let _again = Again(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let whole = FaultyStorage::new(seed);
        run(&whole, Durability::Disk, seed);
        let storage = FaultyStorage::new(seed);
        storage.fail_operation(random.random_range(1..=whole.operations()));
        let mut model = run(&storage, Durability::Disk, seed);
        let storage = if random.random() {
            storage.crash()
        } else {
            storage.kill()
        };
        let (run, found) = open(&storage, Durability::Disk).unwrap();
        check(&run, &found, &mut model);
    }
}

/// A ledger that is down for long, then answers one at a time.
#[test]
fn the_quota_bounds_the_disk_and_marks_go_on() {
    let storage = FaultyStorage::new(1);
    let (mut run, _) = open(&storage, Durability::Disk).unwrap();
    let mut model = Model::default();
    while model.refused_count == 0 {
        assert!(run.accept(4, &mut model));
    }
    let full = model.answered_count;
    assert!(full > 20, "{full}");
    while !run.queue.is_empty() {
        run.apply(1, &mut model);
        assert!(run.mark());
        assert!(run.log.bytes() <= options().bytes_max);
    }
    assert_eq!(run.log.journal.segments(), 1);
    assert!(run.accept(1, &mut model));
    assert_eq!(model.answered_count, full + 1);
}

#[test]
fn a_full_disk_leaves_room_for_marks() {
    let storage = FaultyStorage::new(1);
    // Two segments and the next one begun.
    storage.set_capacity(Some(2 * 4096 + 1000));
    let (mut run, _) = open(&storage, Durability::Disk).unwrap();
    let mut model = Model::default();
    while run.accept(1, &mut model) {}
    assert!(matches!(run.log.begin(600), Err(NoRoom::Full)));
    assert!(model.answered_count > 10);
    run.apply(usize::MAX, &mut model);
    assert!(run.mark());
    assert!(run.accept(1, &mut model), "the space it had is free again");
}

#[test]
fn a_missing_segment_that_is_needed_stops_the_opening() {
    let storage = FaultyStorage::new(1);
    let (mut run, _) = open(&storage, Durability::Disk).unwrap();
    let mut model = Model::default();
    while run.log.journal.segments() < 3 {
        assert!(run.accept(4, &mut model));
    }
    drop(run);
    storage.remove("0000000000.segment").unwrap();
    let error = open(&storage, Durability::Disk).err().unwrap();
    assert!(matches!(error, OutboxOpenError::Missing { first, .. } if first > 0));
    assert!(
        error
            .to_string()
            .contains("restore the older segments from"),
        "{error}"
    );
}

#[test]
fn a_quota_that_does_not_suit_the_segments_there_is_refused() {
    let storage = FaultyStorage::new(1);
    let (run, _) = open(&storage, Durability::Disk).unwrap();
    drop(run);
    let smaller = OutboxOptions {
        segment_bytes: 2048,
        bytes_max: 4 * 2048,
        ..OutboxOptions::default()
    };
    let error = Log::open(storage, &smaller).err().unwrap().to_string();
    assert!(error.contains("needs 16384"), "{error}");
}
