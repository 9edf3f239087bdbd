//! A Redis that is put in front of a database while nodes of this engine run over it.

use std::time::{Duration, Instant};

use testkit::servers::Postgres;

use crate::subject::open;

/// The node says that it is not to be asked any more, and does so again once that is ended.
#[test]
fn a_node_whose_database_gets_a_redis_in_front_is_not_ready() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("behind").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        let wait_until = async |is_answering: bool| {
            let bound = Instant::now() + Duration::from_secs(60);
            while engine.is_answering() != is_answering {
                assert!(Instant::now() < bound, "it never is {is_answering}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let attach = "CREATE SCHEMA lastro_behind;
            CREATE TABLE lastro_behind.ledger AS SELECT 1 AS position";
        wait_until(true).await;
        postgres.psql_in("behind", attach).unwrap();
        wait_until(false).await;
        postgres
            .psql_in("behind", "DELETE FROM lastro_behind.ledger")
            .unwrap();
        wait_until(true).await;
    });
}
