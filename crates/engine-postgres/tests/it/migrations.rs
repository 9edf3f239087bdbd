//! Migrations: once, by the node that comes first.

use engine_postgres::{
    Beginning, Migrated, PostgresEngine, PostgresOpenError, PostgresOptions, begin, migrate,
};
use ledger::{
    Command, Engine, MoveMoney, PendingEnd, PendingState, Record, Standing, Timestamp, TransferId,
    UsedTransfer,
};
use testkit::bank::{accounts, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

/// Undoes the migrations from number 11 on.
const WITHOUT_CHANGES: &str =
    "DROP TABLE lastro.account_changes, lastro.payment_changes, lastro.copy;
    ALTER TABLE lastro.batches DROP COLUMN decided_at;
    ALTER TABLE lastro.entries DROP COLUMN reference, DROP COLUMN metadata;
    ALTER TABLE lastro.transfers DROP COLUMN reversed_amount, DROP COLUMN left_amount;
    ALTER TABLE lastro.accounts DROP COLUMN frozen;
    DROP TABLE lastro.reversals, lastro.parts, lastro.events, lastro.webhooks, lastro.listed;
    DROP FUNCTION lastro.events_drawn();
    ALTER TABLE lastro.ledger DROP COLUMN feed_is_whole;
    DELETE FROM lastro.migrations WHERE number >= 11";

#[test]
fn migrations_run_once_also_by_many_at_once() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for round in 0..3 {
        let url = postgres.create_database(&format!("round{round}")).unwrap();
        let migrated = runtime.block_on(by_many_at_once(&url));
        let first = migrated.iter().filter(|done| done.from == 0).count();
        assert_eq!(first, 1, "{migrated:?}");
        let newest = migrated[0].to;
        assert!(newest > 0 && migrated.iter().all(|done| done.to == newest));
        let again = Migrated {
            from: newest,
            to: newest,
        };
        assert_eq!(migrated.last(), Some(&again));
        // The lists of an older ledger are filled between two transactions.
        let older = "DROP TABLE lastro.listed; DELETE FROM lastro.migrations WHERE number >= 18";
        postgres.psql_in(&format!("round{round}"), older).unwrap();
        let migrated = runtime.block_on(by_many_at_once(&url));
        assert!(
            migrated.iter().all(|done| done.to == newest),
            "{migrated:?}"
        );
        assert_eq!(migrated.last(), Some(&again));
    }
}

/// Four migrate at once, and one afterwards.
async fn by_many_at_once(url: &str) -> Vec<Migrated> {
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move { migrate(&url, &PostgresOptions::default()).await })
        })
        .collect();
    let mut migrated = Vec::new();
    for task in tasks {
        migrated.push(task.await.unwrap().unwrap());
    }
    migrated.push(migrate(url, &PostgresOptions::default()).await.unwrap());
    migrated
}

/// Each has looked for tables, and found none, before it waits for the one that makes them: it must not
/// believe that any more.
#[test]
fn two_nodes_begin_in_one_empty_database_at_once() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = postgres.url();
    runtime.block_on(async {
        let connect = tokio_postgres::connect(&url, tokio_postgres::NoTls);
        let (other, connection) = connect.await.unwrap();
        tokio::spawn(connection);
        // The lock that a migration takes first.
        let held = "SELECT pg_advisory_lock(x'6c617374726f0001'::bigint)";
        other.batch_execute(held).await.unwrap();
        let nodes: Vec<_> = (0..3)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move {
                    PostgresEngine::open(&url, &PostgresOptions::default()).await
                })
            })
            .collect();
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
        loop {
            let waiting: i64 = other.query_one(waits, &[]).await.unwrap().get(0);
            if waiting == 3 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        other
            .batch_execute("SELECT pg_advisory_unlock_all()")
            .await
            .unwrap();
        let mut opened = Vec::new();
        for node in nodes {
            let bound = std::time::Duration::from_secs(60);
            let node = tokio::time::timeout(bound, node).await.unwrap().unwrap();
            opened.push(node.unwrap());
        }
        let first = opened[0].ledger_id();
        assert!(opened.iter().all(|node| node.ledger_id() == first));
    });
}

