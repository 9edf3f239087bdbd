//! Sum tables over a storage that loses, tears and fails, against a plain map.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use journal::Storage;
use journal::faulty::FaultyStorage;
use ledger::{Millis, ProcessorName, ProcessorSummary};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use super::layout::{ENTRIES_PER_PAGE, GUIDE_MAX, Indexed};
use super::{Range, Recent, Sum, SumLayers, SumTables, Summary, TableError, Totals, Waiting};
use crate::beside::{PAGE_BYTES, Pace, Stop};
use crate::ids::{MakeError, segments_of};

type Tables = SumTables<FaultyStorage>;

/// The names of the processors, and where requests begin.
const NAMES: [&str; 3] = ["default", "fallback", "third"];
const BEGUN: u64 = 1_767_225_600_000;

fn processor(number: usize) -> ProcessorName {
    ProcessorName::new(NAMES[number]).unwrap()
}

/// A settlement: the processor, when it was requested, and the amount.
type Settlement = (usize, u64, u64);

/// What was settled in each segment, and the segment of the last purge with what came before it there.
#[derive(Default)]
struct Model {
    segments: Vec<Vec<Settlement>>,
    purged: (usize, usize),
}

impl Model {
    /// What counts of a segment.
    fn counted(&self, segment: usize) -> &[Settlement] {
        let (purged_in, before) = self.purged;
        match segment.cmp(&purged_in) {
            std::cmp::Ordering::Less => &[],
            std::cmp::Ordering::Equal => &self.segments[segment][before..],
            std::cmp::Ordering::Greater => &self.segments[segment],
        }
    }

    fn sums_of(&self, segment: u64) -> Recent {
        let mut sums = Recent::default();
        for (number, millis, amount) in self.counted(usize::try_from(segment).unwrap()) {
            sums.record(&processor(*number), Millis(*millis), *amount);
        }
        sums
    }

    fn between(&self, range: Range) -> Vec<ProcessorSummary> {
        let mut sums: BTreeMap<ProcessorName, (u64, u128)> = BTreeMap::new();
        for segment in 0..self.segments.len() {
            for (number, millis, amount) in self.counted(segment) {
                if (range.from..=range.to).contains(millis) {
                    let sum = sums.entry(processor(*number)).or_default();
                    *sum = (sum.0 + 1, sum.1 + u128::from(*amount));
                }
            }
        }
        let summary = |(processor, (payments_count, amount))| ProcessorSummary {
            processor,
            payments_count,
            amount,
        };
        sums.into_iter().map(summary).collect()
    }

    fn check(&self, summary: &Summary, random: &mut StdRng) {
        for range in ranges(random) {
            let got = ask(summary, range).unwrap();
            assert_eq!(got, self.between(range), "{range:?}");
        }
    }
}

fn ask(summary: &Summary, range: Range) -> Result<Vec<ProcessorSummary>, TableError> {
    let (mut totals, layers) = summary.parts(range);
    layers.add_between(range, Waiting::Allowed, &mut totals)?;
    Ok(totals.into_summaries())
}

fn ranges(random: &mut StdRng) -> Vec<Range> {
    let mut ranges = vec![
        Range::new(None, None),
        Range { from: 5, to: 4 },
        Range { from: 0, to: 0 },
    ];
    for _ in 0..12 {
        let from = BEGUN + random.random_range(0..4_000);
        let to = from + random.random_range(0..3_000);
        ranges.push(Range { from, to });
        ranges.push(Range { from, to: from });
        ranges.push(Range { from: 0, to });
        ranges.push(Range { from, to: u64::MAX });
    }
    ranges
}

/// Most are requested about now; some are settled late, and some have times that nobody expects.
fn settlement(random: &mut StdRng, segment: u64) -> Settlement {
    let millis = match random.random_range(0..20) {
        0 => BEGUN + random.random_range(0..4_000),
        1 => *[0, 1, u64::MAX - 1, u64::MAX].choose(random).unwrap(),
        _ => BEGUN + segment * 100 + random.random_range(0..150),
    };
    let amount = random.random_range(1..=(1 << 53) - 1);
    (random.random_range(0..NAMES.len()), millis, amount)
}

