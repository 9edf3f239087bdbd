//! A commit whose answer is lost: whatever becomes of its repetition, it is never "nothing done".

use std::time::{Duration, Instant};

use ledger::{
    AccountId, Command, Engine, MoveMoney, OpenAccount, TransferId, Unavailable, UsedTransfer,
};
use testkit::bank::{currency, id, in_seconds, submit_one};
use testkit::middle::Middle;
use testkit::servers::Postgres;

use crate::clock::set_ahead;
use crate::subject::open;

/// What is written takes a second: long enough to see that a call has come to its commit.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON lastro.transfers FOR EACH ROW EXECUTE FUNCTION slow()";

#[test]
fn a_repetition_that_is_refused_as_a_whole_is_of_unknown_outcome() {
    let postgres = Postgres::start().unwrap();
    postgres.create_database("unknown").unwrap();
    let direct = ([127, 0, 0, 1], postgres.port()).into();
    let middle = Middle::start(direct).unwrap();
    let url = format!("postgres://postgres@{}/unknown", middle.address());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wait_until = async |what: &str, query: &str| {
        let bound = Instant::now() + Duration::from_secs(60);
        while postgres.psql_in("unknown", query).unwrap() != "t" {
            assert!(Instant::now() < bound, "never {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    runtime.block_on(async {
        let engine = open(&url).await;
        let account = Command::OpenAccount(OpenAccount {
            id: id("a"),
            currency: currency(),
            credit_limit: 100,
        });
        submit_one(&engine, account, in_seconds(60)).await.unwrap();
        postgres.psql_in("unknown", SLOW).unwrap();
        let transfer = || {
            Command::Transfer(MoveMoney {
                id: TransferId::from_u128(1),
                debit_account_id: id("a"),
                credit_account_id: AccountId::world(currency()),
                amount: 1,
                description: "unknown".into(),
                notes: ledger::Notes::NONE,
            })
        };
        let asked = submit_one(&engine, transfer(), in_seconds(60));
        let lose = async {
            let writes =
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";
            wait_until("written", writes).await;
            middle.let_answers_pass(false);
            let committed = "SELECT EXISTS (SELECT FROM lastro.transfers)";
            wait_until("committed", committed).await;
            // The repetition is refused for what certainly does nothing by itself.
            set_ahead(&postgres, "unknown", 7_200);
            middle.cut();
            middle.let_answers_pass(true);
        };
        let (answer, ()) = tokio::join!(asked, lose);
        assert_eq!(answer, Err(Unavailable::LedgerUnavailable));
        // What has never been tried before is refused for what it is.
        let other = Command::OpenAccount(OpenAccount {
            id: id("b"),
            currency: currency(),
            credit_limit: 0,
        });
        let other = submit_one(&engine, other, in_seconds(60)).await;
        assert_eq!(other, Err(Unavailable::ClockJumped));
        set_ahead(&postgres, "unknown", 0);
        let again = submit_one(&engine, transfer(), in_seconds(60))
            .await
            .unwrap();
        assert!(again.replayed && again.result.is_ok(), "{again:?}");
        let used = engine
            .transfer(TransferId::from_u128(1), in_seconds(60))
            .await;
        assert!(matches!(used, Ok(Some(UsedTransfer::Created(..)))));
    });
}
