//! Faults under load: what was answered stays where the stores promise it, and both tell the same
//! story afterwards.

use std::sync::Arc;
use std::time::Duration;

use engine_write_behind::{
    Condition, Opened, Origin, WriteBehindEngine, WriteBehindOptions, verify,
};
use ledger::{Engine, StatementQuery};
use testkit::bank::{accounts, id, in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis};

use crate::comparisons::write;
use crate::load::{Load, Told};
use crate::subject::{open_with, redis};
use crate::support::{PATIENCE, wait_for, wait_until_persisted, wait_until_quiet};

struct Stores {
    redis: Redis,
    postgres: Postgres,
}

impl Stores {
    fn start() -> Self {
        Self {
            redis: redis(),
            postgres: Postgres::start().unwrap(),
        }
    }

    async fn node(&self) -> Arc<WriteBehindEngine> {
        Arc::new(self.open().await.0)
    }

    async fn open(&self) -> (WriteBehindEngine, Opened) {
        open_with(
            &self.redis.url(),
            &self.postgres.url(),
            WriteBehindOptions::default(),
        )
        .await
    }

    /// Nodes with the accounts open.
    async fn nodes(&self, count: usize) -> Vec<Arc<WriteBehindEngine>> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(self.node().await);
        }
        open_accounts(&*nodes[0]).await;
        nodes
    }

    async fn check_equal(&self) {
        let verified = verify(
            &self.redis.url(),
            &self.postgres.url(),
            &WriteBehindOptions::default(),
        )
        .await;
        let verified = verified.unwrap();
        assert_eq!(verified.findings, Vec::<String>::new(), "{verified:?}");
        assert_eq!(verified.accounts_count, accounts().len() as u64 + 1);
    }

    /// After a fault: everything is there, persisted, and the same in both.
    async fn check(&self, node: &WriteBehindEngine, told: &Told) {
        wait_until_persisted(node).await;
        told.check_kept(node).await;
        self.check_equal().await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test);
}

#[test]
fn writes_go_on_without_the_database_which_then_catches_up() {
    let away = if std::env::var_os("LASTRO_LONG").is_some() {
        20
    } else {
        2
    };
    run(async {
        let mut stores = Stores::start();
        let nodes = stores.nodes(2).await;
        let load = Load::start(&nodes, 0);
        load.wait_for_more(200).await;
        stores.postgres.kill();
        let during = std::time::Instant::now() + Duration::from_secs(away);
        while std::time::Instant::now() < during {
            load.wait_for_more(50).await;
        }
        assert!(nodes[0].lag().entries > 0 && nodes[0].is_answering());
        stores.postgres.restart().unwrap();
        load.wait_for_more(200).await;
        let told = load.stop().await;
        stores.check(&nodes[1], &told).await;
        // What a node knows of the lag is a fraction of a second old: it may not have seen the newest
        // writes of the other node before.
        wait_until_persisted(&nodes[1]).await;
    });
}

/// Redis keeps the newest entries of a statement; the database has the others.
#[test]
fn only_old_entries_cannot_be_read_while_the_database_is_away() {
    run(async {
        let mut stores = Stores::start();
        let node = stores.node().await;
        open_accounts(&*node).await;
        write(&node, 0..20).await;
        wait_until_persisted(&node).await;
        let kept = || stores.redis.command(&["LLEN", "lastro:e:user:1"]).unwrap();
        wait_for("Redis to let go of old entries", || kept() == "10").await;
        let page = async |before| {
            let query = StatementQuery {
                account_id: id("user:1"),
                before,
                limit: 5,
            };
            let statement = node.statement(query, in_seconds(2)).await;
            statement.map(|statement| statement.unwrap().entries.len())
        };
        assert_eq!(page(None).await, Ok(5));
        assert_eq!(page(Some(7)).await, Ok(5));
        stores.postgres.kill();
        assert_eq!(page(None).await, Ok(5));
        assert!(page(Some(7)).await.is_err());
        assert_eq!(page(None).await, Ok(5), "the newest are read on");
        stores.postgres.restart().unwrap();
        let bound = std::time::Instant::now() + PATIENCE;
        while page(Some(7)).await != Ok(5) {
            assert!(std::time::Instant::now() < bound, "it cannot be read");
        }
    });
}

