//! Redis' clock jumps: what is decided by it, and what a start makes of it. A real Redis' clock cannot
//! be set here, so it is the machine's time that stays behind, and the newest time that is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine_write_behind::{Condition, WriteBehindEngine, WriteBehindOptions};
use ledger::{ClockBounds, Command, Engine, Outcome, TransferId, Unavailable};
use testkit::bank::{Drawer, accounts, in_seconds, open_accounts, submit_one};
use testkit::servers::{Postgres, Redis};

use crate::comparisons::run;
use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

const DAY_NS: u64 = 24 * 3_600 * 1_000_000_000;

fn is_refused(engine: &WriteBehindEngine) -> bool {
    match engine.condition() {
        Condition::Ready => false,
        Condition::Refuses { code, why } => {
            assert_eq!(code, Unavailable::ClockJumped, "{why}");
            why.contains("--accept-clock")
        }
    }
}

async fn hold(engine: &WriteBehindEngine, number: u128, timeout_s: u32) -> Outcome {
    let hold = Command::Pend {
        transfer: Drawer::new(1).transfer(TransferId::from_u128(number)),
        timeout_s,
    };
    submit_one(engine, hold, in_seconds(30)).await.unwrap()
}

async fn pending(engine: &WriteBehindEngine) -> u64 {
    let mut pending = 0;
    for id in accounts() {
        let account = engine.account(id, in_seconds(30)).await.unwrap().unwrap();
        pending += account.debits_pending;
    }
    pending
}

/// What the machine's time is said to be, in seconds: far ahead at first, and then not any more.
static UPTIME_S: AtomicU64 = AtomicU64::new(1_000_000);

fn uptime() -> Option<Duration> {
    // Later each time, so that Redis' clock is never ahead of it.
    Some(Duration::from_secs(
        UPTIME_S.fetch_add(1_000, Ordering::Relaxed),
    ))
}

#[test]
fn a_jump_under_a_running_node_ends_no_hold_and_writes_nothing() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let options = WriteBehindOptions {
            clock: ClockBounds {
                jump_max: Duration::ZERO,
                ..ClockBounds::default()
            },
            uptime,
            ..WriteBehindOptions::default()
        };
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options.clone()).await;
        open_accounts(&engine).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        let short = hold(&engine, 2, 1).await;
        assert!(short.result.is_ok(), "{short:?}");
        wait_for("the hold to expire", || engine.lag().entries == 0).await;
        wait_until_none_pends(&engine).await;
        let long = hold(&engine, 3, 5).await;
        assert!(long.result.is_ok(), "{long:?}");
        assert_eq!(engine.clock_ahead_s(), None);

        // By the machine no time has passed since the node was started: Redis' clock ran ahead.
        UPTIME_S.store(0, Ordering::Relaxed);
        wait_for("the jump to be seen", || {
            engine.clock_ahead_s().is_some() && is_refused(&engine)
        })
        .await;
        let seen = engine.lag();
        // The hold's end, and what any node that believes the clock would do about it.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let held = pending(&engine).await;
        assert!(held > 0, "a hold ended by a clock that is not believed");
        assert_eq!(
            try_one(&engine, 4).await,
            Err(Unavailable::ClockJumped),
            "{seen:?}"
        );
        let unknown = engine.transfer(TransferId::from_u128(4), in_seconds(30));
        assert_eq!(unknown.await, Ok(None));
        wait_for("the doubt to be noted", || is_doubted(&postgres)).await;

        // Another node does not take for rest what this one refuses.
        let other = WriteBehindOptions {
            clock: ClockBounds {
                jump_max: Duration::ZERO,
                ..ClockBounds::default()
            },
            ..WriteBehindOptions::default()
        };
        let (other, _) = open_with(&redis.url(), &postgres.url(), other).await;
        assert!(other.clock_ahead_s().is_some() && is_refused(&other));
        drop(other);

        // It is right again.
        UPTIME_S.store(9_000_000, Ordering::Relaxed);
        wait_for("writes to be taken", || engine.is_answering()).await;
        assert_eq!(engine.clock_ahead_s(), None);
        assert_eq!(try_one(&engine, 4).await, Ok(()));
        wait_until_none_pends(&engine).await;
        wait_until_persisted(&engine).await;
    });
}

/// An event later than a bigint can say in nanoseconds, which a version applied that believed such a clock.
#[test]
fn an_event_of_after_2262_is_persisted() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let options = WriteBehindOptions::default();
        let (engine, _) = open_with(&redis.url(), &postgres.url(), options).await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        // The newest event is in 2300: the next one comes after it.
        let script =
            "redis.call('SETRANGE', 'lastro:meta', 44, struct.pack('>I8', 10413792000000000))
            return 'aged'";
        let aged = redis.command(&["EVAL", script, "0"]).unwrap();
        assert!(aged.contains("aged"), "{aged}");
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        wait_until_persisted(&engine).await;
        shown(&postgres).await;
    });
}

