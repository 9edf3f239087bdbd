//! No schedule loses an answered write that a store still has, and the simulation would see it.

use testkit::Seeds;

use super::{Bug, Tally, run};

/// How many seeds a protection that is taken out has to be missed within.
const FOUND_WITHIN: u64 = 2_000;

#[test]
fn no_schedule_loses_what_a_store_still_has() {
    let mut sum = Tally::default();
    let seeds = Seeds::from_env(1_500);
    let is_whole = seeds.count() >= 1_500;
    for seed in seeds {
        let tally = run(seed, None).unwrap_or_else(|broken| panic!("LASTRO_SEED={seed}: {broken}"));
        sum = sum.plus(tally);
    }
    println!("{sum:?}");
    if is_whole {
        let seen = [
            sum.answered,
            sum.persisted,
            sum.joined,
            sum.kept,
            sum.rebuilt,
            sum.refused,
            sum.doubts,
            sum.excused,
            sum.alarms,
            sum.faults,
            sum.partial,
            sum.late,
            sum.unkept,
            sum.split,
            sum.elsewhere,
            sum.behind,
            sum.behind_own,
            sum.tails,
        ];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
    }
}

fn is_found(bug: Bug, as_this: &str) {
    let broken = |seed| {
        run(seed, Some(bug))
            .err()
            .filter(|why| why.contains(as_this))
    };
    let found = (1..=FOUND_WITHIN).find_map(|seed| Some((seed, broken(seed)?)));
    let Some((seed, broken)) = found else {
        panic!("{bug:?} was not found within {FOUND_WITHIN} seeds");
    };
    println!("{bug:?}: LASTRO_SEED={seed}: {broken}");
}

#[test]
fn a_comparison_of_stores_that_move_is_found() {
    is_found(Bug::JudgedUnderWay, "no fault has taken it");
}

#[test]
fn an_epoch_that_goes_on_is_found() {
    is_found(Bug::EpochKept, "went apart");
}

#[test]
fn positions_that_nobody_looks_at_are_found() {
    is_found(Bug::PositionsUnseen, "went apart");
}

#[test]
fn a_writer_that_does_not_judge_the_database_is_found() {
    is_found(Bug::WriterUnjudged, "the database has a hole");
}

#[test]
fn settings_that_are_looked_at_once_are_found() {
    is_found(Bug::SettingsOnce, "set to keep nothing");
}

#[test]
fn a_redis_that_is_taken_while_another_node_goes_on_with_another_one_is_found() {
    is_found(Bug::OthersUnwatched, "while");
}

#[test]
fn a_start_behind_what_was_reported_is_found() {
    is_found(Bug::ReportsUnread, "went on after position");
}

#[test]
fn a_node_that_goes_on_without_what_it_has_answered_is_found() {
    is_found(Bug::OwnLossTaken, "went on after position");
}
