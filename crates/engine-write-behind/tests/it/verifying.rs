//! What `verify` says of stores that do not follow from one another, and of stores that move.

use std::sync::Arc;

use engine_write_behind::{WriteBehindOptions, verify};
use ledger::{AccountId, Command, MoveMoney, TransferId};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::comparisons::{node, run};
use crate::load::Load;
use crate::subject::redis;
use crate::support::{wait_for, wait_until_persisted};

#[test]
fn accounts_that_the_events_cannot_follow_upon_are_a_finding() {
    run(async {
        let (mut postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let (pending_id, void_id) = (TransferId::from_u128(1), TransferId::from_u128(2));
        let pend = Command::Pend {
            transfer: MoveMoney {
                id: pending_id,
                debit_account_id: AccountId::world(currency()),
                credit_account_id: id("user:1"),
                amount: 50,
                description: "verified".into(),
                notes: ledger::Notes::NONE,
            },
            timeout_s: 0,
        };
        let outcome = submit_one(&engine, pend, in_seconds(20)).await.unwrap();
        assert_eq!(outcome.code(), "created");
        wait_until_persisted(&engine).await;
        let shown = "SELECT credits_pending FROM lastro.accounts WHERE account_id = 'user:1'";
        wait_for("the account to show it", || {
            postgres.psql(shown).unwrap().trim() == "50"
        })
        .await;
        // Its end is in Redis alone.
        postgres.kill();
        let void = Command::Void {
            id: void_id,
            pending_id,
        };
        let outcome = submit_one(&engine, void, in_seconds(20)).await.unwrap();
        assert_eq!(outcome.code(), "created");
        drop(engine);
        postgres.restart().unwrap();
        let damage = "SET lastro_behind.writer = 'yes';
            UPDATE lastro.accounts SET credits_pending = 20 WHERE account_id = 'user:1'";
        postgres.psql(damage).unwrap();
        let verified = verify(
            &redis.url(),
            &postgres.url(),
            &WriteBehindOptions::default(),
        )
        .await
        .unwrap();
        let found = |says: &str| verified.findings.iter().any(|found| found.contains(says));
        assert!(found("cannot follow upon account user:1"), "{verified:?}");
    });
}

#[test]
fn stores_that_move_are_compared_at_one_moment_or_not_at_all() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let nodes = vec![Arc::new(node(redis.port(), &postgres.url()).await)];
        open_accounts(&*nodes[0]).await;
        let load = Load::start(&nodes, 0);
        load.wait_for_more(50).await;
        match verify(
            &redis.url(),
            &postgres.url(),
            &WriteBehindOptions::default(),
        )
        .await
        {
            Ok(verified) => assert_eq!(verified.findings, Vec::<String>::new()),
            Err(error) => {
                let says = error.to_string();
                assert!(says.contains("writes went on"), "{says}");
            }
        }
        load.stop().await;
        wait_until_persisted(&nodes[0]).await;
        let verified = verify(
            &redis.url(),
            &postgres.url(),
            &WriteBehindOptions::default(),
        )
        .await
        .unwrap();
        assert_eq!(verified.findings, Vec::<String>::new());
    });
}
