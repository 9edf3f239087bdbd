//! What Redis is set to while nodes run: as soon as it would lose what it answers, nothing is written.

use std::time::Duration;

use engine_write_behind::{Condition, WriteBehindEngine, WriteBehindOptions};
use ledger::{Engine, Unavailable};
use testkit::bank::{accounts, in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for};

/// Why the engine takes no writes, once it takes none.
async fn why_not(engine: &WriteBehindEngine) -> (Unavailable, String) {
    wait_for("writes to be refused", || {
        matches!(engine.condition(), Condition::Refuses { .. })
    })
    .await;
    match engine.condition() {
        Condition::Refuses { code, why } => (code, why.to_string()),
        Condition::Ready => panic!("it is ready again"),
    }
}

async fn wait_until_ready(engine: &WriteBehindEngine) {
    wait_for("writes to be taken", || {
        engine.condition() == Condition::Ready
    })
    .await;
}

async fn check_reads(engine: &WriteBehindEngine) {
    let id = accounts().remove(0);
    let read = engine.account(id, in_seconds(20)).await.unwrap();
    assert!(read.is_some());
}

#[test]
fn a_running_node_refuses_writes_while_redis_would_lose_them() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        for (number, (name, bad, good)) in (1..).zip([
            ("appendonly", "no", "yes"),
            ("appendfsync", "everysec", "always"),
            ("maxmemory-policy", "allkeys-lru", "noeviction"),
            ("no-appendfsync-on-rewrite", "yes", "no"),
        ]) {
            redis.command(&["CONFIG", "SET", name, bad]).unwrap();
            let (code, why) = why_not(&engine).await;
            assert_eq!(code, Unavailable::StorageFailed);
            assert!(
                why.contains(name) && why.contains("CONFIG REWRITE"),
                "{why}"
            );
            let position = redis.command(&["GET", "lastro:meta"]).unwrap();
            let refused = try_one(&engine, number).await;
            assert_eq!(refused, Err(Unavailable::StorageFailed));
            assert_eq!(redis.command(&["GET", "lastro:meta"]).unwrap(), position);
            check_reads(&engine).await;
            redis.command(&["CONFIG", "SET", name, good]).unwrap();
            wait_until_ready(&engine).await;
            assert_eq!(try_one(&engine, number).await, Ok(()));
        }
    });
}

#[test]
fn a_redis_that_restarts_without_its_settings_is_not_gone_on_with() {
    let postgres = Postgres::start().unwrap();
    // As it is where settings were made with CONFIG SET alone.
    let mut redis = Redis::start().unwrap();
    let set = |redis: &Redis| {
        redis
            .command(&["CONFIG", "SET", "appendonly", "yes"])
            .unwrap();
        redis
            .command(&["CONFIG", "SET", "appendfsync", "always"])
            .unwrap();
    };
    set(&redis);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        crate::support::wait_until_persisted(&engine).await;
        redis.kill();
        redis.restart().unwrap();
        wait_for("the settings to be missed", || {
            let said = |why: &str| why.contains("appendonly") && why.contains("CONFIG REWRITE");
            matches!(engine.condition(), Condition::Refuses { why, .. } if said(&why))
        })
        .await;
        assert!(try_one(&engine, 2).await.is_err());
        let there = redis.command(&["EXISTS", "lastro:meta"]).unwrap();
        assert_eq!(there, "0", "it was rebuilt all the same");
        set(&redis);
        wait_until_ready(&engine).await;
        assert_eq!(try_one(&engine, 2).await, Ok(()));
        check_reads(&engine).await;
    });
}

