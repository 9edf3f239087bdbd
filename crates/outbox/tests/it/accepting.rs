//! What is accepted, what is the same operation, and what is not taken.

use std::time::{Duration, Instant};

use journal::FileStorage;
use journal::faulty::FaultyStorage;
use ledger::{TransferId, Unavailable};
use outbox::{
    Accepted, NotAccepted, Operation, OperationState, Operations, OutboxOptions, OutboxStatus,
};

use crate::bank::{
    Ledger, Manner, QUEUED, accept, drained, open, operation, small, soon, transfer,
};

const AWAY: Manner = Manner::Away(Unavailable::LedgerUnavailable);

fn code(answer: Result<Accepted, NotAccepted>) -> &'static str {
    match answer {
        Err(NotAccepted::Refused(refusal)) => refusal.code(),
        Err(NotAccepted::Unavailable(why)) => why.code(),
        Ok(accepted) => panic!("{accepted:?}"),
    }
}

#[tokio::test]
async fn operations_are_accepted_while_the_ledger_is_down_and_applied_when_it_is_back() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ledger = Ledger::start(AWAY).await;
    let outbox = open(FileStorage::open(folder.path()).unwrap(), &small(), &ledger);
    for number in 1..=100 {
        assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
        let id = TransferId::from_u128(number);
        assert_eq!(outbox.state(id), Some(OperationState::Queued));
    }
    assert_eq!((outbox.depth(), ledger.recorded().len()), (100, 0));
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    assert_eq!(ledger.recorded(), (1..=100).collect::<Vec<_>>());
    assert_eq!(
        outbox.state(TransferId::from_u128(1)),
        None,
        "the ledger knows"
    );
    assert_eq!(outbox.stop(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn the_same_id_is_the_same_operation_wherever_it_stands() {
    let ledger = Ledger::start(AWAY).await;
    let outbox = open(FaultyStorage::new(1), &small(), &ledger);
    let other = |amount| Operation::new(transfer(1, "b", "c", amount)).unwrap();
    // At once, so that some meet in one frame.
    let same = (0..20).map(|_| accept(&outbox, operation(1)));
    let mut first_count = 0;
    for answer in futures_join(same).await {
        let accepted = answer.unwrap();
        assert_eq!(accepted.state, OperationState::Queued);
        first_count += u32::from(!accepted.replayed);
    }
    assert_eq!((first_count, outbox.depth()), (1, 1));
    assert_eq!(
        code(accept(&outbox, other(2)).await),
        "exists_with_different_amount"
    );
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    let replayed = Accepted {
        replayed: true,
        state: OperationState::Applied,
    };
    assert_eq!(accept(&outbox, operation(1)).await, Ok(replayed));
    assert_eq!(
        code(accept(&outbox, other(2)).await),
        "exists_with_different_amount"
    );
    assert_eq!(ledger.recorded(), [1]);
}

async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        waiting.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}

#[tokio::test]
async fn a_refusal_is_told_again_and_a_conflict_is_told_here() {
    let ledger = Ledger::start(Manner::Well).await;
    let outbox = open(FaultyStorage::new(1), &small(), &ledger);
    let too_much = || Operation::new(transfer(1, "a", "b", 9_000_000)).unwrap();
    assert_eq!(accept(&outbox, too_much()).await, Ok(QUEUED));
    drained(&outbox).await;
    let replayed = Accepted {
        replayed: true,
        state: OperationState::Refused("insufficient_funds"),
    };
    assert_eq!(accept(&outbox, too_much()).await, Ok(replayed));
    // The outbox of another node: only the ledger knows the id.
    let elsewhere = open(FaultyStorage::new(2), &small(), &ledger);
    let other = Operation::new(transfer(1, "a", "b", 5)).unwrap();
    assert_eq!(accept(&elsewhere, other).await, Ok(QUEUED));
    drained(&elsewhere).await;
    let refused = OperationState::Refused("exists_with_different_amount");
    assert_eq!(elsewhere.state(TransferId::from_u128(1)), Some(refused));
    assert_eq!(ledger.recorded(), [1]);
}

#[tokio::test]
async fn past_the_quota_nothing_is_taken_until_some_are_applied() {
    let quotas = [
        OutboxOptions {
            bytes_max: 4 * (16 << 10),
            ..small()
        },
        OutboxOptions {
            operations_max: 50,
            ..small()
        },
    ];
    for options in quotas {
        let ledger = Ledger::start(AWAY).await;
        let storage = FaultyStorage::new(1);
        let outbox = open(storage.clone(), &options, &ledger);
        let mut number = 0;
        let refused = loop {
            number += 1;
            match accept(&outbox, operation(number)).await {
                Ok(QUEUED) => {}
                refused => break refused,
            }
        };
        assert_eq!(code(refused), "overloaded");
        assert_eq!(outbox.status(), OutboxStatus::Overloaded);
        let depth = outbox.depth();
        assert!(depth >= 50, "{depth}");
        assert_eq!(depth as u128, number - 1);
        let again = accept(&outbox, operation(1)).await.unwrap();
        assert!(again.replayed, "what is queued is known all the same");
        ledger.behave(Manner::Well);
        drained(&outbox).await;
        ready(&outbox).await;
        assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
        drained(&outbox).await;
        assert_eq!(ledger.recorded(), (1..=number).collect::<Vec<_>>());
    }
}

/// Until operations are taken again; nobody has to send one for that.
async fn ready<S: journal::Storage>(outbox: &outbox::Outbox<S>) {
    let deadline = soon();
    while outbox.status() != OutboxStatus::Ready {
        assert!(Instant::now() < deadline, "{:?}", outbox.status());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_operation_past_its_deadline_is_not_taken() {
    let ledger = Ledger::start(AWAY).await;
    let outbox = open(FaultyStorage::new(1), &small(), &ledger);
    let answer = outbox.accept(operation(1), Instant::now()).await;
    assert!(["overloaded", "timeout"].contains(&code(answer)));
    assert_eq!(accept(&outbox, operation(2)).await, Ok(QUEUED));
    assert_eq!(outbox.depth(), 1);
}

#[tokio::test]
async fn after_a_stop_nothing_is_taken_and_the_rest_stays_on_the_disk() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    let outbox = open(storage.clone(), &small(), &ledger);
    for number in 1..=30 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    assert_eq!(outbox.stop(Duration::from_millis(100)).await, 30);
    assert_eq!(
        code(accept(&outbox, operation(31)).await),
        "ledger_unavailable"
    );
    drop(outbox);
    // The lock is free, and the next life begins where this one ended.
    let outbox = open(storage.clone(), &small(), &ledger);
    assert_eq!(outbox.depth(), 30);
    ledger.behave(Manner::Well);
    assert_eq!(outbox.stop(Duration::from_secs(10)).await, 0);
    assert_eq!(ledger.recorded(), (1..=30).collect::<Vec<_>>());
    drop(outbox);
    let outbox = open(storage, &small(), &ledger);
    assert_eq!(outbox.depth(), 0, "the last mark was written");
}

#[tokio::test]
async fn a_folder_has_one_outbox_at_a_time() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    let _outbox = open(storage.clone(), &small(), &ledger);
    let engine = ledger.clone() as std::sync::Arc<dyn ledger::Engine>;
    let clock = std::sync::Arc::new(testkit::RealClock::default());
    let second = outbox::Outbox::open(storage, &small(), engine, clock);
    assert!(second.err().unwrap().to_string().contains("is in use by"));
}
