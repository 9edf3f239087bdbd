//! An account that more has gone through than it could ever hold.

use std::time::{Duration, Instant};

use ledger::{
    AMOUNT_MAX, Account, AccountId, Batch, Command, Currency, Engine, MoveMoney, Notes,
    OpenAccount, TransferId,
};

/// How often the most that an account can hold goes through it: an odd number, so that its totals are no multiple of two.
const TIMES: u64 = 5;

/// Moves more through an account than a double holds exactly: its totals are exact, and what it can hold is bounded as ever.
///
/// # Panics
///
/// Where the engine lets it come out otherwise.
pub async fn check_large_totals(engine: &dyn Engine) {
    let open = Command::OpenAccount(OpenAccount {
        id: account_id("a"),
        currency: Currency::new("BRL").expect("a currency"),
        credit_limit: 0,
    });
    assert_eq!(one(engine, open).await, "created");
    let mut ids = (1..).map(TransferId::from_u128);
    let mut moved = |debit: &str, credit: &str, amount| {
        Command::Transfer(MoveMoney {
            id: ids.next().expect("there are enough"),
            debit_account_id: account_id(debit),
            credit_account_id: account_id(credit),
            amount,
            description: "much".into(),
            notes: Notes::NONE,
        })
    };
    for _ in 0..TIMES {
        let (credit, debit) = (
            moved("world:BRL", "a", AMOUNT_MAX),
            moved("a", "world:BRL", AMOUNT_MAX),
        );
        assert_eq!(one(engine, credit).await, "created");
        assert_eq!(one(engine, debit).await, "created");
    }
    assert_eq!(one(engine, moved("world:BRL", "a", 1)).await, "created");
    let too_much = moved("world:BRL", "a", AMOUNT_MAX);
    assert_eq!(one(engine, too_much).await, "balance_overflow");
    check_read(engine).await;
}

/// What is read of that account, also by an engine that was opened later.
///
/// # Panics
///
/// Where it is not what was moved.
pub async fn check_read(engine: &dyn Engine) {
    let Ok(Some(account)) = engine.account(account_id("a"), deadline()).await else {
        panic!("the account is not there");
    };
    let Account {
        debits_posted,
        credits_posted,
        entry_count,
        ..
    } = account;
    let expected = (TIMES * AMOUNT_MAX, TIMES * AMOUNT_MAX + 1, 2 * TIMES + 1);
    assert_eq!((debits_posted, credits_posted, entry_count), expected);
    assert_eq!(account.balance(), 1);
}

async fn one(engine: &dyn Engine, command: Command) -> &'static str {
    let answer = engine.submit(vec![Batch::one(command)], deadline()).await;
    match answer.map(|mut batches| batches.remove(0).remove(0)) {
        Ok(outcome) => outcome.code(),
        Err(unavailable) => panic!("the ledger does not answer: {unavailable}"),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn account_id(id: &str) -> AccountId {
    AccountId::new(id).expect("an id of letters")
}
