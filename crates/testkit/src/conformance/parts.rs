//! Parts of one pending transfer that race.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    AccountId, Batch, Command, Currency, Engine, MoveMoney, Notes, OpenAccount, Outcome,
    PendingState, Standing, TransferId, UsedTransfer,
};
use tokio::task::JoinSet;

const AMOUNT: u64 = 100;
const PART: u64 = 7;
const PARTS: u128 = 40;
const PENDING_ID: TransferId = TransferId::from_u128(1);

/// Posts parts of one pending transfer from many sides at once, over nodes of one ledger: never more is posted
/// than was reserved, and what could be posted is. The last post takes what is left.
///
/// # Panics
///
/// Where the engines let it come out otherwise.
pub async fn check_racing_parts(nodes: &[Arc<dyn Engine>]) {
    let node = &nodes[0];
    let open = |id: &str| {
        Command::OpenAccount(OpenAccount {
            id: account(id),
            currency: currency(),
            credit_limit: AMOUNT,
        })
    };
    let pend = Command::Pend {
        transfer: MoveMoney {
            id: PENDING_ID,
            debit_account_id: account("a"),
            credit_account_id: account("b"),
            amount: AMOUNT,
            description: "held".into(),
            notes: Notes::NONE,
        },
        timeout_s: 0,
    };
    for command in [open("a"), open("b"), pend] {
        assert_eq!(one(node, command).await.code(), "created");
    }
    let mut parts = JoinSet::new();
    for (number, node) in (0..PARTS).zip(nodes.iter().cycle()) {
        let command = Command::PostPart {
            id: TransferId::from_u128(1_000 + number),
            pending_id: PENDING_ID,
            amount: PART,
        };
        let node = Arc::clone(node);
        parts.spawn(async move { one(&node, command).await });
    }
    let fit = AMOUNT / PART;
    let mut created = 0;
    for outcome in parts.join_all().await {
        match outcome.code() {
            "created" => created += 1,
            code => assert_eq!(code, "amount_exceeds_pending"),
        }
    }
    assert_eq!(created, fit);
    let left_amount = AMOUNT - fit * PART;
    for node in nodes {
        let state = PendingState::Pending;
        let expected = Standing::Pending { state, left_amount };
        assert_eq!(standing(node).await, expected);
    }
    let last = Command::Post {
        id: TransferId::from_u128(2),
        pending_id: PENDING_ID,
        amount: None,
    };
    let Some(node) = nodes.last() else {
        panic!("there is no node");
    };
    assert_eq!(one(node, last).await.code(), "created");
    for node in nodes {
        let end = node.pending_end(PENDING_ID, deadline()).await;
        let posted = end.map(|end| end.and_then(|end| end.posted_amount));
        assert_eq!(posted, Ok(Some(AMOUNT)));
        for (id, balance) in [("a", -AMOUNT.cast_signed()), ("b", AMOUNT.cast_signed())] {
            let Ok(Some(account)) = node.account(account(id), deadline()).await else {
                panic!("account {id} is not there");
            };
            assert_eq!((account.balance(), account.debits_pending), (balance, 0));
        }
    }
}

async fn standing(node: &Arc<dyn Engine>) -> Standing {
    match node.transfer(PENDING_ID, deadline()).await {
        Ok(Some(UsedTransfer::Created(_, standing))) => standing,
        used => panic!("the pending transfer is not there: {used:?}"),
    }
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
