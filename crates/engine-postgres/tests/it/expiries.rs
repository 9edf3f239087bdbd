//! Many pending transfers that expire at once: no transaction takes more than so many of them, and
//! what a command depends upon is expired before it.

use std::time::{Duration, Instant};

use ledger::{AccountId, Batch, Command, Engine, MoveMoney, OpenAccount, TransferId};
use testkit::bank::{currency, id, in_seconds, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

const COUNT: u64 = 2_300;
/// As in the engine.
const EXPIRED_MAX: u64 = 1_000;
/// Long enough to make them all on a busy machine.
const TIMEOUT_S: u32 = 6;

fn pend(number: u64) -> Command {
    Command::Pend {
        transfer: transfer(number, &format!("user:{}", number % 25), 1),
        timeout_s: TIMEOUT_S,
    }
}

fn transfer(number: u64, credit: &str, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(u128::from(number)),
        debit_account_id: id("payer"),
        credit_account_id: id(credit),
        amount,
        description: "expiries".into(),
        notes: ledger::Notes::NONE,
    }
}

fn open_account(id: AccountId) -> Command {
    Command::OpenAccount(OpenAccount {
        id,
        currency: currency(),
        credit_limit: COUNT,
    })
}

#[test]
fn a_burst_is_worked_off_in_bounded_transactions_before_what_depends_upon_it() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("expiries").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        let mut commands = vec![open_account(id("payer"))];
        commands.extend((0..25).map(|number| open_account(id(&format!("user:{number}")))));
        commands.extend((0..COUNT).map(pend));
        let batch = Batch::independent(commands).unwrap();
        let outcomes = engine.submit(vec![batch], in_seconds(30)).await.unwrap();
        assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
        let pending_at = Instant::now();
        // Without its timer.
        drop(engine);
        let due_at = pending_at + Duration::from_secs(u64::from(TIMEOUT_S));
        tokio::time::sleep_until(due_at.into()).await;

        // All that pends is needed.
        let engine = open(&url).await;
        let all = Command::Transfer(transfer(COUNT, "user:1", COUNT));
        let outcome = submit_one(&engine, all, in_seconds(30)).await.unwrap();
        assert!(outcome.result.is_ok(), "{outcome:?}");
    });
    // The node that expired a transfer wrote its row.
    let expired = postgres.psql_in(
        "expiries",
        "SELECT sum(count), max(count) FROM (
            SELECT count(*) FROM lastro.transfers WHERE pending_state = 3 GROUP BY xmin::text
        ) AS transactions",
    );
    let expired = expired.unwrap();
    let (sum, largest) = expired.split_once('|').unwrap();
    assert_eq!(sum, COUNT.to_string());
    assert!(largest.parse::<u64>().unwrap() <= EXPIRED_MAX, "{largest}");
}
