//! An account that more has gone through than it could ever hold.

use std::time::{Duration, Instant};

use ledger::{
    AMOUNT_MAX, Account, AccountId, Batch, Command, Currency, Engine, MoveMoney, Notes,
    OpenAccount, Outcome, TOTAL_MAX, TransferId,
};

/// How often the most that an account can hold goes through it: as often as its totals let it.
const TIMES: u64 = TOTAL_MAX / AMOUNT_MAX;
/// How many of these are given at a time.
const AT_ONCE: u64 = 8;

/// Moves as much through an account as its totals can tell, which is more than a double holds exactly: they are exact to the
/// last unit, and what the account can hold is bounded as ever.
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
    for _ in 0..TIMES / AT_ONCE {
        let mut commands = Vec::new();
        for _ in 0..AT_ONCE {
            commands.push(moved("world:BRL", "a", AMOUNT_MAX));
            commands.push(moved("a", "world:BRL", AMOUNT_MAX));
        }
        for outcome in all(engine, commands).await {
            assert_eq!(outcome, "created");
        }
    }
    let left = TOTAL_MAX - TIMES * AMOUNT_MAX - 1;
    for (amount, expected) in [
        (1, "created"),
        // It would hold too much.
        (AMOUNT_MAX, "balance_overflow"),
        // It would hold little, and too much would have gone through it.
        (left + 1, "balance_overflow"),
        (left, "created"),
        (1, "balance_overflow"),
    ] {
        assert_eq!(one(engine, moved("world:BRL", "a", amount)).await, expected);
    }
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
    let expected = (TIMES * AMOUNT_MAX, TOTAL_MAX, 2 * TIMES + 2);
    assert_eq!((debits_posted, credits_posted, entry_count), expected);
    assert_eq!(
        account.balance().unsigned_abs(),
        TOTAL_MAX - TIMES * AMOUNT_MAX
    );
}

async fn one(engine: &dyn Engine, command: Command) -> &'static str {
    all(engine, vec![command]).await.remove(0)
}

async fn all(engine: &dyn Engine, commands: Vec<Command>) -> Vec<&'static str> {
    let batch = Batch::independent(commands).expect("no batch is too large");
    match engine.submit(vec![batch], deadline()).await {
        Ok(outcomes) => outcomes.iter().flatten().map(Outcome::code).collect(),
        Err(unavailable) => panic!("the ledger does not answer: {unavailable}"),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn account_id(id: &str) -> AccountId {
    AccountId::new(id).expect("an id of letters")
}
