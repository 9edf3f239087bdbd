//! Up to which time everything can be read.

use ledger::{Engine, Timestamp};
use testkit::bank::{in_seconds, open_accounts};
use testkit::servers::Postgres;
use tokio_postgres::NoTls;

use crate::subject::open;

/// What is being written may still come with a time of now: whatever it has locked, it is not left behind.
#[test]
fn the_safe_time_is_before_every_open_writer() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        let safe_time = async || engine.safe_time(in_seconds(60)).await.unwrap();
        let (mut held, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        // A call locks what it is about before it takes its time: accounts, payments, and what it reverses.
        for locks in [
            "SELECT FROM lastro.accounts WHERE account_id = 'user:1' FOR UPDATE",
            "SELECT FROM lastro.payments LIMIT 1 FOR UPDATE",
            "SELECT FROM lastro.transfers LIMIT 1 FOR UPDATE",
        ] {
            let before = safe_time().await;
            let open = held.transaction().await.unwrap();
            open.execute(locks, &[]).await.unwrap();
            let began = "SELECT (extract(epoch FROM now()) * 1000000)::bigint * 1000";
            let began: i64 = open.query_one(began, &[]).await.unwrap().get(0);
            let began = Timestamp::from_nanos(began.cast_unsigned());
            for _ in 0..3 {
                let safe = safe_time().await;
                assert!(
                    before <= safe && safe < began,
                    "{locks}: {safe:?} {began:?}"
                );
            }
            open.rollback().await.unwrap();
            assert!(safe_time().await > began, "{locks}");
        }
        // Who only reads holds nothing back.
        let open = held.transaction().await.unwrap();
        open.execute("SELECT FROM lastro.transfers", &[])
            .await
            .unwrap();
        let first = safe_time().await;
        assert!(safe_time().await > first);
    });
}