#[test]
fn a_killed_redis_comes_back_from_its_file() {
    let kills = if std::env::var_os("LASTRO_LONG").is_some() {
        10
    } else {
        2
    };
    run(async {
        let mut stores = Stores::start();
        let nodes = stores.nodes(2).await;
        let load = Load::start(&nodes, 0);
        for _ in 0..kills {
            load.wait_for_more(200).await;
            stores.redis.kill();
            tokio::time::sleep(Duration::from_millis(200)).await;
            stores.redis.restart().unwrap();
        }
        load.wait_for_more(200).await;
        let told = load.stop().await;
        stores.check(&nodes[0], &told).await;
    });
}

#[test]
fn a_wiped_redis_is_rebuilt_and_nothing_persisted_is_lost() {
    run(async {
        let stores = Stores::start();
        let nodes = stores.nodes(2).await;
        let load = Load::start(&nodes, 0);
        load.wait_for_more(400).await;
        let told = load.stop().await;
        wait_until_quiet(&nodes[0]).await;
        stores.redis.command(&["FLUSHALL"]).unwrap();
        // A read notices it, and so does a write on the other node.
        let id = accounts().remove(0);
        let account = nodes[0].account(id, in_seconds(20)).await.unwrap();
        assert!(account.is_some());
        let load = Load::start(&nodes, 1);
        load.wait_for_more(200).await;
        let told = told.join(load.stop().await);
        stores.check(&nodes[1], &told).await;
    });
}

#[test]
fn a_wiped_tail_is_gone_as_a_whole_and_nothing_else() {
    run(async {
        let mut stores = Stores::start();
        let nodes = stores.nodes(2).await;
        let load = Load::start(&nodes, 0);
        load.wait_for_more(300).await;
        let told = load.stop().await;
        wait_until_quiet(&nodes[0]).await;
        stores.postgres.kill();
        let load = Load::start(&nodes, 1);
        load.wait_for_more(300).await;
        let tail = load.stop().await;
        stores.redis.command(&["FLUSHALL"]).unwrap();
        stores.postgres.restart().unwrap();
        // Nobody has the tail any more: the nodes wait until an operator says that it may be lost.
        for node in &nodes {
            wait_for("the node to refuse", || {
                matches!(node.condition(), Condition::Refuses { why, .. } if why.contains("DATA LOSS"))
            })
            .await;
        }
        let accepting = WriteBehindOptions {
            accepts_data_loss: true,
            ..WriteBehindOptions::default()
        };
        let (redis_url, database_url) = (stores.redis.url(), stores.postgres.url());
        drop(open_with(&redis_url, &database_url, accepting).await);
        for node in &nodes {
            wait_for("the node to follow", || node.is_answering()).await;
        }
        let load = Load::start(&nodes, 2);
        load.wait_for_more(200).await;
        let told = told.join(load.stop().await);
        tail.check_gone(&nodes[0]).await;
        stores.check(&nodes[1], &told).await;
    });
}

#[test]
fn another_node_persists_where_the_one_that_did_has_died() {
    run(async {
        let stores = Stores::start();
        let mut nodes = stores.nodes(2).await;
        let load = Load::start(&nodes[1..], 0);
        load.wait_for_more(200).await;
        // The first one that was opened holds both locks.
        drop(nodes.remove(0));
        load.wait_for_more(200).await;
        let told = load.stop().await;
        stores.check(&nodes[0], &told).await;
    });
}

#[test]
fn a_node_that_ends_before_anything_is_persisted_loses_nothing() {
    run(async {
        let mut stores = Stores::start();
        let nodes = stores.nodes(1).await;
        wait_until_persisted(&nodes[0]).await;
        stores.postgres.kill();
        let load = Load::start(&nodes, 0);
        load.wait_for_more(300).await;
        let told = load.stop().await;
        drop(nodes);
        stores.postgres.restart().unwrap();
        let (node, opened) = stores.open().await;
        assert_eq!(opened.origin, Origin::Kept);
        assert!(opened.position > opened.persisted + 100, "{opened:?}");
        stores.check(&node, &told).await;
    });
}
