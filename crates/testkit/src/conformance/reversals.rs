//! Reversals that race.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    AcceptPayment, AccountId, Batch, Command, Currency, Engine, Millis, MoveMoney, Notes,
    OpenAccount, Outcome, PaymentExpected, PaymentId, PaymentStateName, ProcessorName, Record,
    ReverseTransfer, Standing, TransferId, UsedTransfer,
};
use tokio::task::JoinSet;

const AMOUNT: u64 = 100;
const PART: u64 = 7;
const REVERSALS: u128 = 40;

/// Reverses one transfer from many sides at once, over nodes of one ledger: what comes back is never more
/// than was moved, and what could come back does. A transfer between accounts, and a payment of the world's,
/// whose two accounts have no limit.
///
/// # Panics
///
/// Where the engines let it come out otherwise.
pub async fn check_racing_reversals(nodes: &[Arc<dyn Engine>]) {
    let node = &nodes[0];
    let open = |id: &str| {
        Command::OpenAccount(OpenAccount {
            id: account(id),
            currency: currency(),
            credit_limit: 1_000,
        })
    };
    let transfer = MoveMoney {
        id: TransferId::from_u128(1),
        debit_account_id: account("a"),
        credit_account_id: account("b"),
        amount: AMOUNT,
        description: "paid".into(),
        notes: Notes::NONE,
    };
    for command in [open("a"), open("b"), Command::Transfer(transfer)] {
        assert_eq!(one(node, command).await.code(), "created");
    }
    race(nodes, TransferId::from_u128(1), 1_000).await;
    let payment_id = PaymentId::from_u128(1);
    for command in payment(payment_id) {
        assert_eq!(one(node, command).await.code(), "created");
    }
    race(nodes, TransferId::of_payment(payment_id), 2_000).await;
}

async fn race(nodes: &[Arc<dyn Engine>], reverses: TransferId, ids_from: u128) {
    let mut reversals = JoinSet::new();
    for (number, node) in (0..REVERSALS).zip(nodes.iter().cycle()) {
        let command = Command::Reverse(ReverseTransfer {
            id: TransferId::from_u128(ids_from + number),
            reverses,
            amount: Some(PART),
            description: "refund".into(),
            notes: Notes::NONE,
        });
        let node = Arc::clone(node);
        reversals.spawn(async move { one(&node, command).await });
    }
    let outcomes = reversals.join_all().await;
    let fit = AMOUNT / PART;
    let mut created = Vec::new();
    for outcome in outcomes {
        match outcome.result {
            Ok(Record::Transfer(transfer)) => {
                created.push((transfer.reversal(), transfer.timestamp));
            }
            Ok(other) => panic!("no transfer: {other:?}"),
            Err(refusal) => assert_eq!(refusal.code(), "amount_exceeds_reversible"),
        }
    }
    created.sort_by_key(|(reversal, _)| reversal.map(|(_, reversed_amount)| reversed_amount));
    let expected = (1..=fit).map(|number| Some((reverses, number * PART)));
    let reversals = created.iter().map(|(reversal, _)| *reversal);
    assert!(reversals.eq(expected), "{created:?}");
    // Each is later than the one it follows.
    assert!(
        created.is_sorted_by(|(_, one), (_, next)| one < next),
        "{created:?}"
    );
    for node in nodes {
        let used = node.transfer(reverses, deadline()).await;
        let Ok(Some(UsedTransfer::Created(_, standing))) = used else {
            panic!("the transfer is not there: {used:?}");
        };
        let reversed_amount = fit * PART;
        assert_eq!(standing, Standing::Posted { reversed_amount });
    }
}

/// A payment of the world's, on its whole way.
fn payment(id: PaymentId) -> [Command; 3] {
    let expected = |state, attempt| PaymentExpected { state, attempt };
    [
        Command::AcceptPayment(AcceptPayment {
            id,
            account_id: None,
            currency: currency(),
            amount: AMOUNT,
            description: "paid out".into(),
            notes: Notes::NONE,
        }),
        Command::SendPayment {
            id,
            expected: expected(PaymentStateName::Accepted, 0),
            processor: ProcessorName::new("default").expect("a name of letters"),
            requested_at: Millis(1),
        },
        Command::SettlePayment {
            id,
            expected: expected(PaymentStateName::Sent, 1),
            requested_at: Millis(1),
        },
    ]
}

async fn one(node: &Arc<dyn Engine>, command: Command) -> Outcome {
    let answer = node.submit(vec![Batch::one(command)], deadline()).await;
    match answer.map(|mut batches| batches.remove(0).remove(0)) {
        Ok(outcome) => outcome,
        Err(unavailable) => panic!("the ledger does not answer: {unavailable}"),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).expect("an id of letters")
}

fn currency() -> Currency {
    Currency::new("BRL").expect("a currency")
}
