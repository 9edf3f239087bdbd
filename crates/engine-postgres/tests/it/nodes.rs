//! Several nodes over one database, at once.

use std::sync::Arc;

use engine_postgres::PostgresOptions;
use testkit::meeting::{meet, race};
use testkit::servers::Postgres;

use crate::subject::open;

#[test]
fn nodes_that_meet_keep_every_rule_and_never_lock_each_other_up() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("nodes").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Arc::new(open(&url).await));
        }
        meet(&nodes).await;
        let verified =
            engine_postgres::verify(&url, &PostgresOptions::default(), &mut |_| {}).await;
        let verified = verified.unwrap();
        assert!(verified.is_clean(), "{:#?}", verified.findings);
    });
    let deadlocks = postgres.psql("SELECT sum(deadlocks) FROM pg_stat_database");
    assert_eq!(deadlocks.unwrap(), "0");
}

#[test]
fn one_id_on_two_nodes_at_once_is_used_once() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("ids").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { race(&open(&url).await, &open(&url).await).await });
}