/// `appendonly yes` counts only once the first rewrite has ended: until then a restart begins empty.
#[test]
fn nothing_is_answered_before_the_first_rewrite_has_ended() {
    let (postgres, redis) = (Postgres::start().unwrap(), Redis::start().unwrap());
    let command = |words: &[&str]| redis.command(words).unwrap();
    command(&["CONFIG", "SET", "appendfsync", "always"]);
    for number in 0..200 {
        command(&["SET", &format!("other:{number}"), "value"]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Slow for the sake of the test: 50 ms for every key.
        command(&["CONFIG", "SET", "rdb-key-save-delay", "50000"]);
        command(&["CONFIG", "SET", "appendonly", "yes"]);
        let (redis_url, database_url) = (redis.url(), postgres.url());
        let opened =
            WriteBehindEngine::open(&redis_url, &database_url, WriteBehindOptions::default());
        let error = match opened.await {
            Ok(_) => panic!("it opened"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("aof_rewrite_in_progress"), "{error}");
        command(&["CONFIG", "SET", "appendonly", "no"]);
        command(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
        command(&["CONFIG", "SET", "appendonly", "yes"]);
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        // A later rewrite is no reason to stop.
        command(&["CONFIG", "SET", "rdb-key-save-delay", "20000"]);
        let settled = Duration::from_secs(3);
        tokio::time::sleep(settled).await;
        command(&["BGREWRITEAOF"]);
        let until = std::time::Instant::now() + settled;
        let mut number = 0;
        while std::time::Instant::now() < until {
            number += 1;
            assert_eq!(try_one(&engine, number).await, Ok(()));
        }
        let info = command(&["INFO", "persistence"]);
        assert!(info.contains("aof_rewrite_in_progress:1"), "{info}");
        // Switched off and on it is a first one again.
        command(&["CONFIG", "SET", "appendonly", "no"]);
        command(&["CONFIG", "SET", "appendonly", "yes"]);
        wait_for_rewrite(&engine).await;
    });
}

/// A look in between may have found the file switched off.
async fn wait_for_rewrite(engine: &WriteBehindEngine) {
    wait_for("the rewrite to be told", || match engine.condition() {
        Condition::Refuses { why, .. } => why.contains("aof_rewrite_in_progress"),
        Condition::Ready => false,
    })
    .await;
}

#[test]
fn a_redis_that_takes_no_writes_is_not_ready_also_while_nobody_writes() {
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Where its snapshot would have to go is a folder: no save succeeds.
    std::fs::create_dir(folder.path().join("dump.rdb")).unwrap();
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    let options = ServerOptions {
        folder: Some(folder.path().to_owned()),
        ..ServerOptions::with_settings(&settings)
    };
    let redis = Redis::start_with(&options).unwrap();
    let set = |name: &str, value: &str| {
        redis.command(&["CONFIG", "SET", name, value]).unwrap();
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        set("min-replicas-to-write", "1");
        let (code, why) = why_not(&engine).await;
        assert_eq!(code, Unavailable::LedgerUnavailable);
        assert!(why.contains("NOREPLICAS"), "{why}");
        check_reads(&engine).await;
        set("min-replicas-to-write", "0");
        wait_until_ready(&engine).await;

        set("maxmemory", "1");
        let (code, why) = why_not(&engine).await;
        assert_eq!(code, Unavailable::StorageFull);
        assert!(why.contains("memory"), "{why}");
        check_reads(&engine).await;
        set("maxmemory", "0");
        wait_until_ready(&engine).await;

        set("save", "3600 1");
        redis.command(&["BGSAVE"]).unwrap();
        let (code, why) = why_not(&engine).await;
        assert_eq!(code, Unavailable::StorageFailed);
        assert!(why.contains("MISCONF"), "{why}");
        check_reads(&engine).await;
        set("stop-writes-on-bgsave-error", "no");
        wait_until_ready(&engine).await;
    });
}

/// How often Redis was asked for its settings.
fn looks(redis: &Redis) -> u64 {
    let info = redis.command(&["INFO", "commandstats"]).unwrap();
    let calls = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_config|get:calls="));
    let calls = calls.and_then(|calls| calls.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[test]
fn a_first_rewrite_is_noticed_by_the_first_look_that_finds_it() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let command = |words: &[&str]| redis.command(words).unwrap();
    for number in 0..400 {
        command(&["SET", &format!("other:{number}"), "value"]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        // Slow for the sake of the test: 50 ms for every key.
        command(&["CONFIG", "SET", "rdb-key-save-delay", "50000"]);
        command(&["CONFIG", "SET", "appendonly", "no"]);
        let (_, why) = why_not(&engine).await;
        assert!(why.contains("appendonly"), "{why}");
        command(&["CONFIG", "SET", "appendonly", "yes"]);
        let before = looks(&redis);
        wait_for_rewrite(&engine).await;
        let looks = looks(&redis) - before;
        assert!(looks <= 3, "it took {looks} looks");
    });
}

#[test]
fn a_redis_that_is_slow_is_not_called_one_that_would_lose_what_it_answers() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        // Longer than any look waits.
        redis.command(&["CLIENT", "PAUSE", "6000", "ALL"]).unwrap();
        let mut told = Vec::new();
        wait_for("Redis to be slow and to come back", || {
            let condition = engine.condition();
            if told.last() != Some(&condition) {
                told.push(condition);
            }
            told.len() >= 3 && told.last() == Some(&Condition::Ready)
        })
        .await;
        for condition in &told {
            let is_failed = matches!(
                condition,
                Condition::Refuses {
                    code: Unavailable::StorageFailed,
                    ..
                }
            );
            assert!(!is_failed, "{told:?}");
        }
    });
}
