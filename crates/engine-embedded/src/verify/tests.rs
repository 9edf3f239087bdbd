//! The auditor finds what is wrong: a good history, with one thing changed at a time.

mod beside;
mod freezes;
mod history;
mod money;
mod parts;
mod payments;
mod resolutions;
mod reversals;
#[path = "../../tests/it/script.rs"]
mod script;

use super::Expected;
use history::History;

use journal::Hash;
use ledger::{AccountId, Event, TransferId};

/// A change to the good history, and what the auditor says of it.
type Case = (&'static str, fn(&mut History));

/// Checks each case upon a history of its own.
fn check(cases: &[Case]) {
    check_upon(&History::good(), cases);
}

fn check_upon(good: &History, cases: &[Case]) {
    for (expected, change) in cases {
        let mut history = good.clone();
        change(&mut history);
        let audit = history.audit();
        let found = audit.findings.iter().any(|f| f.what.contains(expected));
        assert!(found, "\"{expected}\" is not in {:#?}", audit.findings);
        assert!(audit.findings_count >= audit.findings.len() as u64);
    }
}

#[test]
fn a_good_history_is_clean() {
    let audit = History::good().audit();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.findings_count, 0);
    // a, b, c, d, two worlds, two processors.
    assert_eq!(audit.accounts_count, 8);
    assert_eq!((audit.transfers_count, audit.refusals_count), (11, 3));
    assert_eq!((audit.payments_count, audit.batches_count), (6, 2));
    assert!(audit.balances.values().all(|sum| *sum == 0));
}

#[test]
fn every_kind_of_event_is_in_a_good_history() {
    let mut variants = std::collections::BTreeSet::new();
    let histories = [History::good(), History::resolved(), History::frozen()];
    for record in histories.map(|history| history.frames.concat()).concat() {
        let name = format!("{:?}", record.event);
        let end = name.find(|c: char| !c.is_alphanumeric());
        variants.insert(name[..end.unwrap_or(name.len())].to_owned());
    }
    assert_eq!(variants.len(), 14, "{variants:?}");
}