fn published(layers: SumLayers) -> Summary {
    Summary {
        layers,
        ..Summary::default()
    }
}

fn open(storage: &FaultyStorage) -> std::io::Result<Tables> {
    let (tables, useless) = SumTables::open(&Arc::new(storage.clone()), Stop::default())?;
    useless.iter().try_for_each(|name| storage.remove(name))?;
    Ok(tables)
}

fn make_all(tables: &Tables) -> Result<(), MakeError> {
    tables.make_owed()?;
    tables.merge_all(Pace::default())
}

/// As an opening does with a snapshot that names these segments.
fn reopen(storage: &FaultyStorage, model: &Model, segments: (u64, u64)) -> Summary {
    let tables = open(storage).unwrap();
    tables.begin(segments);
    make_missing(&tables, model);
    make_all(&tables).unwrap();
    published(tables.layers())
}

fn make_missing(tables: &Tables, model: &Model) {
    let missing = tables.missing();
    for (place, segment) in missing.iter().enumerate() {
        let is_last = missing.get(place + 1) != Some(&(segment + 1));
        tables.seal_missing(*segment, model.sums_of(*segment), is_last);
    }
    assert_eq!(tables.missing(), [0; 0]);
}

fn names(storage: &FaultyStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.starts_with("sums"));
    names.sort();
    names
}

/// Settlements, late ones, purges, restarts, lost and damaged tables: the summary is always the map's.
#[test]
fn every_range_is_what_a_map_says() {
    for seed in Seeds::from_env(25) {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        drop(segments_of(&storage, 40));
        let mut model = Model::default();
        let mut tables = open(&storage).unwrap();
        let mut summary = Summary::default();
        for segment in 0..40_u64 {
            model.segments.push(Vec::new());
            let count = match random.random_range(0..3) {
                0 => 0,
                1 => random.random_range(0..5),
                _ => random.random_range(0..400),
            };
            for _ in 0..count {
                let settled = settlement(&mut random, segment);
                summary.record(&processor(settled.0), Millis(settled.1), settled.2);
                model.segments.last_mut().unwrap().push(settled);
            }
            if random.random_ratio(1, 15) {
                let place = usize::try_from(segment).unwrap();
                model.purged = (place, model.segments[place].len());
                summary.purge(segment);
                tables.purge(segment);
            }
            model.check(&summary, &mut random);
            tables.seal(segment, summary.seal());
            summary.layers = tables.layers();
            model.check(&summary, &mut random);
            if random.random_ratio(2, 3) {
                make_all(&tables).unwrap();
                // What is published is from before: it stays right.
                model.check(&summary, &mut random);
                summary.layers = tables.layers();
                model.check(&summary, &mut random);
            }
            if random.random_ratio(1, 6) {
                let segments = summary.layers.segments;
                drop(tables);
                for name in names(&storage) {
                    match random.random_range(0..8) {
                        0 => storage.remove(&name).unwrap(),
                        1 => {
                            let bits = storage.bytes(&name).unwrap().len() as u64 * 8;
                            storage.flip_bit(&name, random.random_range(0..bits));
                        }
                        _ => {}
                    }
                }
                tables = open(&storage).unwrap();
                tables.begin(segments);
                make_missing(&tables, &model);
                mend(&tables, &model);
                summary.layers = tables.layers();
                model.check(&summary, &mut random);
            }
        }
        make_all(&tables).unwrap();
        assert!(tables.count() <= 3 * 3, "{} tables", tables.count());
        let segments = tables.layers().segments;
        drop(tables);
        // What a purge has forgotten is gone, and what is there is enough.
        let before = names(&storage);
        let again = reopen(&storage, &model, segments);
        model.check(&again, &mut random);
        assert_eq!(names(&storage), before);
    }
}

/// Reads all there is, and has made anew what is damaged.
fn mend(tables: &Tables, model: &Model) {
    loop {
        let layers = tables.layers();
        let mut read = layers.tables().map(|table| table.each(|_, _, _| ()));
        let Some(Err(error)) = read.find(Result::is_err) else {
            return;
        };
        assert!(matches!(error, TableError::Damaged { .. }), "{error}");
        assert!(tables.is_damaged());
        let made = tables.make_damaged_anew(|segment| Ok(model.sums_of(segment)));
        assert!(made.unwrap());
    }
}

