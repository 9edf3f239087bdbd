//! Tables over a storage that loses, tears and fails, against a plain map.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use journal::faulty::FaultyStorage;
use journal::{Address, Journal, JournalOptions, Storage};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use super::{
    Ids, Layers, MakeError, PlacesQuery, Sealed, SegmentIds, Space, TableError, TableSet, Waiting,
    tables_of_journal,
};
use crate::beside::Pace;

const IDS_PER_SEGMENT: usize = 400;

/// What a map says of every id, and what each segment's records say.
#[derive(Default)]
struct Model {
    newest: HashMap<(u8, u128), Address>,
    segments: Vec<Vec<(Space, u128, Address)>>,
}

impl Model {
    /// Ids of so many segments: random ones, counted ones, and some that were used before.
    fn draw(random: &mut StdRng, segments_count: u64) -> Self {
        let mut model = Self::default();
        for segment in 0..segments_count {
            let mut used = Vec::new();
            for number in 0..IDS_PER_SEGMENT {
                let space = *Space::ALL.choose(random).unwrap();
                let id = match random.random_range(0..4) {
                    0 => random.random(),
                    1 => u128::from(segment) << 64 | number as u128,
                    2 => u128::MAX - u128::from(segment),
                    _ => model.any_id(random).unwrap_or(0),
                };
                let place = segment * 1_000_000 + number as u64 + 1;
                let address = Address::from_u64(place).unwrap();
                used.push((space, id, address));
                model.newest.insert((space as u8, id), address);
            }
            model.segments.push(used);
        }
        model
    }

    fn any_id(&self, random: &mut StdRng) -> Option<u128> {
        let segment = self.segments.choose(random)?;
        segment.choose(random).map(|(_, id, _)| *id)
    }

    fn ids_of(&self, segment: u64) -> SegmentIds {
        let mut ids = SegmentIds::default();
        for (space, id, address) in &self.segments[usize::try_from(segment).unwrap()] {
            ids.insert(*space, *id, *address);
        }
        ids
    }

    fn sealed(&self, segment: u64) -> Sealed {
        let ids = self.ids_of(segment);
        Sealed { segment, ids }
    }

    fn check(&self, layers: &Layers, random: &mut StdRng) {
        for ((space, id), address) in &self.newest {
            let space = Space::ALL[usize::from(*space)];
            let found = layers.find(space, *id, Waiting::Allowed).unwrap();
            assert_eq!(found, Some(*address), "{space:?} {id:x}");
        }
        for space in Space::ALL {
            let of_space =
                |((other, id), _): (&(u8, u128), _)| (*other == space as u8).then_some(*id);
            let ids: Vec<u128> = self.newest.iter().filter_map(of_space).collect();
            let mut may_have = vec![false; ids.len()];
            layers.may_have_each(space, &ids, &mut may_have);
            assert_eq!(may_have, vec![true; ids.len()], "{space:?}");
        }
        self.check_lists(layers, random);
        for _ in 0..500 {
            let (space, id) = (*Space::ALL.choose(random).unwrap(), random.random());
            assert_eq!(layers.find(space, id, Waiting::Allowed).unwrap(), None);
        }
    }
}

impl Model {
    /// Pages of the lists that several segments added to, and of one that none did.
    fn check_lists(&self, layers: &Layers, random: &mut StdRng) {
        let of_lists = |((space, key), address): (&(u8, u128), &Address)| {
            (*space == Space::Lists as u8).then_some((*key, *address))
        };
        let places: BTreeMap<u128, Address> = self.newest.iter().filter_map(of_lists).collect();
        for _ in 0..100 {
            let list = u128::from(random.random_range(0..=self.segments.len() as u64)) << 64;
            let mut key = || list | random.random_range(0..=IDS_PER_SEGMENT as u128);
            let (one, other) = (key(), key());
            let query = PlacesQuery {
                keys: (one.min(other), one.max(other)),
                newest_first: random.random(),
                limit: random.random_range(0..300),
            };
            let none = SegmentIds::default().newest_places(&query);
            let got = Ids::places(&none, layers, query, Waiting::Allowed).unwrap();
            let between = places.range(query.keys.0..=query.keys.1);
            let between = between.map(|(key, address)| (*key, *address));
            let expected: Vec<_> = match query.newest_first {
                true => between.rev().take(query.limit).collect(),
                false => between.take(query.limit).collect(),
            };
            assert_eq!(got, expected, "{query:?}");
        }
    }
}

pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 2_048,
        frame_bytes_max: 1_024,
        ..JournalOptions::default()
    }
}

fn open(storage: &FaultyStorage) -> Journal<FaultyStorage> {
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    Journal::open(storage.clone(), options(), nothing)
        .unwrap()
        .0
}

/// A journal of so many sealed segments; what is in them plays no part here.
pub(crate) fn journal(storage: &FaultyStorage, segments_count: u64) -> Journal<FaultyStorage> {
    let mut journal = open(storage);
    while journal.segment_start().number < segments_count {
        journal.begin(600, 1).unwrap();
        journal.push(|bytes| bytes.extend([7; 600]));
        journal.commit(1).unwrap();
    }
    journal
}

fn open_tables(storage: &FaultyStorage) -> TableSet<FaultyStorage> {
    try_open_tables(storage).unwrap()
}

/// Opens the tables, and removes what is of no use as an opening does.
fn try_open_tables(storage: &FaultyStorage) -> std::io::Result<TableSet<FaultyStorage>> {
    let (tables, useless) = TableSet::open(&Arc::new(storage.clone()))?;
    useless.iter().try_for_each(|name| storage.remove(name))?;
    Ok(tables)
}

/// Gives the set what it lacks, and makes and merges all there is to make.
fn complete(
    tables: &TableSet<FaultyStorage>,
    model: &Model,
    segments_count: u64,
) -> Result<(), MakeError> {
    for segment in tables.missing(segments_count) {
        tables.seal(model.sealed(segment));
    }
    tables.make_owed()?;
    tables.merge_all(Pace::default())
}

fn table_names(storage: &FaultyStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.contains("table") || name.contains("partial"));
    names.retain(|name| name != "spare.partial");
    names
}

#[test]
fn every_id_is_found_in_memory_in_tables_and_after_a_restart() {
    for seed in Seeds::from_env(3) {
        let mut random = StdRng::seed_from_u64(seed);
        let model = Model::draw(&mut random, 23);
        let storage = FaultyStorage::new(seed);
        let journal = journal(&storage, 23);
        let tables = open_tables(&storage);
        for segment in 0..23 {
            tables.seal(model.sealed(segment));
        }
        assert_eq!(tables.owed(), 23);
        model.check(&tables.layers(), &mut random);
        let before = tables.layers();
        tables.make_owed().unwrap();
        model.check(&tables.layers(), &mut random);
        tables.merge_all(Pace::default()).unwrap();
        // 16, 4, 1, 1 and 1 segments.
        assert_eq!(tables.size().0, 5);
        model.check(&tables.layers(), &mut random);
        // A reader that has not heard of it yet goes on with what was merged since.
        model.check(&before, &mut random);
        drop(journal);
        let reopened = open_tables(&storage.crash());
        assert_eq!(reopened.size(), tables.size());
        assert_eq!(reopened.missing(23), Vec::<u64>::new());
        model.check(&reopened.layers(), &mut random);
    }
}

/// Wherever the machine stops, no table is half there, and what is missing is made anew.
#[test]
fn every_operation_of_making_and_merging_is_a_crash_point() {
    for seed in Seeds::from_env(2) {
        let segments_count = 9;
        let mut random = StdRng::seed_from_u64(seed);
        let model = Model::draw(&mut random, segments_count);
        let before = FaultyStorage::new(seed);
        drop(journal(&before, segments_count));
        let quiet = before.copy();
        complete(&open_tables(&quiet), &model, segments_count).unwrap();
        let operations = quiet.operations();
        assert!(operations > 60, "{operations}");
        for number in 0..operations {
            let storage = before.copy();
            storage.crash_after_operation(number);
            let opened = try_open_tables(&storage);
            let stopped = opened.map(|tables| complete(&tables, &model, segments_count));
            assert!(!matches!(stopped, Ok(Ok(()))), "stopped after {number}");
            let storage = if random.random_ratio(3, 4) {
                storage.crash()
            } else {
                storage.kill()
            };
            let tables = open_tables(&storage);
            complete(&tables, &model, segments_count).unwrap();
            model.check(&tables.layers(), &mut random);
            // Nothing is left of what was begun.
            assert_eq!(table_names(&storage).len(), tables.size().0);
        }
    }
}

