//! What the challenge's processors do, with time that is paused.

use std::time::Duration;

use processor::{Payment, Reply};
use tokio::time::Instant;

use crate::support::{ms, payment, processor};

#[tokio::test(start_paused = true)]
async fn an_id_is_recorded_once_whatever_comes_with_it() {
    let processor = processor();
    let first = payment();
    assert_eq!(processor.pay(first).await, Reply::Recorded);
    assert_eq!(processor.pay(first).await, Reply::AlreadyRecorded);
    let other = Payment {
        amount: "1".parse().unwrap(),
        ..first
    };
    assert_eq!(processor.pay(other).await, Reply::AlreadyRecorded);
    assert_eq!(processor.payment(first.correlation_id), Some(first));
    assert_eq!(processor.payments(), [first]);
}

#[tokio::test(start_paused = true)]
async fn the_failure_switch_counts_after_the_delay() {
    let processor = processor();
    processor.set_delay(ms(100));
    let start = Instant::now();
    let on_its_way = tokio::spawn({
        let processor = processor.clone();
        async move { processor.pay(payment()).await }
    });
    tokio::time::sleep(ms(50)).await;
    assert!(!processor.set_failing(true));
    assert_eq!(on_its_way.await.unwrap(), Reply::Failing);
    assert_eq!(start.elapsed(), ms(100));
    assert_eq!(processor.payments(), []);
    // And the other way round: failing when it came, working when it was due.
    let second = payment();
    let on_its_way = tokio::spawn({
        let processor = processor.clone();
        async move { processor.pay(second).await }
    });
    tokio::time::sleep(ms(50)).await;
    processor.set_failing(false);
    assert_eq!(on_its_way.await.unwrap(), Reply::Recorded);
    // What fails is not looked up first: a repeat fails, too.
    processor.set_failing(true);
    assert_eq!(processor.pay(second).await, Reply::Failing);
    assert_eq!(processor.payments(), [second]);
}

#[tokio::test(start_paused = true)]
async fn a_payment_keeps_the_delay_it_came_under() {
    let processor = processor();
    processor.set_delay(ms(1_000));
    let start = Instant::now();
    let slow = tokio::spawn({
        let processor = processor.clone();
        async move { processor.pay(payment()).await }
    });
    tokio::time::sleep(ms(10)).await;
    assert_eq!(processor.set_delay(ms(0)), ms(1_000));
    assert_eq!(processor.pay(payment()).await, Reply::Recorded);
    assert_eq!(start.elapsed(), ms(10));
    assert_eq!(slow.await.unwrap(), Reply::Recorded);
    assert_eq!(start.elapsed(), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_is_recorded_all_the_same() {
    let processor = processor();
    processor.set_delay(ms(100));
    let left = payment();
    let waited = tokio::time::timeout(ms(10), processor.pay(left)).await;
    assert!(waited.is_err());
    assert_eq!(processor.payment(left.correlation_id), None);
    tokio::time::sleep(ms(91)).await;
    assert_eq!(processor.payment(left.correlation_id), Some(left));
}

/// Starts so many payments and returns when all of them have come.
async fn start(
    processor: &processor::Processor,
    count: usize,
) -> Vec<tokio::task::JoinHandle<(Reply, Instant)>> {
    let tasks = (0..count)
        .map(|_| {
            let processor = processor.clone();
            tokio::spawn(async move { (processor.pay(payment()).await, Instant::now()) })
        })
        .collect();
    // Time that is paused only goes on when nothing else can.
    tokio::time::sleep(ms(1)).await;
    tasks
}

#[tokio::test(start_paused = true)]
async fn eight_hundred_at_once_five_hundred_wait_and_no_more() {
    let processor = processor();
    processor.set_delay(Duration::from_secs(2));
    let begin = Instant::now();
    let tasks = start(&processor, 1_300).await;
    let one_more = payment();
    assert_eq!(processor.pay(one_more).await, Reply::Busy);
    let mut after: Vec<u64> = Vec::new();
    for task in tasks {
        let (reply, at) = task.await.unwrap();
        assert_eq!(reply, Reply::Recorded);
        after.push((at - begin).as_secs());
    }
    // With a delay of 2 s that is 400 payments per second.
    assert_eq!(after.iter().filter(|after| **after == 2).count(), 800);
    assert_eq!(after.iter().filter(|after| **after == 4).count(), 500);
    assert_eq!(processor.payments().len(), 1_300);
    assert_eq!(processor.payment(one_more.correlation_id), None);
    assert_eq!(processor.pay(one_more).await, Reply::Recorded);
}

#[tokio::test(start_paused = true)]
async fn the_health_is_told_once_in_five_seconds() {
    let processor = processor();
    processor.set_delay(ms(7));
    let begin = Instant::now();
    let health = processor.health().await.unwrap();
    assert_eq!((health.failing, health.min_response_time), (false, 7));
    let held: Vec<_> = (0..3)
        .map(|_| {
            let processor = processor.clone();
            tokio::spawn(async move { (processor.health().await, begin.elapsed().as_secs()) })
        })
        .collect();
    tokio::time::sleep(ms(1)).await;
    // What is told is how things are then, not when it was asked.
    processor.set_failing(true);
    let mut told = Vec::new();
    for task in held {
        let (health, after) = task.await.unwrap();
        told.push((health.map(|health| health.failing), after));
    }
    assert_eq!(told, [(Some(true), 5), (Some(true), 10), (None, 0)]);
}
