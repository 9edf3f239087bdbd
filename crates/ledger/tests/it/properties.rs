//! What is true of every history of commands, whatever they are and however the clock goes.

use std::collections::BTreeMap;

use ledger::reference::Books;
use ledger::{
    Account, AccountId, Batch, Command, Event, Outcome, Record, Refusal, State, Timestamp, UsedId,
};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use testkit::Seeds;

use crate::history::{History, check_books, check_newest};

/// A seed and a number of steps; a failure is shrunk to the fewest steps.
fn histories() -> impl Strategy<Value = (u64, u32)> {
    (any::<u64>().no_shrink(), 1_u32..150)
}

/// The same cases each time; `LASTRO_SEEDS` raises their number, `LASTRO_SEED` draws others.
fn config() -> ProptestConfig {
    let seeds = Seeds::from_env(24);
    ProptestConfig {
        cases: u32::try_from(seeds.count().clamp(24, 3_000)).unwrap_or(24),
        rng_seed: RngSeed::Fixed(seeds.first()),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

fn accounts(books: &Books) -> BTreeMap<AccountId, Account> {
    books
        .accounts()
        .map(|(id, account)| (id.clone(), *account))
        .collect()
}

/// The first outcome as it is told now: bit for bit, but for whether the account that was opened is
/// closed.
fn as_told_now(command: &Command, mut first: Outcome, books: &Books) -> Outcome {
    if let (Command::OpenAccount(_), Ok(Record::Account { id, account })) =
        (command, &mut first.result)
    {
        let now = books.state().account(id).unwrap();
        (account.closed, account.frozen) = (now.closed, now.frozen);
    }
    first
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn money_is_conserved_and_limits_hold_after_every_event((seed, steps) in histories()) {
        let live = History::new(seed, steps).books;
        let mut books = Books::default();
        for event in live.events() {
            books.record(event.clone());
            check_books(&books);
            check_newest(&books);
        }
        prop_assert!(books == live, "the events do not lead to the same books");
    }

    #[test]
    fn timestamps_strictly_increase_whatever_the_clock_does(
        (seed, steps) in histories(),
        clock in prop::collection::vec(1_700_000_000_u64..1_900_000_000, 1..8),
    ) {
        let mut history = History::new(seed, 0);
        for seconds in clock.iter().cycle().take(steps as usize) {
            let batches = history.next_batches();
            history.set_clock(Timestamp::from_nanos(seconds * 1_000_000_000));
            for batch in batches {
                history.apply(batch);
                check_books(&history.books);
            }
        }
        let timestamps: Vec<_> = history.books.events().iter().map(Event::timestamp).collect();
        prop_assert!(timestamps.is_sorted_by(|a, b| a < b));
        for (_, account) in history.books.accounts() {
            prop_assert!(account.available().is_none_or(|available| available <= ledger::AMOUNT_MAX));
        }
    }

    #[test]
    fn every_command_again_is_answered_as_at_first((seed, steps) in histories(), later in 0..2_000_000_000_u64) {
        let mut history = History::new(seed, steps);
        history.set_clock(Timestamp::from_nanos(history.ticker.last().as_nanos() + later));
        history.expire();
        let events_count = history.books.events().len();
        let before = accounts(&history.books);
        for (batch, first) in history.submitted.clone() {
            if batch.atomic_id().is_some() {
                if first.iter().any(|outcome| !is_conflict(outcome)) {
                    let again = history.apply(batch);
                    prop_assert_eq!(again, as_replayed(&first));
                }
                continue;
            }
            for (command, first) in batch.into_commands().into_iter().zip(first) {
                if is_remembered(&command, &first) {
                    let first = as_told_now(&command, first, &history.books);
                    let again = history.apply(Batch::one(command));
                    prop_assert_eq!(again, as_replayed(&[first]));
                }
            }
        }
        prop_assert_eq!(history.books.events().len(), events_count);
        prop_assert_eq!(accounts(&history.books), before);
    }

    #[test]
    fn refusals_and_repeats_change_no_account((seed, steps) in histories()) {
        let mut history = History::new(seed, 0);
        for _ in 0..steps {
            for batch in history.next_batches() {
                if batch.atomic_id().is_some() {
                    history.apply(batch);
                    continue;
                }
                for command in batch.into_commands() {
                    history.expire();
                    let before = accounts(&history.books);
                    let outcomes = history.apply(Batch::one(command.clone()));
                    let is_new = outcomes[0].result.is_ok() && !outcomes[0].replayed;
                    if !is_new {
                        prop_assert_eq!(&accounts(&history.books), &before, "{:?}", command);
                    }
                }
            }
        }
    }

    #[test]
    fn outcomes_depend_on_no_other_expiries_than_are_said((seed, steps) in histories()) {
        let mut history = History::new(seed, 0);
        for _ in 0..steps {
            for batch in history.next_batches() {
                let now = history.now();
                let (outcomes, books) = history.apply_aside(batch.clone());
                let expected = history.apply(batch.clone());
                history.expire();
                // Each event is a nanosecond of its own: what comes due in these few is refused
                // after many expiries and not after few.
                let soon = Timestamp::from_nanos(now.as_nanos() + 100_000);
                if history.books.expiries().due(soon).is_some() || history.ticker.last() > soon {
                    continue;
                }
                prop_assert_eq!(unstamped(outcomes), unstamped(expected), "{:?}", batch);
                prop_assert_eq!(totals(&books), totals(&history.books), "{:?}", batch);
            }
        }
    }

    #[test]
    fn a_failed_atomic_batch_leaves_no_trace((seed, steps) in histories()) {
        let mut history = History::new(seed, 0);
        for _ in 0..steps {
            for batch in history.next_batches() {
                history.expire();
                let before = history.books.clone();
                let outcomes = history.apply(batch.clone());
                let events = &history.books.events()[before.events().len()..];
                let has_failed = events.iter().any(has_failed);
                if batch.atomic_id().is_none() || !has_failed {
                    continue;
                }
                prop_assert_eq!(events.len(), 1);
                prop_assert_eq!(outcomes.len(), batch.commands().len());
                prop_assert_eq!(accounts(&history.books), accounts(&before));
                for command in batch.commands() {
                    check_unused(command, &before, &history.books);
                }
            }
        }
    }
}

/// The outcomes without their timestamps.
fn unstamped(mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    for outcome in &mut outcomes {
        match &mut outcome.result {
            Ok(Record::Transfer(transfer)) => transfer.timestamp = Timestamp::default(),
            Ok(Record::Account { account, .. }) => account.timestamp = Timestamp::default(),
            Ok(Record::Payment(payment)) => {
                payment.timestamp = Timestamp::default();
                payment.accepted_at = Timestamp::default();
            }
            Ok(Record::Purge { timestamp, .. }) => *timestamp = Timestamp::default(),
            Err(Refusal::PaymentsInOtherState { accepted_at }) => {
                *accepted_at = Timestamp::default();
            }
            Err(_) => {}
        }
    }
    outcomes
}

fn totals(books: &Books) -> BTreeMap<AccountId, Account> {
    let mut totals = accounts(books);
    for account in totals.values_mut() {
        account.timestamp = Timestamp::default();
    }
    totals
}

fn has_failed(event: &Event) -> bool {
    matches!(event, Event::Batch(batch) if batch.failure.is_some())
}

/// The command's id is used as it was before.
fn check_unused(command: &Command, before: &Books, after: &Books) {
    let (before, after) = (before.state(), after.state());
    match command.used_id() {
        Some(UsedId::Transfer(id)) => assert_eq!(before.transfer(id), after.transfer(id)),
        Some(UsedId::Payment(id)) => assert_eq!(before.payment(id), after.payment(id)),
        None => {}
    }
}

const fn is_conflict(outcome: &Outcome) -> bool {
    matches!(
        (&outcome.result, outcome.replayed),
        (Err(Refusal::ExistsWithDifferent(_)), false)
    )
}

/// Whether the outcome was given first then, and is remembered under the command's id.
fn is_remembered(command: &Command, outcome: &Outcome) -> bool {
    let takes_an_id = command.used_id().is_some();
    match &outcome.result {
        _ if outcome.replayed => false,
        Ok(_) => takes_an_id || matches!(command, Command::OpenAccount(_)),
        Err(
            Refusal::ExistsWithDifferent(_)
            | Refusal::AmountOutOfRange { .. }
            | Refusal::DescriptionInvalid
            | Refusal::AccountsMustDiffer
            | Refusal::AccountReserved { .. },
        ) => false,
        Err(_) => takes_an_id,
    }
}

fn as_replayed(outcomes: &[Outcome]) -> Vec<Outcome> {
    let results = outcomes.iter().map(|outcome| outcome.result.clone());
    results.map(Outcome::exists).collect()
}
