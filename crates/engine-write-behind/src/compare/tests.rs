//! What becomes of Redis, state by state.

use ledger::Timestamp;
use uuid::Uuid;

use super::*;
use crate::epoch::epoch_of;

const LEDGER: [u8; 16] = [7; 16];

fn behind(epoch: &str, position: u64) -> Behind {
    Behind {
        ledger_id: Uuid::from_bytes(LEDGER),
        epoch: epoch.to_owned(),
        began: Some(1),
        position,
        newest: Timestamp::default(),
    }
}

fn mark(epoch: &str, position: u64, let_go: u64, stream_begin: Option<u64>) -> Mark {
    Mark {
        epoch: epoch.to_owned(),
        ledger: LEDGER,
        position,
        trimmed: let_go,
        let_go,
        stream_begin,
        is_in_session: false,
        is_old_format: false,
    }
}

fn judged(mark: &Mark, persisted: u64, history: History) -> String {
    let taken = behind(&epoch_of(4, 0), persisted);
    match judge(&taken, Some(mark), history) {
        Ok(verdict) => format!("{verdict:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn stores_that_agree_are_kept_and_others_mended_or_refused() {
    let own = epoch_of(3, 9);
    for (position, let_go, begin, persisted, says) in [
        (10, 10, None, 10, "Keep"),
        (12, 10, Some(11), 10, "Keep"),
        (12, 8, Some(9), 10, "Keep"),
        (9, 9, None, 10, "lost calls that are persisted"),
        (
            12,
            11,
            Some(12),
            10,
            "let go of everything up to position 11",
        ),
        (12, 10, Some(12), 10, "begins after the call"),
        (12, 10, None, 10, "begins after the call"),
    ] {
        let said = judged(
            &mark(&own, position, let_go, begin),
            persisted,
            History::WentOn(None),
        );
        assert!(said.contains(says), "{position} {let_go}: {said}");
    }
}

#[test]
fn a_redis_of_an_older_epoch_is_kept_where_the_ledger_went_on_with_all_of_it() {
    let older = mark(&epoch_of(2, 9), 12, 10, Some(11));
    for (from, says) in [
        (12, "Keep"),
        (20, "Keep"),
        (11, "without which the ledger went on"),
    ] {
        let said = judged(&older, 10, History::WentOn(Some(from)));
        assert!(said.contains(says), "{from}: {said}");
    }
}

#[test]
fn a_database_that_lost_epochs_is_refused() {
    for history in [History::Unknown, History::Gap] {
        let newer = mark(&epoch_of(5, 9), 12, 10, Some(11));
        let said = judged(&newer, 10, history);
        assert!(said.contains("does not know"), "{said}");
    }
}

#[test]
fn the_format_before_is_rebuilt_once_everything_is_persisted() {
    let mut old = mark("0123456789abcdef", 10, 10, None);
    old.is_old_format = true;
    let said = judged(&old, 10, History::WentOn(None));
    assert!(said.contains("Rebuild"), "{said}");
    let said = judged(&old, 9, History::WentOn(None));
    assert!(said.contains("until everything is persisted"), "{said}");
}

#[test]
fn only_a_redis_in_use_where_nothing_has_gone_back_is_joined() {
    let epoch = epoch_of(3, 9);
    let newest = |position| Newest {
        epoch: epoch_of(3, 9),
        position,
    };
    let mut living = mark(&epoch, 12, 10, Some(11));
    living.is_in_session = true;
    let (before, after) = (behind(&epoch, 9), behind(&epoch, 11));
    assert!(is_agreed(&before, &living, &after, None));
    assert!(is_agreed(&before, &living, &after, Some(&newest(12))));
    // Redis went back, to before what this node or the database has.
    assert!(!is_agreed(&before, &living, &after, Some(&newest(13))));
    assert!(!is_agreed(
        &behind(&epoch, 13),
        &living,
        &behind(&epoch, 13),
        None
    ));
    // The database did.
    assert!(!is_agreed(&before, &living, &behind(&epoch, 9), None));
    // Another epoch meanwhile, one not confirmed, and a Redis that nobody compared.
    assert!(!is_agreed(
        &before,
        &living,
        &behind(&epoch_of(4, 1), 11),
        None
    ));
    let unconfirmed = Behind {
        began: None,
        ..after.clone()
    };
    assert!(!is_agreed(&before, &living, &unconfirmed, None));
    living.is_in_session = false;
    assert!(!is_agreed(&before, &living, &after, None));
}
