//! Events of another ledger, written into a new journal: whole, and crashed at every operation.

use std::sync::Arc;

use engine_embedded::{Import, ImportError, events, verify};
use journal::faulty::FaultyStorage;
use ledger::reference::ReferenceEngine;
use ledger::{Clock, Engine, Event, Timestamp};
use testkit::bank::in_seconds;
use testkit::{Generator, GeneratorOptions, ManualClock, Pause, Seeds};

use crate::bank::{small, wait};

/// Groups of events after which all is made durable.
const GROUPS_AT_ONCE: usize = 16;

/// What the reference engine makes of so many steps of the generator: each event by itself, or an
/// atomic batch's with its own.
fn groups(seed: u64, steps: usize) -> Vec<Vec<Event>> {
    let clock = Arc::new(ManualClock::default());
    let reference = ReferenceEngine::new(clock.clone());
    let mut generator = Generator::new(seed, GeneratorOptions::default());
    for _ in 0..steps {
        let step = reference.read(|books| generator.step(books));
        match step.pause {
            Pause::Advance(by) => clock.advance_ns(by),
            Pause::Until(at) => clock.advance_to(at),
            Pause::Back(by) => clock.set(Timestamp::from_nanos(clock.now().as_nanos() - by)),
        }
        wait(reference.submit(step.batches, in_seconds(60))).unwrap();
    }
    let events = reference.read(|books| books.events().to_vec());
    let mut groups: Vec<Vec<Event>> = Vec::new();
    for event in events {
        let members_count = match &event {
            Event::Batch(batch) if batch.failure.is_none() => batch.members_count as usize,
            _ => 0,
        };
        let mut group: Vec<Event> = groups
            .split_off(groups.len() - members_count)
            .into_iter()
            .flatten()
            .collect();
        group.push(event);
        groups.push(group);
    }
    groups
}

/// Takes in what is not there yet; ends at the first failure, as a process that dies.
fn import(storage: &FaultyStorage, groups: &[Vec<Event>]) -> Option<()> {
    let mut import = Import::open(storage.clone(), small(112, 104)).ok()?;
    let mut there = import.head().records;
    let mut left = groups.iter();
    while there > 0 {
        let group = left.next().unwrap();
        there = there
            .checked_sub(group.len() as u64)
            .expect("a group is there as a whole or not at all");
    }
    for (number, group) in (1..).zip(left) {
        import.append(group).ok()?;
        if number % GROUPS_AT_ONCE == 0 {
            import.commit().ok()?;
        }
    }
    import.commit().ok()
}

fn assert_whole(storage: &FaultyStorage, groups: &[Vec<Event>]) {
    let mut all = Vec::new();
    events(storage, |frame| {
        all.extend(frame);
        true
    })
    .unwrap();
    assert!(all == groups.concat());
    let verified = verify(storage.clone(), small(112, 104).journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
}

#[test]
fn every_kind_of_event_is_taken_in_and_keeps_the_rules() {
    let groups = groups(5, 900);
    let storage = FaultyStorage::new(5);
    import(&storage, &groups).unwrap();
    assert_whole(&storage, &groups);
}

#[test]
fn an_import_goes_on_after_a_crash_at_any_operation() {
    for seed in Seeds::from_env(3) {
        let groups = groups(seed, 40);
        let undisturbed = FaultyStorage::new(seed);
        import(&undisturbed, &groups).unwrap();
        for number in 0..=undisturbed.operations() {
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            // Whether it got to its end does not matter.
            let _ = import(&storage, &groups);
            let storage = storage.crash();
            import(&storage, &groups).unwrap();
            assert_whole(&storage, &groups);
        }
    }
}

#[test]
fn an_event_that_does_not_follow_is_refused_and_what_was_committed_stays() {
    let groups = groups(7, 200);
    let storage = FaultyStorage::new(7);
    let place = groups.iter().position(|group| {
        let transfer = group[0].transfer();
        transfer.is_some_and(|transfer| transfer.debit.is_some())
    });
    let place = place.unwrap();
    let mut import = Import::open(storage.clone(), small(112, 104)).unwrap();
    for group in &groups[..place] {
        import.append(group).unwrap();
    }
    import.commit().unwrap();
    let mut wrong = groups[place].clone();
    let Some(Event::Transfer(transfer)) = wrong.first_mut() else {
        panic!("{wrong:?}");
    };
    transfer.amount += 1;
    let refused = import.append(&wrong).unwrap_err();
    assert!(
        matches!(refused, ImportError::Unexpected { .. }),
        "{refused}"
    );
    drop(import);
    assert_whole(&storage, &groups[..place]);
}