#[test]
fn a_head_that_was_kept_elsewhere_is_looked_for() {
    let (storage, options) = History::good().written();
    let verify = |expected| {
        super::verify_expecting(storage.copy(), options.clone(), true, Some(expected)).unwrap()
    };
    let mut frames = vec![(0, Hash::default())];
    journal::scan(&storage, |visited| {
        if visited.last_in_frame {
            frames.push((visited.frame.sequence, visited.frame.hash));
        }
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap();
    assert!(frames.len() > 3);
    for (sequence, hash) in &frames {
        let verified = verify((*sequence, *hash));
        assert_eq!(verified.expected, Some(Expected::Met));
        assert!(verified.is_clean());
        let verified = verify((*sequence, Hash([1; 32])));
        assert_eq!(verified.expected, Some(Expected::Other(*hash)));
        assert!(!verified.is_clean());
    }
    let verified = verify((frames.len() as u64, frames[1].1));
    assert_eq!(verified.expected, Some(Expected::Beyond));
    assert!(!verified.is_clean());
}

#[test]
fn records_that_are_none_are_found() {
    let (storage, options) = History::good().written();
    let nothing = |_: journal::Visited<'_>| Ok::<(), std::convert::Infallible>(());
    let (mut journal, _) =
        journal::Journal::open(storage.clone(), options.clone(), nothing).unwrap();
    for bytes in [&[9, 1, 1][..], &[1, 0, 0, 0, 77], &[]] {
        journal.begin(10, 1).unwrap();
        journal.push(|buffer| buffer.extend_from_slice(bytes));
        journal.commit(1).unwrap();
    }
    drop(journal);
    let verified = super::verify(storage, options, true).unwrap();
    let found: Vec<_> = verified
        .audit
        .findings
        .iter()
        .map(|f| f.what.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "a record of version 9, which this version of Lastro does not know",
            "a record whose bytes are not an event",
            "a record whose bytes are not an event"
        ]
    );
    assert!(!verified.is_clean());
}

#[test]
fn no_more_findings_are_kept_than_a_reader_reads() {
    let mut history = History::good();
    let record = history.transfer(1).clone();
    history.frames.push(vec![record; 300]);
    let audit = history.audit();
    assert_eq!(audit.findings.len(), super::audit::FINDINGS_MAX);
    assert!(audit.findings_count > 600);
}

#[test]
fn batches_that_are_half_there_are_found() {
    let whole = "an atomic batch's members are not all right before it";
    check(&[
        (whole, |h| h.remove(|event| is_transfer(event, 11))),
        (whole, |h| h.remove(|event| is_transfer(event, 12))),
        (whole, |h| {
            // The members in a frame of their own.
            let at = h.frame_of(|event| matches!(event, Event::Batch(_)));
            let batch = h.frames[at].pop().unwrap();
            h.frames.insert(at + 1, vec![batch]);
        }),
        (whole, |h| {
            let refused = h
                .find(|event| matches!(event, Event::Refused { .. }))
                .clone();
            let at = h.frame_of(|event| matches!(event, Event::Batch(_)));
            let last = h.frames[at].len() - 1;
            h.frames[at].insert(last, refused);
        }),
        ("a batch id was used before", |h| {
            let at = h.frame_of(|event| matches!(event, Event::Batch(_)));
            let batch = h.frames[at].last().unwrap().clone();
            h.frames.push(vec![batch]);
        }),
        ("a failed batch names what is no member", |h| {
            h.batch(2).links.origin = 1;
        }),
        ("a failed batch names what is no member", |h| {
            if let Event::Batch(batch) = &mut h.batch(2).event {
                batch.failure.as_mut().unwrap().index = 2;
            }
        }),
        ("an atomic batch has no members, or too many", |h| {
            if let Event::Batch(batch) = &mut h.batch(2).event {
                batch.members_count = 0;
            }
        }),
    ]);
}

#[test]
fn accounts_that_break_a_rule_are_found() {
    check(&[
        ("an account was opened twice", |h| {
            h.again(|e| is_opened(e, "a"));
        }),
        ("an account was opened with totals", |h| {
            h.opened("a").credits_posted = 1;
        }),
        ("an account was opened without a limit", |h| {
            h.opened("c").limit = ledger::Limit::Unlimited;
        }),
        ("an account was opened without a limit", |h| {
            h.opened("c").limit = ledger::Limit::Credit(ledger::AMOUNT_MAX + 1);
        }),
        ("a changed account differs from its entries", |h| {
            if let Event::LimitChanged { account, .. } = &mut h.limit_changed().event {
                account.debits_posted += 1;
            }
        }),
        ("account a has passed its limit", |h| {
            if let Event::LimitChanged { account, .. } = &mut h.limit_changed().event {
                account.limit = ledger::Limit::Credit(0);
            }
            if let Event::Transfer(transfer) = &mut h.transfer(2).event {
                transfer.amount = 501;
            }
        }),
        (
            "the limit of an account that is not open was changed",
            |h| {
                if let Event::LimitChanged { id, .. } = &mut h.limit_changed().event {
                    *id = AccountId::new("nobody").unwrap();
                }
            },
        ),
        (
            "the limit of a closed or a system account was changed",
            |h| {
                if let Event::LimitChanged { id, .. } = &mut h.limit_changed().event {
                    *id = AccountId::new("world:BRL").unwrap();
                }
            },
        ),
        (
            "the limit of a closed or a system account was changed",
            |h| {
                let frame = h.frame_of(|event| matches!(event, Event::AccountClosed { .. }));
                h.frames[frame].reverse();
                if let Event::LimitChanged { id, .. } = &mut h.limit_changed().event {
                    *id = AccountId::new("d").unwrap();
                }
            },
        ),
        ("a closed or a system account was closed", |h| {
            h.again(|event| matches!(event, Event::AccountClosed { .. }));
        }),
        ("an account was closed with money in it", |h| {
            let a = h.limit_changed().event.clone();
            let Event::LimitChanged {
                id,
                account,
                timestamp,
                by: _,
            } = a
            else {
                return;
            };
            h.limit_changed().event = Event::AccountClosed {
                id,
                account,
                timestamp,
                by: None,
            };
        }),
        ("a refusal is remembered without an id", |h| {
            *h.refused(9).0 = ledger::Command::PurgePayments {
                expected_accepted_at: None,
            };
        }),
        ("a refusal's figures are not its account's", |h| {
            if let ledger::Refusal::InsufficientFunds { available, .. } = h.refused(9).1 {
                *available += 1;
            }
        }),
    ]);
}

fn is_transfer(event: &Event, id: u128) -> bool {
    let transfer = match event {
        Event::Transfer(transfer) => transfer,
        _ => return false,
    };
    transfer.id == TransferId::from_u128(id)
}

fn is_opened(event: &Event, account_id: &str) -> bool {
    matches!(event, Event::AccountOpened { id, .. } if id.as_str() == account_id)
}
