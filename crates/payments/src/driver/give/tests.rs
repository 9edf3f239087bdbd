//! Commands of which one needs a damaged record.

use std::sync::Arc;

use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, Answer, Clock, Currency, Millis, ProcessorSummary, Timestamp, forward_reads,
};
use tokio::sync::mpsc;

use super::*;

const DAMAGED: u128 = 8;
/// In the half of the damaged one.
const SLOW: u128 = 5;

struct Standstill;

impl Clock for Standstill {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000_000)
    }
}

/// Refuses every call with a command about the damaged payment, and never answers one that has the slow
/// one's without it.
struct Damaged {
    behind: ReferenceEngine,
}

impl Engine for Damaged {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let is_about = |number: u128| {
            batches.iter().flat_map(Batch::commands).any(|command| {
                matches!(command, Command::AcceptPayment(it) if it.id.to_u128() == number)
            })
        };
        if is_about(DAMAGED) {
            return Box::pin(std::future::ready(Err(Unavailable::StorageDamaged)));
        }
        if is_about(SLOW) {
            return Box::pin(std::future::pending());
        }
        self.behind.submit(batches, deadline)
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.behind.payments_summary(from, to, deadline)
    }

    forward_reads!(behind);
}

fn damaged() -> Damaged {
    let behind = ReferenceEngine::new(Arc::new(Standstill));
    Damaged { behind }
}

fn commands(numbers: impl Iterator<Item = u128>) -> Vec<(PaymentId, Command)> {
    let accept = |number| {
        let id = PaymentId::from_u128(number);
        let accept = AcceptPayment {
            id,
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1_990,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        };
        (id, Command::AcceptPayment(accept))
    };
    numbers.map(accept).collect()
}

#[tokio::test]
async fn what_is_not_beside_the_damaged_one_does_not_wait_for_it() {
    let engine = damaged();
    let (reports, mut received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let report = |id, result: Result<Outcome, _>| reports.send((id, result.is_ok())).unwrap();
        give(&engine, commands(1..=8), report).await;
    });
    // The second half is never answered to its end.
    for number in 1..=4 {
        let reported = tokio::time::timeout(Duration::from_secs(20), received.recv());
        let expected = (PaymentId::from_u128(number), true);
        assert_eq!(reported.await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn the_damaged_one_alone_fails() {
    let engine = damaged();
    let mut failed = Vec::new();
    let mut reported_count = 0;
    give(
        &engine,
        commands((1..=12).filter(|it| *it != SLOW)),
        |id, result| {
            reported_count += 1;
            if let Err(unavailable) = result {
                failed.push((id.to_u128(), unavailable));
            }
        },
    )
    .await;
    assert_eq!(failed, [(DAMAGED, Unavailable::StorageDamaged)]);
    assert_eq!(reported_count, 11);
}