async fn wait_until_none_pends(engine: &WriteBehindEngine) {
    let bound = in_seconds(60);
    while pending(engine).await > 0 {
        assert!(Instant::now() < bound, "a hold that is due does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_doubted(postgres: &Postgres) -> bool {
    let doubted = "SELECT doubted_at IS NOT NULL FROM lastro.clock";
    postgres.psql(doubted).unwrap().trim() == "t"
}

/// Waits until the accounts in the database show all that is persisted.
async fn shown(postgres: &Postgres) {
    let is_shown = "SELECT ledger.position = balances.position
        FROM lastro_behind.ledger, lastro_behind.balances";
    wait_for("the accounts to be shown", || {
        postgres.psql(is_shown).unwrap().trim() == "t"
    })
    .await;
}

/// Sets all that is known of the newest time to so many days before: in the database, and in Redis.
fn age(postgres: &Postgres, redis: &Redis, days: u64) {
    let by = days * DAY_NS;
    postgres
        .psql(&format!(
            "SET lastro_behind.writer = 'yes';
            UPDATE lastro.clock SET believed_at = lastro.now_ns() - {by}, doubted_at = NULL;
            UPDATE lastro.accounts SET newest_at = newest_at - {by};
            UPDATE lastro_behind.ledger SET newest_at = newest_at - {by}"
        ))
        .unwrap();
    // The microseconds of the newest event, in the position's record.
    let script = "local meta = redis.call('GET', 'lastro:meta')
        local at = struct.unpack('>I8', meta, 45) - tonumber(ARGV[1])
        redis.call('SETRANGE', 'lastro:meta', 44, struct.pack('>I8', at))
        return 'aged'";
    let by_us = (by / 1_000).to_string();
    let aged = redis.command(&["EVAL", script, "0", &by_us]).unwrap();
    assert!(aged.contains("aged"), "{aged}");
}

#[test]
fn a_start_long_after_the_newest_record_waits_for_an_operator() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let open = async |is_accepted| {
            let clock = ClockBounds {
                is_accepted,
                ..ClockBounds::default()
            };
            let options = WriteBehindOptions {
                clock,
                ..WriteBehindOptions::default()
            };
            open_with(&redis.url(), &postgres.url(), options).await.0
        };
        let engine = open(false).await;
        open_accounts(&engine).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        wait_until_persisted(&engine).await;
        shown(&postgres).await;
        drop(engine);

        age(&postgres, &redis, 29);
        let rested = open(false).await;
        assert_eq!(rested.clock_ahead_s(), None);
        drop(rested);

        age(&postgres, &redis, 40);
        let doubting = open(false).await;
        let ahead_s = doubting.clock_ahead_s().unwrap();
        assert!(ahead_s > 30 * 24 * 3_600, "{ahead_s}");
        assert!(is_refused(&doubting));
        assert_eq!(try_one(&doubting, 2).await, Err(Unavailable::ClockJumped));
        assert_eq!(
            doubting
                .transfer(TransferId::from_u128(2), in_seconds(30))
                .await,
            Ok(None)
        );
        assert!(pending(&doubting).await == 0, "reads go on");
        drop(doubting);

        let accepting = open(true).await;
        assert_eq!(accepting.clock_ahead_s(), None);
        assert_eq!(try_one(&accepting, 2).await, Ok(()));
        wait_until_persisted(&accepting).await;
        drop(accepting);
        // What was accepted once is known.
        let after = open(false).await;
        assert_eq!(try_one(&after, 3).await, Ok(()));
    });
}

/// Each of the three alone vouches for a time: what was noted, what is persisted, what is in Redis.
#[test]
fn a_start_believes_as_far_as_the_newest_of_what_is_known() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let open = async || {
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default())
                .await
                .0
        };
        let engine = open().await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        shown(&postgres).await;
        drop(engine);
        for newest in [
            "UPDATE lastro.clock SET believed_at = lastro.now_ns()",
            "UPDATE lastro_behind.ledger SET newest_at = lastro.now_ns()",
        ] {
            age(&postgres, &redis, 40);
            assert!(open().await.clock_ahead_s().is_some(), "nothing vouches");
            age(&postgres, &redis, 40);
            postgres.psql(newest).unwrap();
            assert_eq!(open().await.clock_ahead_s(), None, "{newest}");
        }
    });
}