#[test]
fn an_engine_says_when_the_database_is_not_at_its_migration() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let by_hand = PostgresOptions {
        migrate: false,
        ..PostgresOptions::default()
    };
    let older = runtime.block_on(PostgresEngine::open(&postgres.url(), &by_hand));
    assert!(matches!(older, Err(PostgresOpenError::NoLedger)));
    runtime
        .block_on(migrate(&postgres.url(), &PostgresOptions::default()))
        .unwrap();
    let open = || runtime.block_on(PostgresEngine::open(&postgres.url(), &by_hand));
    assert!(open().is_ok());
    postgres
        .psql("INSERT INTO lastro.migrations (number) VALUES (999)")
        .unwrap();
    assert!(matches!(
        open(),
        Err(PostgresOpenError::Newer { found: 999, .. })
    ));
    let newer = runtime.block_on(migrate(&postgres.url(), &PostgresOptions::default()));
    assert!(matches!(
        newer,
        Err(PostgresOpenError::Newer { found: 999, .. })
    ));
}

#[test]
fn no_bound_of_a_role_or_of_a_connection_ends_a_migration_that_takes_long() {
    let postgres = Postgres::start().unwrap();
    let bound = std::time::Duration::from_millis(500);
    postgres
        .psql(
            "ALTER ROLE CURRENT_USER SET statement_timeout = '500ms';
            ALTER ROLE CURRENT_USER SET lock_timeout = '400ms'",
        )
        .unwrap();
    // One table takes three times as long as any statement may.
    postgres
        .psql(
            "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (
                    SELECT FROM pg_event_trigger_ddl_commands()
                    WHERE object_identity = 'lastro.batches'
                ) THEN PERFORM pg_sleep(1.5); END IF;
            END $$;
            CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
                EXECUTE FUNCTION slow()",
        )
        .unwrap();
    let options = PostgresOptions {
        statement_timeout: bound,
        ..PostgresOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let migrated = runtime.block_on(async {
        // The second one waits for the first, as long.
        let url = postgres.url();
        tokio::join!(migrate(&url, &options), migrate(&url, &options))
    });
    let (first, second) = (migrated.0.unwrap(), migrated.1.unwrap());
    assert_eq!(first.from + second.from, first.to, "{first:?} {second:?}");
}

/// Who waits for a table keeps everyone who comes after waiting: a migration lets others pass.
#[test]
fn a_migration_that_waits_for_a_table_holds_up_nobody() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = PostgresOptions::default();
    let url = postgres.url();
    runtime.block_on(migrate(&url, &options)).unwrap();
    // As a database of the version before the leases were shared.
    postgres.psql(WITHOUT_CHANGES).unwrap();
    postgres
        .psql(
            "DELETE FROM lastro.migrations WHERE number > 5;
            ALTER TABLE lastro.leases DROP COLUMN lasts;
            DROP TABLE lastro.clock, lastro.ledger, lastro.caller_keys;
            DROP INDEX lastro.transfers_by_pending;
            ALTER TABLE lastro.transfers DROP COLUMN expired_at",
        )
        .unwrap();
    runtime.block_on(async {
        let connect = tokio_postgres::connect(&url, tokio_postgres::NoTls);
        let (backup, connection) = connect.await.unwrap();
        tokio::spawn(connection);
        let held = "BEGIN; LOCK TABLE lastro.leases IN ACCESS SHARE MODE";
        backup.batch_execute(held).await.unwrap();
        let migration = tokio::spawn({
            let (url, options) = (url.clone(), options.clone());
            async move { migrate(&url, &options).await }
        });
        // It waits, and then it does not: a statement of a running node comes through meanwhile.
        let (node, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        loop {
            let waiting: i64 = node.query_one(waits, &[]).await.unwrap().get(0);
            if waiting > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let update = node.execute("UPDATE lastro.leases SET leased_until = leased_until", &[]);
        let bound = std::time::Duration::from_secs(60);
        tokio::time::timeout(bound, update).await.unwrap().unwrap();
        assert!(!migration.is_finished());
        backup.batch_execute("COMMIT").await.unwrap();
        let migrated = tokio::time::timeout(bound, migration).await.unwrap();
        let migrated = migrated.unwrap().unwrap();
        assert_eq!((migrated.from, migrated.to), (5, 19));
    });
}

/// When the command was recorded.
async fn recorded_at(engine: &PostgresEngine, command: Command) -> Timestamp {
    let outcome = submit_one(engine, command, in_seconds(20)).await.unwrap();
    match outcome.result {
        Ok(Record::Transfer(transfer)) => transfer.timestamp,
        other => panic!("{other:?}"),
    }
}

/// Makes a pending transfer of 10.
async fn pend(engine: &PostgresEngine, number: u128, timeout_s: u32) {
    let [debit, credit, ..] = &accounts()[..] else {
        panic!("there are not two accounts");
    };
    let transfer = MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: debit.clone(),
        credit_account_id: credit.clone(),
        amount: 10,
        description: "pending".into(),
        notes: ledger::Notes::NONE,
    };
    let command = Command::Pend {
        transfer,
        timeout_s,
    };
    recorded_at(engine, command).await;
}