fn filled(random: &mut StdRng, segments_count: u64) -> Model {
    let mut model = Model::default();
    for segment in 0..segments_count {
        let settled = (0..300).map(|_| settlement(random, segment));
        model.segments.push(settled.collect());
    }
    model
}

/// Wherever the machine stops, what is there is right, and the rest is made anew.
#[test]
fn every_operation_of_sum_tables_is_a_crash_point() {
    let segments_count = 6;
    for seed in Seeds::from_env(3) {
        let mut random = StdRng::seed_from_u64(seed);
        let model = filled(&mut random, segments_count);
        let before = FaultyStorage::new(seed);
        drop(segments_of(&before, segments_count));
        let run = |storage: &FaultyStorage| -> Result<(), MakeError> {
            let tables = open(storage)?;
            for segment in 0..segments_count {
                tables.seal(segment, model.sums_of(segment));
                make_all(&tables)?;
            }
            tables.purge(segments_count);
            make_all(&tables)
        };
        let quiet = before.copy();
        run(&quiet).unwrap();
        assert_eq!(names(&quiet), [""; 0]);
        for number in 0..quiet.operations() {
            let storage = before.copy();
            storage.crash_after_operation(number);
            assert!(run(&storage).is_err() || storage.is_stopped());
            let storage = storage.crash();
            let summary = reopen(&storage, &model, (0, segments_count));
            model.check(&summary, &mut random);
        }
    }
}

#[test]
fn an_operation_that_fails_is_tried_again() {
    let segments_count = 5;
    let mut random = StdRng::seed_from_u64(3);
    let model = filled(&mut random, segments_count);
    let before = FaultyStorage::new(3);
    drop(segments_of(&before, segments_count));
    let sealed = |storage: &FaultyStorage| {
        let tables = open(storage).unwrap();
        for segment in 0..segments_count {
            tables.seal(segment, model.sums_of(segment));
        }
        tables
    };
    let quiet = before.copy();
    make_all(&sealed(&quiet)).unwrap();
    for number in 1..=quiet.operations() {
        let storage = before.copy();
        storage.fail_operation(number);
        let tables = sealed(&storage);
        let failed = make_all(&tables);
        let mut summary = published(tables.layers());
        model.check(&summary, &mut random);
        assert!(failed.is_err(), "operation {number}");
        make_all(&tables).unwrap();
        assert_eq!(tables.owed(), 0);
        summary.layers = tables.layers();
        model.check(&summary, &mut random);
    }
}

/// A table that was being made when its segments were purged is not used, and not left behind.
#[test]
fn what_is_made_during_a_purge_is_thrown_away() {
    let mut random = StdRng::seed_from_u64(9);
    let model = filled(&mut random, 4);
    let storage = FaultyStorage::new(9);
    drop(segments_of(&storage, 6));
    let tables = open(&storage).unwrap();
    for segment in 0..4 {
        tables.seal(segment, model.sums_of(segment));
    }
    let before = tables.layers();
    let made = tables.build(0, 1, &model.sums_of(0)).unwrap();
    tables.purge(5);
    assert!(
        !tables
            .put(&before.layers[..1], vec![Arc::new(made)])
            .unwrap()
    );
    assert_eq!(names(&storage), [""; 0]);
    assert_eq!(tables.layers().layers.len(), 0);
    // Who had the layers before reads them on.
    let summary = published(before);
    model.check(&summary, &mut random);
}

