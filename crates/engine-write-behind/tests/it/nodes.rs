//! Several nodes over the same stores, at once.

use std::sync::Arc;

use engine_write_behind::{WriteBehindOptions, verify};
use testkit::meeting::{meet, race};
use testkit::servers::Postgres;

use crate::subject::{open_with, redis};
use crate::support::wait_until_persisted;

#[test]
fn nodes_that_meet_keep_every_rule() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let opened =
                open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
            nodes.push(Arc::new(opened.0));
        }
        meet(&nodes).await;
        wait_until_persisted(&nodes[2]).await;
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

#[test]
fn one_id_on_two_nodes_at_once_is_used_once() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open =
            async || open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        race(&open().await.0, &open().await.0).await;
    });
}
