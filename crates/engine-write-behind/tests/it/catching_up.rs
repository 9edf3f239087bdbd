//! Catching up with what gathered while the database was away: in bounded pieces, and to its end.

use std::time::Duration;

use engine_write_behind::{WriteBehindEngine, WriteBehindOptions, verify};
use ledger::{AccountId, Batch, BatchId, Command, Engine, TransferId};
use testkit::bank::{Drawer, accounts, currency, in_seconds, open_accounts};
use testkit::servers::Postgres;

use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_until_persisted};

/// Has one atomic batch of so many deposits applied.
async fn apply_batch(engine: &WriteBehindEngine, number: u128, count: u128) {
    let mut drawer = Drawer::new(1);
    let deposits = (0..count).map(|at| {
        let mut deposit = drawer.transfer(TransferId::from_u128(number << 64 | at));
        deposit.debit_account_id = AccountId::world(currency());
        deposit.credit_account_id = accounts().remove(0);
        Command::Transfer(deposit)
    });
    let batch = Batch::atomic(BatchId::from_u128(number), deposits.collect()).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(60)).await.unwrap();
    assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
}

#[test]
fn a_slow_database_is_caught_up_with_in_smaller_and_smaller_pieces() {
    let (mut postgres, redis) = (Postgres::start().unwrap(), redis());
    let mut options = WriteBehindOptions::default();
    options.database.statement_timeout = Duration::from_millis(500);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options.clone()).await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        // Each entry takes so long that what gathers is more than one statement can do, and the
        // last batch is so by itself.
        postgres
            .psql(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END';
                 CREATE TRIGGER slow BEFORE INSERT ON lastro.entries
                 FOR EACH ROW EXECUTE FUNCTION slow()",
            )
            .unwrap();
        postgres.kill();
        for number in 1..=40 {
            apply_batch(&engine, number, 10).await;
        }
        apply_batch(&engine, 41, 150).await;
        for number in 1..=5 {
            assert_eq!(try_one(&engine, number).await, Ok(()));
        }
        postgres.restart().unwrap();
        wait_until_persisted(&engine).await;
        let verified = verify(&redis.url(), &postgres.url(), &options).await;
        assert_eq!(verified.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn what_is_persisted_together_has_a_bound_in_bytes() {
    let (mut postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = WriteBehindOptions::default;
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options()).await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        postgres
            .psql(
                "ALTER TABLE lastro_behind.log ADD CHECK (octet_length(records) <= 4 * 1024 * 1024)",
            )
            .unwrap();
        postgres.kill();
        for number in 1..=6 {
            apply_batch(&engine, number, 8_000).await;
        }
        let bytes = redis.command(&["MEMORY", "USAGE", "lastro:stream"]).unwrap();
        assert!(bytes.parse::<u64>().unwrap() > 5 << 20, "{bytes}");
        postgres.restart().unwrap();
        wait_until_persisted(&engine).await;
        let verified = verify(&redis.url(), &postgres.url(), &options()).await;
        assert_eq!(verified.unwrap().findings, Vec::<String>::new());
    });
}
