//! Two Redis servers that both live: a node goes on with the ledger's alone, and says what is lost
//! where an old one comes back.

use std::time::Duration;

use engine_write_behind::{Condition, Dropped, Origin, WriteBehindEngine, WriteBehindOptions};
use ledger::{Engine, TransferId};
use testkit::bank::{in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis};

use crate::comparisons::{
    check_kept, node, promote, replicate, replicating, run, wait_until_replicated, write,
};
use crate::log::Log;
use crate::relay::Relay;
use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

const TWO: &str = "TWO REDIS SERVERS";

fn epochs(postgres: &Postgres) -> String {
    let count = "SELECT count(*) FROM lastro_behind.epochs";
    postgres.psql(count).unwrap().trim().to_owned()
}

async fn refused(redis: &Redis, postgres: &Postgres) -> String {
    let (redis_url, database_url) = (redis.url(), postgres.url());
    let opened = WriteBehindEngine::open(&redis_url, &database_url, WriteBehindOptions::default());
    match opened.await {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
}

fn says_two(condition: &Condition) -> bool {
    matches!(condition, Condition::Refuses { why, .. } if why.contains(TWO))
}

#[test]
fn a_start_with_another_redis_than_that_of_a_node_that_lives_is_refused() {
    run(async {
        let (postgres, first, second) = (Postgres::start().unwrap(), redis(), redis());
        let living = node(first.port(), &postgres.url()).await;
        open_accounts(&living).await;
        let kept = write(&living, 0..5).await;
        wait_until_persisted(&living).await;
        let before = epochs(&postgres);
        for _ in 0..2 {
            let says = refused(&second, &postgres).await;
            assert!(says.contains(TWO), "{says}");
            assert!(says.contains(&first.port().to_string()), "{says}");
            assert!(says.contains(&second.port().to_string()), "{says}");
        }
        assert_eq!(epochs(&postgres), before, "an epoch was taken all the same");
        let there = second.command(&["EXISTS", "lastro:meta"]).unwrap();
        assert_eq!(there, "0", "it was rebuilt all the same");
        assert_eq!(living.condition(), Condition::Ready);
        assert_eq!(try_one(&living, 5).await, Ok(()));
        wait_until_persisted(&living).await;
        drop(living);
        // Nobody goes on with the first any more.
        let next = node(second.port(), &postgres.url()).await;
        check_kept(&next, &kept).await;
        check_kept(&next, &[TransferId::from_u128(5)]).await;
    });
}

#[test]
fn a_node_that_is_led_to_another_redis_stops_and_the_others_go_on() {
    run(async {
        let (postgres, first, second) = (Postgres::start().unwrap(), redis(), redis());
        let way = Relay::to(first.port(), Duration::ZERO);
        let (stays, strays) = (
            node(first.port(), &postgres.url()).await,
            node(way.port(), &postgres.url()).await,
        );
        open_accounts(&stays).await;
        let mut kept = write(&strays, 0..5).await;
        wait_until_persisted(&stays).await;
        let before = epochs(&postgres);
        way.switch(second.port());
        wait_for("the node to stop", || says_two(&strays.condition())).await;
        assert!(try_one(&strays, 100).await.is_err());
        assert!(strays.transfer(kept[0], in_seconds(1)).await.is_err());
        kept.extend(write(&stays, 5..10).await);
        assert_eq!(epochs(&postgres), before, "an epoch was taken all the same");
        assert_eq!(stays.condition(), Condition::Ready);
        way.switch(first.port());
        wait_for("the node to go on", || strays.is_answering()).await;
        kept.extend(write(&strays, 10..15).await);
        wait_until_persisted(&stays).await;
        check_kept(&stays, &kept).await;
        check_kept(&strays, &kept).await;
    });
}

/// While the Redis of the others is started again they look as if they were dead: who was led
/// elsewhere takes nothing over then.
#[test]
fn a_node_that_was_refused_takes_nothing_over_while_the_right_redis_is_away() {
    run(async {
        let (postgres, mut first, second) = (Postgres::start().unwrap(), redis(), redis());
        let way = Relay::to(first.port(), Duration::ZERO);
        let (stays, strays) = (
            node(first.port(), &postgres.url()).await,
            node(way.port(), &postgres.url()).await,
        );
        open_accounts(&stays).await;
        let mut kept = write(&stays, 0..5).await;
        way.switch(second.port());
        wait_for("the node to stop", || says_two(&strays.condition())).await;
        let before = epochs(&postgres);
        first.kill();
        // Longer than a node is watched, and than the pause between two comparisons.
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert!(says_two(&strays.condition()), "{:?}", strays.condition());
        assert_eq!(epochs(&postgres), before, "an epoch was taken");
        first.restart().unwrap();
        wait_for("the others to go on", || stays.is_answering()).await;
        kept.extend(write(&stays, 5..10).await);
        check_kept(&stays, &kept).await;
        drop(strays);
    });
}

#[test]
fn an_old_master_that_comes_back_says_which_writes_are_lost() {
    run(async {
        let mut postgres = Postgres::start().unwrap();
        let (first, second) = (replicating(), replicating());
        let old = node(first.port(), &postgres.url()).await;
        open_accounts(&old).await;
        let mut kept = write(&old, 0..5).await;
        wait_until_persisted(&old).await;
        replicate(&second, first.port());
        wait_until_replicated(&first, &second).await;
        promote(&second);
        // Answered by the first alone: the database is away, and nobody replicates.
        postgres.kill();
        let lost = write(&old, 5..8).await;
        drop(old);
        postgres.restart().unwrap();
        let (new, opened) = open_with(
            &second.url(),
            &postgres.url(),
            WriteBehindOptions::default(),
        )
        .await;
        assert_eq!((opened.origin, opened.dropped), (Origin::Kept, None));
        let fork = opened.position;
        kept.extend(write(&new, 10..12).await);
        wait_until_persisted(&new).await;
        drop(new);
        let (back, opened) =
            open_with(&first.url(), &postgres.url(), WriteBehindOptions::default()).await;
        assert_eq!(opened.origin, Origin::Rebuilt);
        let (from, to) = (fork + 1, fork + 3);
        assert_eq!(opened.dropped, Some(Dropped { from, to }));
        check_kept(&back, &kept).await;
        for id in lost {
            let found = back.transfer(id, in_seconds(20)).await.unwrap();
            assert_eq!(found, None, "what is lost is not shown");
        }
    });
}

/// Whatever fails while the old one is rebuilt: what is lost with it is known by then.
#[test]
fn an_old_master_says_which_writes_are_lost_before_anything_is_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut postgres = Postgres::start().unwrap();
        let (first, second) = (replicating(), replicating());
        let old = node(first.port(), &postgres.url()).await;
        open_accounts(&old).await;
        write(&old, 0..5).await;
        wait_until_persisted(&old).await;
        replicate(&second, first.port());
        wait_until_replicated(&first, &second).await;
        promote(&second);
        postgres.kill();
        write(&old, 5..8).await;
        drop(old);
        postgres.restart().unwrap();
        let (new, opened) = open_with(
            &second.url(),
            &postgres.url(),
            WriteBehindOptions::default(),
        )
        .await;
        let fork = opened.position;
        write(&new, 10..12).await;
        wait_until_persisted(&new).await;
        drop(new);
        // The database refuses the first step of a rebuild.
        let refuse = "
            CREATE FUNCTION fail() RETURNS event_trigger LANGUAGE plpgsql AS
                $$BEGIN RAISE EXCEPTION 'not today'; END$$;
            CREATE EVENT TRIGGER fail ON ddl_command_start WHEN TAG IN ('CREATE FUNCTION')
                EXECUTE FUNCTION fail()";
        postgres.psql(refuse).unwrap();
        let log = Log::keep();
        let (redis_url, database_url) = (first.url(), postgres.url());
        let options = WriteBehindOptions::default();
        let opened = WriteBehindEngine::open(&redis_url, &database_url, options).await;
        assert!(opened.is_err(), "it was rebuilt");
        let there = first.command(&["EXISTS", "lastro:meta"]).unwrap();
        assert_eq!(there, "1", "something was dropped");
        let (from, to) = (fork + 1, fork + 3);
        let named = format!("DATA LOSS: this Redis held writes at positions {from} to {to} ");
        assert!(log.has(&named), "the loss is not named");
    });
}

#[test]
fn a_comparison_of_another_ledger_halts_nothing() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let before = epochs(&postgres);
        let (epoch, ledger) = ("ffffffffffffffff", "another ledger's");
        let halted = redis.command(&["FCALL", "lastro_3_halt", "0", epoch, ledger]);
        assert!(halted.unwrap().contains("EPOCH"));
        for number in 0..3 {
            assert_eq!(try_one(&engine, number).await, Ok(()));
        }
        assert_eq!(epochs(&postgres), before, "it was halted");
    });
}