/// A table that begins a segment later than its neighbour ends covers what had no settlements.
#[test]
fn segments_without_settlements_need_no_table() {
    let storage = FaultyStorage::new(2);
    drop(segments_of(&storage, 12));
    let tables = open(&storage).unwrap();
    let mut one = Recent::default();
    one.record(&processor(0), Millis(BEGUN), 7);
    for segment in 0..12 {
        let sums = match segment {
            3 | 9 => one.clone(),
            _ => Recent::default(),
        };
        tables.seal(segment, sums);
        make_all(&tables).unwrap();
    }
    let made = [
        "sums-0000000000-0000000004.table",
        "sums-0000000004-0000000010.table",
    ];
    assert_eq!(names(&storage), made);
    assert_eq!(tables.layers().segments, (0, 10));
    // All of them lost: each row of missing segments gets a table, with or without settlements.
    names(&storage)
        .iter()
        .for_each(|name| storage.remove(name).unwrap());
    let tables = open(&storage).unwrap();
    tables.begin((0, 11));
    let model = |segment| {
        if segment == 3 {
            one.clone()
        } else {
            Recent::default()
        }
    };
    let missing = tables.missing();
    assert_eq!(missing, (0..11).collect::<Vec<_>>());
    for segment in missing {
        tables.seal_missing(segment, model(segment), segment == 10);
    }
    assert_eq!(tables.missing(), [0; 0]);
    make_all(&tables).unwrap();
    let tables = open(&storage).unwrap();
    tables.begin((0, 11));
    assert_eq!(tables.missing(), [0; 0]);
}

/// The guide is as short as the page says, and every page is found through it.
#[test]
fn large_tables_keep_a_bounded_guide() {
    let mut indexed = Indexed {
        processor: processor(0),
        entries_count: 0,
        last: 0,
        payments_count: 0,
        amount: 0,
        guide: Vec::new(),
    };
    for page in 0..5 * GUIDE_MAX {
        indexed.entries_count = page * ENTRIES_PER_PAGE as u64 + 1;
        indexed.last = page;
        indexed.begin_page(page);
        assert!(indexed.is_sound(), "{page}");
        assert!(indexed.guide.len() as u64 <= GUIDE_MAX);
        let stride = indexed.stride();
        assert!(stride == 1 || indexed.pages() > GUIDE_MAX * stride / 2);
        let places = indexed.guide.iter().enumerate();
        let mut places = places.map(|(place, first)| place as u64 * stride == *first);
        assert!(page % 500 != 0 || places.all(|is_right| is_right));
    }
    let storage = FaultyStorage::new(1);
    drop(segments_of(&storage, 1));
    let tables = open(&storage).unwrap();
    let mut sums = Recent::default();
    let count = GUIDE_MAX * ENTRIES_PER_PAGE as u64 + 300;
    for number in 0..count {
        let sum = Sum {
            payments_count: 1,
            amount: 2,
        };
        sums.add(&processor(0), Millis(10 * number), sum);
    }
    tables.seal(0, sums);
    tables.make_owed().unwrap();
    let layers = tables.layers();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..3_000 {
        let first = random.random_range(0..count);
        let last = random.random_range(first..count);
        let range = Range {
            from: 10 * first - first.min(3),
            to: 10 * last + 4,
        };
        let mut totals = Totals::default();
        layers
            .add_between(range, Waiting::Allowed, &mut totals)
            .unwrap();
        assert_eq!(totals.into_summaries()[0].payments_count, last - first + 1);
    }
}

/// Whatever bytes a table has: it is not opened, or what is asked of it is answered or refused.
#[test]
fn fuzz_sum_tables() {
    let mut random = StdRng::seed_from_u64(11);
    let model = filled(&mut random, 1);
    let storage = FaultyStorage::new(11);
    drop(segments_of(&storage, 1));
    let tables = open(&storage).unwrap();
    tables.seal(0, model.sums_of(0));
    tables.make_owed().unwrap();
    let name = names(&storage).remove(0);
    let bytes = storage.bytes(&name).unwrap();
    let ranges = ranges(&mut random);
    let was_damaged = Cell::new(false);
    testkit::fuzz(&[&bytes], |mutated| {
        storage.alter(&name, |file| *file = mutated.to_vec());
        let (tables, _) = SumTables::open(&Arc::new(storage.clone()), Stop::default()).unwrap();
        let summary = published(tables.layers());
        if tables.count() == 0 {
            return;
        }
        for range in &ranges {
            match ask(&summary, *range) {
                Ok(answer) => assert_eq!(answer, model.between(*range)),
                Err(TableError::Damaged { .. }) => was_damaged.set(true),
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert!(was_damaged.get());
    assert!(bytes.len() > 2 * PAGE_BYTES);
}
