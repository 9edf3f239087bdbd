//! A Redis that has less than was answered: who refuses it, who goes on with it, and what is named.

use std::time::Duration;

use engine_write_behind::{
    Condition, Detached, Dropped, RedisDurability, WriteBehindEngine, WriteBehindOpenError,
    WriteBehindOptions, detach,
};
use ledger::{Engine, TransferId};
use testkit::bank::{in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::comparisons::{check_kept, promote, replicate, wait_until_replicated, write};
use crate::log::Log;
use crate::relay::Relay;
use crate::reports::{answered, ask, go_on_persisting, persisted, stop_persisting};
use crate::subject::open_with;
use crate::support::{try_one, wait_for, wait_until_persisted};

/// Several times as long as from one comparison that is refused to the next.
const SEVERAL_COMPARISONS: Duration = Duration::from_secs(12);

/// All of it on the thread of the test, whose log is kept.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

fn redis(appendfsync: &str) -> Redis {
    let settings = [
        ("appendonly", "yes"),
        ("appendfsync", appendfsync),
        ("repl-diskless-sync-delay", "0"),
    ];
    Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap()
}

const fn options(durability: RedisDurability, accepts_data_loss: bool) -> Options {
    Options {
        durability,
        accepts_data_loss,
    }
}

#[derive(Clone, Copy)]
struct Options {
    durability: RedisDurability,
    accepts_data_loss: bool,
}

impl From<Options> for WriteBehindOptions {
    fn from(options: Options) -> Self {
        Self {
            durability: options.durability,
            accepts_data_loss: options.accepts_data_loss,
            ..Self::default()
        }
    }
}

/// A node, and two Redis servers of which the first one alone has what the node answered last. Nothing
/// more is persisted.
struct Ahead {
    postgres: Postgres,
    first: Redis,
    second: Redis,
    /// Leads to the first one.
    way: Relay,
    node: WriteBehindEngine,
    /// What both have.
    kept: Vec<TransferId>,
    /// What only the first one has.
    newest: Vec<TransferId>,
    /// Where the second one and the database end.
    after: u64,
}

impl Ahead {
    async fn begin(durability: RedisDurability) -> Self {
        let appendfsync = durability.as_str();
        let postgres = Postgres::start().unwrap();
        let (first, second) = (redis(appendfsync), redis(appendfsync));
        let way = Relay::to(first.port(), Duration::ZERO);
        let url = format!("redis://127.0.0.1:{}", way.port());
        let usual = options(durability, false).into();
        let (node, _) = open_with(&url, &postgres.url(), usual).await;
        open_accounts(&node).await;
        let kept = write(&node, 0..5).await;
        wait_until_persisted(&node).await;
        replicate(&second, first.port());
        wait_until_replicated(&first, &second).await;
        promote(&second);
        stop_persisting(&postgres);
        let after = persisted(&postgres);
        let newest = write(&node, 5..10).await;
        Self {
            postgres,
            first,
            second,
            way,
            node,
            kept,
            newest,
            after,
        }
    }

    fn refused(&self) -> String {
        match self.node.condition() {
            Condition::Refuses { why, .. } => why.to_string(),
            Condition::Ready => String::new(),
        }
    }

    async fn wait_until_refused(&self) {
        let is_named = || self.refused().contains("DATA LOSS");
        wait_for("the node to refuse", is_named).await;
        let up_to = format!(
            "this node has answered writes up to position {} ",
            self.after + 5
        );
        let after = format!("those after position {} are missing", self.after);
        for part in [&up_to, &after, "--accept-data-loss"] {
            assert!(
                self.refused().contains(part),
                "{} lacks {part}",
                self.refused()
            );
        }
        assert!(try_one(&self.node, 100).await.is_err());
    }

    /// What a start with the second Redis is refused with.
    async fn start_refused(&self, options: Options) -> String {
        let (url, database_url) = (self.second.url(), self.postgres.url());
        match WriteBehindEngine::open(&url, &database_url, options.into()).await {
            Ok((_, opened)) => panic!("it opened: {opened:?}"),
            Err(WriteBehindOpenError::Disagree(why)) => why,
            Err(error) => panic!("{error}"),
        }
    }

    fn alarm(&self) -> String {
        format!(
            "DATA LOSS: answered writes up to position {} ",
            self.after + 5
        )
    }

    async fn check_gone(&self, node: &WriteBehindEngine) {
        for id in &self.newest {
            let found = node.transfer(*id, in_seconds(20)).await.unwrap();
            assert_eq!(found, None, "what is lost is not shown");
        }
    }
}

#[test]
fn a_node_that_runs_refuses_a_redis_with_less_until_the_right_one_is_back() {
    run(async {
        let ahead = Ahead::begin(RedisDurability::Always).await;
        let before = ahead.second.command(&["GET", "lastro:meta"]).unwrap();
        ahead.way.switch(ahead.second.port());
        ahead.wait_until_refused().await;
        tokio::time::sleep(SEVERAL_COMPARISONS).await;
        ahead.wait_until_refused().await;
        let meta = ahead.second.command(&["GET", "lastro:meta"]).unwrap();
        assert_eq!(meta, before, "the second one was gone on with");
        go_on_persisting(&ahead.postgres);
        ahead.way.switch(ahead.first.port());
        wait_for("the node to go on", || ahead.node.is_answering()).await;
        write(&ahead.node, 10..12).await;
        wait_until_persisted(&ahead.node).await;
        check_kept(&ahead.node, &ahead.kept).await;
        check_kept(&ahead.node, &ahead.newest).await;
    });
}

#[test]
fn a_start_that_accepts_the_loss_is_followed_by_the_nodes_that_refused() {
    run(async {
        let ahead = Ahead::begin(RedisDurability::Always).await;
        ahead.way.switch(ahead.second.port());
        ahead.wait_until_refused().await;
        go_on_persisting(&ahead.postgres);
        let log = Log::keep();
        let usual = options(RedisDurability::Always, false);
        let why = ahead.start_refused(usual).await;
        assert!(why.contains("DATA LOSS: a node has answered"), "{why}");
        assert!(!log.has(&ahead.alarm()), "it was taken");
        let accepting = options(RedisDurability::Always, true).into();
        let url = ahead.second.url();
        let (next, opened) = open_with(&url, &ahead.postgres.url(), accepting).await;
        assert_eq!(opened.position, ahead.after);
        assert!(log.has(&ahead.alarm()), "the loss is not named");
        wait_for("the first node to follow", || ahead.node.is_answering()).await;
        assert_eq!(log.count(&ahead.alarm()), 2, "each node names it once");
        write(&ahead.node, 20..22).await;
        wait_until_persisted(&next).await;
        check_kept(&next, &ahead.kept).await;
        ahead.check_gone(&next).await;
    });
}

/// `--accept-data-loss` is for one start: what the node's Redis loses later is not accepted.
#[test]
fn a_node_that_accepted_a_loss_at_its_start_refuses_the_next_one() {
    run(async {
        let mut ahead = Ahead::begin(RedisDurability::Always).await;
        let accepting = options(RedisDurability::Always, true).into();
        let url = format!("redis://127.0.0.1:{}", ahead.way.port());
        let (node, _) = open_with(&url, &ahead.postgres.url(), accepting).await;
        ahead.node = node;
        ahead.way.switch(ahead.second.port());
        ahead.wait_until_refused().await;
    });
}

/// With `everysec` a Redis may come back without its newest writes: they are named before the ledger goes
/// on without them, and once, however often that is tried.
#[test]
fn a_redis_that_syncs_once_a_second_may_lack_the_newest_writes() {
    run(async {
        let ahead = Ahead::begin(RedisDurability::Everysec).await;
        let log = Log::keep();
        let epochs = || {
            let count = ask(&ahead.postgres, "SELECT count(*) FROM lastro_behind.epochs");
            count.parse::<u64>().unwrap()
        };
        // What goes on with Redis needs this first.
        let refuse = "
            CREATE FUNCTION not_today() RETURNS event_trigger LANGUAGE plpgsql AS
                $$BEGIN RAISE EXCEPTION 'not today'; END$$;
            CREATE EVENT TRIGGER not_today ON ddl_command_start WHEN TAG IN ('CREATE FUNCTION')
                EXECUTE FUNCTION not_today()";
        ask(&ahead.postgres, refuse);
        let before = epochs();
        ahead.way.switch(ahead.second.port());
        wait_for("the loss to be named", || log.has(&ahead.alarm())).await;
        wait_for("the next comparisons", || epochs() >= before + 3).await;
        assert!(!ahead.node.is_answering());
        assert_eq!(log.count(&ahead.alarm()), 1, "it is named each time");
        ask(&ahead.postgres, "DROP EVENT TRIGGER not_today");
        go_on_persisting(&ahead.postgres);
        wait_for("the node to go on", || ahead.node.is_answering()).await;
        assert_eq!(log.count(&ahead.alarm()), 1);
        write(&ahead.node, 20..22).await;
        wait_until_persisted(&ahead.node).await;
        check_kept(&ahead.node, &ahead.kept).await;
        ahead.check_gone(&ahead.node).await;
    });
}

#[test]
fn a_start_takes_a_redis_that_syncs_once_a_second_without_the_newest_writes_but_no_other() {
    run(async {
        let mut ahead = Ahead::begin(RedisDurability::Everysec).await;
        wait_for("the answers to be reported", || {
            answered(&ahead.postgres) == ahead.after + 5
        })
        .await;
        let log = Log::keep();
        let everysec = options(RedisDurability::Everysec, false);
        // An empty one, to which the node is led as well: the right one is away.
        let right = std::mem::replace(&mut ahead.second, redis("everysec"));
        ahead.way.switch(ahead.second.port());
        ahead.wait_until_refused().await;
        let why = ahead.start_refused(everysec).await;
        assert!(why.contains("DATA LOSS: a node has answered"), "{why}");
        let there = ahead.second.command(&["EXISTS", "lastro:meta"]).unwrap();
        assert_eq!(there, "0", "it was rebuilt all the same");
        assert!(!log.has(&ahead.alarm()), "it was taken");
        let database_url = ahead.postgres.url();
        let (next, opened) = open_with(&right.url(), &database_url, everysec.into()).await;
        assert_eq!(opened.position, ahead.after);
        assert!(log.has(&ahead.alarm()), "the loss is not named");
        check_kept(&next, &ahead.kept).await;
        ahead.check_gone(&next).await;
    });
}

/// A Redis that is set to sync each write cannot have lost its newest ones, whatever is asked for.
#[test]
fn durability_os_over_a_redis_that_syncs_each_write_refuses_as_disk_does() {
    run(async {
        let ahead = Ahead::begin(RedisDurability::Always).await;
        wait_for("the answers to be reported", || {
            answered(&ahead.postgres) == ahead.after + 5
        })
        .await;
        ahead.way.switch(ahead.second.port());
        ahead.wait_until_refused().await;
        let everysec = options(RedisDurability::Everysec, false);
        let why = ahead.start_refused(everysec).await;
        assert!(why.contains("DATA LOSS"), "{why}");
    });
}

/// The reports go with the Redis that is given up: what they show is named before.
#[test]
fn a_redis_that_is_given_up_is_detached_with_the_positions_that_are_lost() {
    run(async {
        let ahead = Ahead::begin(RedisDurability::Always).await;
        let (after, to) = (ahead.after, ahead.after + 5);
        wait_for("the answers to be reported", || {
            answered(&ahead.postgres) == to
        })
        .await;
        let alarm = ahead.alarm();
        let postgres = ahead.postgres;
        drop((ahead.node, ahead.first));
        let log = Log::keep();
        let detached = detach(None, &postgres.url(), &WriteBehindOptions::default()).await;
        let lost = Some(Dropped {
            from: after + 1,
            to,
        });
        let position = after;
        assert_eq!(detached.unwrap(), Detached { position, lost });
        assert!(log.has(&alarm), "the loss is not named");
    });
}
