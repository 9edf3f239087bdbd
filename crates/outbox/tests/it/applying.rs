//! Order, repetitions, and micro-batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use ledger::{Engine, Unavailable};
use outbox::OutboxOptions;

use crate::bank::{Ledger, Manner, QUEUED, accept, account, drained, open, operation, small, soon};

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_applied_once_and_in_order_whatever_the_ledger_does() {
    let ledger = Ledger::start(Manner::Moody).await;
    let outbox = open(FaultyStorage::new(3), &small(), &ledger);
    for number in 1..=400 {
        assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
    }
    drained(&outbox).await;
    assert_eq!(ledger.recorded(), (1..=400).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_waits_goes_together() {
    let ledger = Ledger::start(Manner::Away(Unavailable::Overloaded)).await;
    let outbox = open(FaultyStorage::new(3), &small(), &ledger);
    for number in 1..=1_500 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    let batches = ledger.batches();
    assert_eq!(batches[batches.len() - 2..], [1_000, 500]);
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_in_time_is_given_less_at_a_time() {
    let ledger = Ledger::start(Manner::Silent).await;
    let options = OutboxOptions {
        submit_timeout: Duration::from_millis(15),
        ..small()
    };
    let outbox = open(FaultyStorage::new(3), &options, &ledger);
    for number in 1..=64 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    let deadline = soon();
    // The first may have come alone.
    loop {
        let batches = ledger.batches();
        if batches.len() > 1 && batches.last() == Some(&1) {
            break;
        }
        assert!(Instant::now() < deadline, "{batches:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    let batches = ledger.batches();
    assert!(batches.ends_with(&[1, 2, 4, 8, 16, 32, 1]), "{batches:?}");
    assert_eq!(ledger.recorded(), (1..=64).collect::<Vec<_>>());
}

/// What the ledger cannot decide waits, with what is behind it; what came before it does not.
#[tokio::test]
async fn an_operation_that_meets_damage_does_not_hold_up_those_before_it() {
    let ledger = Ledger::start(Manner::Away(Unavailable::LedgerUnavailable)).await;
    let outbox = open(FaultyStorage::new(3), &small(), &ledger);
    for number in 1..=64 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    ledger.behave(Manner::Damaged(60));
    let deadline = soon();
    while outbox.depth() > 5 {
        assert!(Instant::now() < deadline, "{} are queued", outbox.depth());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(ledger.recorded(), (1..=59).collect::<Vec<_>>());
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    assert_eq!(ledger.recorded(), (1..=64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_share_accounts_and_ids_apply_each_operation_once() {
    let ledger = Ledger::start(Manner::Moody).await;
    let nodes: Vec<_> = (0..3)
        .map(|seed| Arc::new(open(FaultyStorage::new(seed), &small(), &ledger)))
        .collect();
    // A third of the operations comes to every node.
    let senders = nodes.iter().zip(0_u128..).map(|(node, index)| {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            for number in (1..=300).filter(|number| number % 3 == 0 || number % 3 == index) {
                accept(&node, operation(number)).await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    for node in &nodes {
        drained(node).await;
    }
    let mut recorded = ledger.recorded();
    recorded.sort_unstable();
    assert_eq!(recorded, (1..=300).collect::<Vec<_>>());
    let mut sum = 0;
    for id in ["a", "b", "c", "d"] {
        let account = ledger.account(account(id), soon()).await.unwrap().unwrap();
        sum += account.balance();
    }
    assert_eq!(sum, 4_000_000);
}