/// Waits until the pending transfer has expired, and returns its end.
async fn expired(engine: &PostgresEngine, number: u128) -> Option<PendingEnd> {
    let (id, deadline) = (TransferId::from_u128(number), in_seconds(60));
    loop {
        match engine.transfer(id, deadline).await.unwrap() {
            Some(UsedTransfer::Created(_, Standing::Pending { state, .. })) => match state {
                PendingState::Expired => break,
                PendingState::Pending => {}
                PendingState::Posted | PendingState::Voided => panic!("{state:?}"),
            },
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    engine.pending_end(id, deadline).await.unwrap()
}

#[test]
fn how_pending_transfers_ended_is_found_in_a_database_from_before_it_was_asked() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("older").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        open_accounts(&engine).await;
        for (number, timeout_s) in [(1, 0), (2, 3_600), (3, 1)] {
            pend(&engine, number, timeout_s).await;
        }
        let [posted, voided] = [1, 2].map(TransferId::from_u128);
        let [post, void] = [4, 5].map(TransferId::from_u128);
        let posted_at = recorded_at(
            &engine,
            Command::Post {
                id: post,
                pending_id: posted,
                amount: Some(7),
            },
        );
        let posted_at = posted_at.await;
        let voided_at = recorded_at(
            &engine,
            Command::Void {
                id: void,
                pending_id: voided,
            },
        );
        let voided_at = voided_at.await;
        assert!(expired(&engine, 3).await.is_some());
        drop(engine);

        // As a node before migration 8 has left it.
        postgres.psql_in("older", WITHOUT_CHANGES).unwrap();
        postgres
            .psql_in(
                "older",
                "DROP INDEX lastro.transfers_by_pending;
                ALTER TABLE lastro.transfers DROP COLUMN expired_at;
                DROP TABLE lastro.ledger, lastro.caller_keys;
                DELETE FROM lastro.migrations WHERE number >= 8",
            )
            .unwrap();
        let engine = open(&url).await;
        let end = async |id| engine.pending_end(id, in_seconds(20)).await.unwrap();
        let by_post = PendingEnd {
            by: Some(post),
            posted_amount: Some(7),
            at: posted_at,
        };
        assert_eq!(end(posted).await, Some(by_post));
        let by_void = PendingEnd {
            by: Some(void),
            posted_amount: None,
            at: voided_at,
        };
        assert_eq!(end(voided).await, Some(by_void));
        // The state is there, the time was not kept.
        assert_eq!(expired(&engine, 3).await, None);
        for id in [post, void, TransferId::from_u128(99)] {
            assert_eq!(end(id).await, None);
        }
        pend(&engine, 6, 1).await;
        let end = expired(&engine, 6).await.unwrap();
        assert_eq!((end.by, end.posted_amount), (None, None));
        assert!(end.at > voided_at, "{end:?}");
    });
}

