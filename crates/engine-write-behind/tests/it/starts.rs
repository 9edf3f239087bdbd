//! Starts that are refused and why, and a Redis that turns away, full or read-only.

use engine_write_behind::{
    Origin, RedisDurability, WriteBehindEngine, WriteBehindOpenError, WriteBehindOptions,
};
use ledger::{Engine, Unavailable};
use testkit::bank::{accounts, in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis};

use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

async fn refused(redis: &Redis, database_url: &str, options: WriteBehindOptions) -> String {
    match WriteBehindEngine::open(&redis.url(), database_url, options).await {
        Ok(_) => panic!("it opened"),
        Err(error) => {
            assert!(!matches!(error, WriteBehindOpenError::Asked(_)), "{error}");
            error.to_string()
        }
    }
}

#[test]
fn a_redis_that_could_lose_what_is_answered_is_refused() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for (name, bad, good) in [
            ("maxmemory-policy", "allkeys-lru", "noeviction"),
            ("appendonly", "no", "yes"),
            ("appendfsync", "everysec", "always"),
        ] {
            redis.command(&["CONFIG", "SET", name, bad]).unwrap();
            let says = refused(&redis, &postgres.url(), WriteBehindOptions::default()).await;
            assert!(says.contains(name) && says.contains("CONFIG SET"), "{says}");
            redis.command(&["CONFIG", "SET", name, good]).unwrap();
        }
        redis
            .command(&["CONFIG", "SET", "appendfsync", "everysec"])
            .unwrap();
        let everysec = WriteBehindOptions {
            durability: RedisDurability::Everysec,
            ..WriteBehindOptions::default()
        };
        let (_, opened) = open_with(&redis.url(), &postgres.url(), everysec).await;
        assert_eq!(opened.durability, RedisDurability::Everysec);
    });
}

#[test]
fn stores_that_tell_different_stories_are_refused_and_an_older_redis_is_rebuilt() {
    let postgres = Postgres::start().unwrap();
    let (first, second) = (redis(), redis());
    let other_url = postgres.create_database("other").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, opened) =
            open_with(&first.url(), &postgres.url(), WriteBehindOptions::default()).await;
        assert_eq!(opened.origin, Origin::Rebuilt);
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        drop(engine);
        // A database that has never been behind one, and one behind another.
        let says = refused(&first, &other_url, WriteBehindOptions::default()).await;
        assert!(says.contains("never been behind"), "{says}");
        drop(open_with(&second.url(), &other_url, WriteBehindOptions::default()).await);
        let says = refused(&first, &other_url, WriteBehindOptions::default()).await;
        assert!(says.contains("different ledgers"), "{says}");
        // A database from before.
        let earlier = "UPDATE lastro_behind.ledger SET position = position - 1";
        postgres.psql(earlier).unwrap();
        let says = refused(&first, &postgres.url(), WriteBehindOptions::default()).await;
        assert!(says.contains("let go of everything"), "{says}");
        // A Redis from before.
        let later = "UPDATE lastro_behind.ledger SET position = position + 2, epoch = 'another'";
        postgres.psql(later).unwrap();
        let (engine, opened) =
            open_with(&first.url(), &postgres.url(), WriteBehindOptions::default()).await;
        assert_eq!(opened.origin, Origin::Rebuilt);
        for id in accounts() {
            assert!(engine.account(id, in_seconds(20)).await.unwrap().is_some());
        }
    });
}

#[test]
fn a_database_with_reversals_is_refused_until_there_are_some_over_write_behind() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        drop(open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await);
        let reversal = "INSERT INTO lastro.reversals VALUES (gen_random_uuid(), gen_random_uuid())";
        postgres.psql(reversal).unwrap();
        let says = refused(&redis, &postgres.url(), WriteBehindOptions::default()).await;
        assert!(says.contains("the database has reversals"), "{says}");
        postgres.psql("DELETE FROM lastro.reversals").unwrap();
        drop(open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await);
    });
}

#[test]
fn a_start_with_the_redis_of_another_ledger_changes_neither() {
    let postgres = Postgres::start().unwrap();
    let (first, second) = (redis(), redis());
    let other_url = postgres.create_database("other").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // The first is some epochs further than the second: each start finds a Redis not compared yet.
        for _ in 0..4 {
            drop(open_with(&first.url(), &postgres.url(), WriteBehindOptions::default()).await);
            first.command(&["FUNCTION", "FLUSH"]).unwrap();
        }
        drop(open_with(&second.url(), &other_url, WriteBehindOptions::default()).await);
        for (redis, database_url) in [(&first, &other_url), (&second, &postgres.url())] {
            let says = refused(redis, database_url, WriteBehindOptions::default()).await;
            assert!(says.contains("different ledgers"), "{says}");
        }
        for (redis, database_url) in [(&first, &postgres.url()), (&second, &other_url)] {
            redis.command(&["FUNCTION", "FLUSH"]).unwrap();
            let (engine, opened) =
                open_with(&redis.url(), database_url, WriteBehindOptions::default()).await;
            assert_eq!(opened.origin, Origin::Kept);
            open_accounts(&engine).await;
            assert_eq!(try_one(&engine, 1).await, Ok(()));
        }
    });
}

#[test]
fn a_redis_that_is_full_or_takes_no_writes_says_so_and_then_goes_on() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
        assert_eq!(try_one(&engine, 1).await, Err(Unavailable::StorageFull));
        let id = accounts().remove(0);
        let read = engine.account(id.clone(), in_seconds(20)).await.unwrap();
        assert!(read.is_some());
        redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        // A master that nobody listens at: it stays what it is, and takes no writes.
        redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        assert_eq!(
            try_one(&engine, 2).await,
            Err(Unavailable::LedgerUnavailable)
        );
        redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
        assert_eq!(try_one(&engine, 2).await, Ok(()));
    });
}

#[test]
fn writes_are_refused_once_the_database_is_too_far_behind() {
    let (mut postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = WriteBehindOptions {
            unpersisted_max: 20,
            ..WriteBehindOptions::default()
        };
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options).await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        postgres.kill();
        let mut taken = 0;
        while try_one(&engine, taken).await != Err(Unavailable::Overloaded) {
            taken += 1;
            assert!(taken < 40, "nothing was refused");
        }
        assert!(taken >= 15, "{taken}");
        postgres.restart().unwrap();
        wait_for("the lag to shrink", || engine.lag().entries < 10).await;
        assert_eq!(try_one(&engine, taken).await, Ok(()));
    });
}
