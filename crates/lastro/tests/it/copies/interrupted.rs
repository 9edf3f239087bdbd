//! A copy that is killed goes on where it was.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use engine_postgres::{PostgresEngine, PostgresOptions};
use journal::FileStorage;
use ledger::{
    AccountId, Batch, Clock, Command as LedgerCommand, Currency, Engine, MoveMoney, OpenAccount,
    Timestamp, TransferId,
};
use stdx::ErrorChain;
use testkit::LastroProcess;
use testkit::servers::Postgres;

use super::{assert_clean_database, assert_equal, assert_refused, lastro, text, to_database};
use crate::support::{binary, folder};

/// Larger than one frame and one transaction of a copy.
const TRANSFERS: u128 = 24_000;

/// The machine's own: such a ledger can be served.
struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap())
    }
}

/// A ledger of two accounts, with so many transfers in frames of a thousand.
pub(super) async fn make_ledger(folder: &Path, transfers_count: u128) {
    let storage = FileStorage::open(folder).unwrap();
    let clock = Arc::new(MachineClock);
    let (engine, _) = EmbeddedEngine::open(storage, EmbeddedOptions::default(), clock).unwrap();
    let currency = Currency::new("BRL").unwrap();
    let submit = async |commands: Vec<LedgerCommand>| {
        let batches = vec![Batch::independent(commands).unwrap()];
        let deadline = Instant::now() + Duration::from_secs(60);
        let outcomes = engine.submit(batches, deadline).await.unwrap();
        assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
    };
    let ids = ["a", "b"].map(|id| AccountId::new(id).unwrap());
    let open = |id: &AccountId| {
        LedgerCommand::OpenAccount(OpenAccount {
            id: id.clone(),
            currency,
            credit_limit: 1 << 40,
        })
    };
    submit(ids.iter().map(open).collect()).await;
    let transfer = |number: u128| {
        let [debit, credit] = &ids;
        LedgerCommand::Transfer(MoveMoney {
            id: TransferId::from_u128(number),
            debit_account_id: debit.clone(),
            credit_account_id: credit.clone(),
            amount: 1 + u64::try_from(number % 9).unwrap(),
            description: format!("number {number} of a ledger to be copied").into(),
            notes: ledger::Notes::NONE,
        })
    };
    let numbers: Vec<u128> = (1..=transfers_count).collect();
    for numbers in numbers.chunks(1_000) {
        submit(numbers.iter().copied().map(transfer).collect()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_a_database_goes_on_after_a_kill() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("to").unwrap();
    let place = folder();
    let [from, other] = ["from", "other"].map(|name| place.path().join(name));
    make_ledger(&from, TRANSFERS).await;
    make_ledger(&other, 10).await;
    assert!(lastro(&["init", "--database-url", &url]).status.success());
    // The second transaction of the copy waits for a lock that the test has.
    let psql = |statement: &str| postgres.psql_in("to", statement).unwrap();
    psql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
        CREATE TRIGGER wait BEFORE UPDATE ON lastro.copy FOR EACH ROW
            WHEN (OLD.events_count > 0) EXECUTE FUNCTION wait()",
    );
    let connect = tokio_postgres::connect(&url, tokio_postgres::NoTls);
    let (holder, connection) = connect.await.unwrap();
    tokio::spawn(connection);
    holder
        .batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let mut copy = Command::new(binary())
        .args([
            "copy",
            "--from-data-dir",
            text(&from),
            "--to-database-url",
            &url,
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while psql(waits) != "1" {
        assert!(copy.try_wait().unwrap().is_none(), "the copy did not wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nobody else copies the folder meanwhile, nor into the database.
    assert_refused(&to_database(&from, &url), "is in use by process");
    assert_refused(
        &to_database(&other, &url),
        "is in use by lastro on 127.0.0.1",
    );
    // And no node gets a connection, whatever it was asked before.
    let engine = PostgresEngine::open(&url, &PostgresOptions::default()).await;
    let refused = ErrorChain(&engine.err().unwrap()).to_string();
    assert!(refused.contains("an unfinished copy of"), "{refused}");
    copy.kill().unwrap();
    copy.wait().unwrap();
    holder
        .batch_execute("SELECT pg_advisory_unlock(7)")
        .await
        .unwrap();
    while psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lastro'") != "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let there: u128 = psql("SELECT events_count FROM lastro.copy")
        .parse()
        .unwrap();
    assert!(there > 0 && there < TRANSFERS, "{there}");

    let unused = folder();
    let arguments = ["--engine", "postgres", "--database-url", &url];
    let refused = LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap_err();
    assert!(refused.contains("run `lastro copy` again"), "{refused}");
    assert_refused(
        &to_database(&other, &url),
        "an unfinished copy of another ledger",
    );
    psql("DROP TRIGGER wait ON lastro.copy");
    let said = assert_equal(&to_database(&from, &url));
    let copied = format!("copied    {} events", TRANSFERS + 2 - there);
    assert!(said.contains(&copied), "{said}");
    assert_clean_database(&url);
    assert_refused(
        &to_database(&from, &url),
        "a ledger is in the database already",
    );
}