/// A failed write, sync, rename or removal leaves everything as it was, and the next try succeeds.
#[test]
fn what_fails_is_tried_again() {
    for seed in Seeds::from_env(2) {
        let segments_count = 5;
        let mut random = StdRng::seed_from_u64(seed);
        let model = Model::draw(&mut random, segments_count);
        let before = FaultyStorage::new(seed);
        drop(journal(&before, segments_count));
        let quiet = before.copy();
        complete(&open_tables(&quiet), &model, segments_count).unwrap();
        for number in 1..=quiet.operations() {
            let storage = before.copy();
            let tables = open_tables(&storage);
            storage.fail_operation(number);
            let tried = complete(&tables, &model, segments_count);
            assert!(tried.is_err(), "operation {number} failed");
            model.check(&tables.layers(), &mut random);
            complete(&tables, &model, segments_count).unwrap();
            model.check(&tables.layers(), &mut random);
            let reopened = open_tables(&storage.crash());
            complete(&reopened, &model, segments_count).unwrap();
            model.check(&reopened.layers(), &mut random);
        }
    }
}

/// Any flipped bit: the answer is right, or there is none and the table is made anew.
#[test]
fn no_flipped_bit_gives_a_wrong_answer() {
    for seed in Seeds::from_env(2) {
        let segments_count = 5;
        let mut random = StdRng::seed_from_u64(seed);
        let model = Model::draw(&mut random, segments_count);
        let before = FaultyStorage::new(seed);
        drop(journal(&before, segments_count));
        complete(&open_tables(&before), &model, segments_count).unwrap();
        let mut errors_count = 0;
        for _ in 0..150 {
            let storage = before.copy();
            let names = table_names(&storage);
            let name = names.choose(&mut random).unwrap();
            let bits = storage.bytes(name).unwrap().len() as u64 * 8;
            storage.flip_bit(name, random.random_range(0..bits));
            let tables = open_tables(&storage);
            for segment in tables.missing(segments_count) {
                tables.seal(model.sealed(segment));
            }
            for ((space, id), address) in &model.newest {
                let space = Space::ALL[usize::from(*space)];
                match tables.layers().find(space, *id, Waiting::Allowed) {
                    Ok(found) => assert_eq!(found, Some(*address)),
                    Err(TableError::Damaged { .. }) => errors_count += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            let ids_of = |segment| Ok::<_, MakeError>(model.ids_of(segment));
            let was_damaged = tables.is_damaged();
            assert_eq!(tables.make_damaged_anew(ids_of).unwrap(), was_damaged);
            complete(&tables, &model, segments_count).unwrap();
            model.check(&tables.layers(), &mut random);
            let reopened = open_tables(&storage.crash());
            assert_eq!(reopened.missing(segments_count), Vec::<u64>::new());
            model.check(&reopened.layers(), &mut random);
        }
        assert!(errors_count > 0);
    }
}

/// A merge meets the damage itself: it makes nothing of it.
#[test]
fn damage_is_not_merged() {
    let mut random = StdRng::seed_from_u64(1);
    let model = Model::draw(&mut random, 4);
    let storage = FaultyStorage::new(1);
    let _journal = journal(&storage, 4);
    let tables = open_tables(&storage);
    for segment in 0..4 {
        tables.seal(model.sealed(segment));
    }
    tables.make_owed().unwrap();
    storage.flip_bit("ids-0000000002-0000000003.table", 8 * 100);
    let refused = tables.merge_all(Pace::default());
    assert!(matches!(
        refused,
        Err(MakeError::Read(TableError::Damaged { .. }))
    ));
    assert_eq!(tables.size().0, 4);
    let ids_of = |segment| Ok::<_, MakeError>(model.ids_of(segment));
    assert!(tables.make_damaged_anew(ids_of).unwrap());
    tables.merge_all(Pace::default()).unwrap();
    assert_eq!(tables.size().0, 1);
    model.check(&tables.layers(), &mut random);
}

/// Tables of 16, 4 and 1 segments, the first of which has a damaged page that was met.
fn with_a_large_damaged_table(seed: u64) -> (FaultyStorage, TableSet<FaultyStorage>, Model) {
    let segments_count = 21;
    let model = Model::draw(&mut StdRng::seed_from_u64(seed), segments_count);
    let storage = FaultyStorage::new(seed);
    drop(journal(&storage, segments_count));
    complete(&open_tables(&storage), &model, segments_count).unwrap();
    storage.flip_bit("ids-0000000000-0000000016.table", 8 * 100);
    let tables = open_tables(&storage);
    meet_damage(&tables, &model);
    assert!(tables.is_damaged());
    assert_eq!(table_names(&storage).len(), 3);
    (storage, tables, model)
}

/// Asks for every id: each answer is right, or the page is damaged.
fn meet_damage(tables: &TableSet<FaultyStorage>, model: &Model) {
    for ((space, id), address) in &model.newest {
        let space = Space::ALL[usize::from(*space)];
        match tables.layers().find(space, *id, Waiting::Allowed) {
            Ok(found) => assert_eq!(found, Some(*address)),
            Err(TableError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_large_damaged_table_is_made_anew_from_few_parts_at_a_time() {
    let (storage, tables, model) = with_a_large_damaged_table(4);
    let mut random = StdRng::seed_from_u64(104);
    let names = table_names(&storage);
    // Where it fails or is to stop, nothing has changed, and nothing is left of it.
    let failing = |segment| match segment {
        9 => Err(MakeError::from(std::io::Error::other("cannot be read"))),
        _ => Ok(model.ids_of(segment)),
    };
    tables.make_damaged_anew(failing).unwrap_err();
    assert_eq!(table_names(&storage), names);
    let stopped = open_tables(&storage);
    meet_damage(&stopped, &model);
    let stopping = |segment| {
        if segment == 9 {
            stopped.stop().ask();
        }
        Ok(model.ids_of(segment))
    };
    stopped.make_damaged_anew(stopping).unwrap_err();
    assert_eq!(table_names(&storage), names);
    let counting = |segment| {
        // The other three, and of the parts at most three of one segment and three of four.
        assert!(table_names(&storage).len() <= 3 + 6);
        Ok(model.ids_of(segment))
    };
    assert!(tables.make_damaged_anew(counting).unwrap());
    assert_eq!(tables.size().0, 3);
    assert_eq!(table_names(&storage), names);
    model.check(&tables.layers(), &mut random);
    model.check(&open_tables(&storage.crash()).layers(), &mut random);
}

#[test]
fn every_operation_of_making_a_table_anew_is_a_crash_point() {
    let (before, _, model) = with_a_large_damaged_table(5);
    let ids_of = |segment| Ok(model.ids_of(segment));
    let mut random = StdRng::seed_from_u64(105);
    let damaged = |storage: &FaultyStorage| {
        let tables = open_tables(storage);
        meet_damage(&tables, &model);
        tables
    };
    let quiet = before.copy();
    damaged(&quiet).make_damaged_anew(ids_of).unwrap();
    for number in 0..quiet.operations() {
        let storage = before.copy();
        let tables = damaged(&storage);
        storage.crash_after_operation(number);
        let made = tables.make_damaged_anew(ids_of);
        assert!(made.is_err(), "stopped after {number}");
        let storage = match number % 4 {
            0 => storage.kill(),
            _ => storage.crash(),
        };
        let tables = damaged(&storage);
        tables.make_damaged_anew(ids_of).unwrap();
        complete(&tables, &model, 21).unwrap();
        model.check(&tables.layers(), &mut random);
        assert_eq!(table_names(&storage).len(), tables.size().0);
    }
}

#[test]
fn tables_of_another_journal_or_of_a_lost_end_are_not_used() {
    let mut random = StdRng::seed_from_u64(2);
    let model = Model::draw(&mut random, 6);
    let (storage, other) = (FaultyStorage::new(1), FaultyStorage::new(2));
    let _journal = journal(&storage, 6);
    let _other_journal = journal(&other, 6);
    for (storage, count) in [(&storage, 6), (&other, 6)] {
        complete(&open_tables(storage), &model, count).unwrap();
    }
    let name = "ids-0000000000-0000000004.table";
    let foreign = other.bytes(name).unwrap();
    let mixed = storage.copy();
    mixed.alter(name, |bytes| bytes.clone_from(&foreign));
    assert_eq!(open_tables(&mixed).missing(6), [0, 1, 2, 3]);
    assert!(mixed.bytes(name).is_none(), "it is removed");
    // A disk that lost the last segment, which it had acknowledged.
    let shorter = storage.copy();
    shorter.remove("0000000006.segment").unwrap();
    assert_eq!(open_tables(&shorter).missing(6), [5]);
}

#[test]
fn a_full_disk_keeps_ids_in_memory_until_there_is_room() {
    let mut random = StdRng::seed_from_u64(3);
    let model = Model::draw(&mut random, 5);
    let storage = FaultyStorage::new(3);
    let _journal = journal(&storage, 5);
    let tables = open_tables(&storage);
    tables.seal(model.sealed(0));
    tables.make_owed().unwrap();
    let names = storage.list().unwrap();
    let used: usize = names
        .iter()
        .map(|name| storage.bytes(name).unwrap().len())
        .sum();
    storage.set_capacity(Some(used as u64 + 5_000));
    let full = complete(&tables, &model, 5);
    assert!(full.is_err());
    assert_eq!(tables.owed(), 4);
    // What there was of one does not keep the disk full.
    assert_eq!(table_names(&storage).len(), 1);
    model.check(&tables.layers(), &mut random);
    storage.set_capacity(None);
    complete(&tables, &model, 5).unwrap();
    assert_eq!(tables.size().0, 2);
    model.check(&tables.layers(), &mut random);
}

/// As `verify` reads them: what memory holds does not grow with a filter, and every id is found.
#[test]
fn a_table_without_its_filter_has_all_of_its_ids() {
    let mut random = StdRng::seed_from_u64(17);
    let storage = FaultyStorage::new(17);
    drop(journal(&storage, 4));
    let model = Model::draw(&mut random, 4);
    complete(&open_tables(&storage), &model, 4).unwrap();
    let read = |storage: &FaultyStorage| {
        let (mut tables, others) = tables_of_journal(storage).unwrap();
        assert_eq!((tables.len(), others.len()), (1, 0));
        tables.remove(0).read(false).unwrap()
    };
    let table = read(&storage).unwrap();
    for ((space, id), address) in &model.newest {
        let space = Space::ALL[usize::from(*space)];
        let found = table.find(space, *id, Waiting::Allowed).unwrap();
        assert_eq!(found, Some(*address));
    }
    for space in Space::ALL {
        let missing = table.find(space, random.random(), Waiting::Allowed);
        assert_eq!(missing.unwrap(), None);
    }
    let ids_count: u64 = table.counts().iter().sum();
    assert!(table.memory_bytes() < 32 + ids_count / 4, "{ids_count}");
    // A filter that is not as it was written is found all the same.
    let name = table_names(&storage).remove(0);
    let footer_at = storage.bytes(&name).unwrap().len() as u64 - 256;
    storage.flip_bit(&name, 8 * (footer_at - 400));
    assert!(read(&storage).is_none());
}

/// Tables are lost in the middle of a ledger's life: while those are made anew, nothing is merged across
/// what is still missing, which would be lost for good.
#[test]
fn lost_tables_are_made_anew_before_their_neighbours_are_merged() {
    let segments_count = 28;
    let mut random = StdRng::seed_from_u64(23);
    let model = Model::draw(&mut random, segments_count);
    let whole = FaultyStorage::new(23);
    drop(journal(&whole, segments_count));
    let tables = open_tables(&whole);
    for segment in 0..segments_count {
        tables.seal(model.sealed(segment));
        tables.make_owed().unwrap();
    }
    for lost in [1..4, 4..20, 8..20, 0..3, 2..27] {
        let storage = whole.copy();
        for segment in lost.clone() {
            let name = format!("ids-{segment:010}-{:010}.table", segment + 1);
            storage.remove(&name).unwrap();
        }
        let tables = open_tables(&storage);
        tables.merge_all(Pace::default()).unwrap();
        for segment in tables.missing(segments_count) {
            tables.seal(model.sealed(segment));
            tables.make_owed().unwrap();
            tables.merge_all(Pace::default()).unwrap();
        }
        model.check(&tables.layers(), &mut random);
        let tables = open_tables(&storage);
        assert_eq!(tables.missing(segments_count), [0; 0], "{lost:?}");
        model.check(&tables.layers(), &mut random);
    }
}