/// The statement of `docs/guide/postgresql.md` that makes the index of migration 8 beforehand.
fn index_by_hand() -> String {
    let guide = include_str!("../../../../docs/guide/postgresql.md");
    let (_, statement) = guide
        .split_once("```sql\nCREATE INDEX CONCURRENTLY")
        .unwrap();
    let (statement, _) = statement.split_once("```").unwrap();
    format!("CREATE INDEX CONCURRENTLY{statement}")
}

#[test]
fn an_index_that_was_made_beforehand_is_kept_and_one_that_failed_is_made_anew() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("older").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let psql = |statements: &str| postgres.psql_in("older", statements).unwrap();
    let options = PostgresOptions::default();
    runtime.block_on(migrate(&url, &options)).unwrap();
    let definition = "SELECT pg_get_indexdef('lastro.transfers_by_pending'::regclass)";
    let migrated = psql(definition);
    let index = "SELECT indexrelid, indisvalid FROM pg_index
        WHERE indexrelid = 'lastro.transfers_by_pending'::regclass";
    for fails in [false, true] {
        // As a node before migration 8 has left it.
        psql(WITHOUT_CHANGES);
        psql(
            "DROP INDEX lastro.transfers_by_pending;
            ALTER TABLE lastro.transfers DROP COLUMN expired_at;
            DROP TABLE lastro.ledger, lastro.caller_keys;
            DELETE FROM lastro.migrations WHERE number >= 8",
        );
        psql(&index_by_hand());
        if fails {
            psql(
                "UPDATE pg_index SET indisvalid = false
                WHERE indexrelid = 'lastro.transfers_by_pending'::regclass",
            );
        }
        let made = psql(index);
        runtime.block_on(migrate(&url, &options)).unwrap();
        let (is_kept, kept) = (psql(index) == made, psql(index));
        assert_eq!(is_kept, !fails, "{made} became {kept}");
        assert!(kept.ends_with("|t"), "{kept}");
        assert_eq!(psql(definition), migrated);
    }
}

/// A ledger that is older than the ids of ledgers gets one, once; a new one is begun only where there is
/// none, and only where that is allowed.
#[test]
fn a_ledger_has_one_id_for_ever() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("older").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = PostgresOptions {
        beginning: Beginning::Refused,
        ..PostgresOptions::default()
    };
    let open = |options: &PostgresOptions| {
        let engine = runtime.block_on(PostgresEngine::open(&url, options));
        engine.map(|engine| {
            let _entered = runtime.enter();
            engine.ledger_id()
        })
    };
    let migrated = runtime.block_on(migrate(&url, &refused));
    assert!(matches!(migrated, Err(PostgresOpenError::NoLedger)));
    assert!(matches!(open(&refused), Err(PostgresOpenError::NoLedger)));
    let schema = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lastro'";
    assert_eq!(postgres.psql_in("older", schema).unwrap().trim(), "0");

    let begun = runtime.block_on(begin(&url, &refused)).unwrap();
    assert_eq!(open(&refused).unwrap(), begun);
    let again = runtime.block_on(begin(&url, &refused));
    let Err(PostgresOpenError::HasLedger { ledger_id }) = again else {
        panic!("{again:?}");
    };
    assert_eq!(ledger_id, Some(begun));

    // As a node before migration 9 has left it.
    postgres.psql_in("older", WITHOUT_CHANGES).unwrap();
    let before = "DROP TABLE lastro.ledger, lastro.caller_keys;
        DELETE FROM lastro.migrations WHERE number >= 9";
    postgres.psql_in("older", before).unwrap();
    let again = runtime.block_on(begin(&url, &refused));
    assert!(matches!(
        again,
        Err(PostgresOpenError::HasLedger { ledger_id: None })
    ));
    let drawn = open(&refused).unwrap();
    assert_ne!(drawn, begun);
    assert_eq!(open(&refused).unwrap(), drawn);
}
