//! Poolers between a node and the database: what they drop is noticed, and refused by name.

use engine_postgres::{ConnectError, PostgresEngine, PostgresOpenError, PostgresOptions, verify};
use ledger::{AccountId, Command, MoveMoney, TransferId};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::{PgBouncer, Postgres};

fn opened(url: &str) -> Result<(), PostgresOpenError> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = PostgresEngine::open(url, &PostgresOptions::default()).await?;
        open_accounts(&engine).await;
        let transfer = Command::Transfer(MoveMoney {
            id: TransferId::from_u128(1),
            debit_account_id: AccountId::world(currency()),
            credit_account_id: id("user:1"),
            amount: 1,
            description: "poolers".into(),
            notes: ledger::Notes::NONE,
        });
        let told = submit_one(&engine, transfer, in_seconds(20)).await.unwrap();
        assert_eq!(told.code(), "created");
        let verified = verify(url, &PostgresOptions::default(), &mut |_| {}).await?;
        assert!(verified.is_clean());
        Ok(())
    })
}

const DROPS_OPTIONS: (&str, &str) = ("ignore_startup_parameters", "options");

#[test]
fn a_pooler_that_keeps_a_session_to_one_server_works() {
    let postgres = Postgres::start().unwrap();
    let settings = [("pool_mode", "session"), DROPS_OPTIONS];
    let pooler = PgBouncer::start(&postgres, &settings).unwrap();
    opened(&pooler.url_of("postgres")).unwrap();
    // What is set while a session lasts ends with it.
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lastro'";
    assert!(postgres.psql(count).is_ok());
}

#[test]
fn a_pooler_that_gives_each_transaction_another_session_is_refused() {
    let postgres = Postgres::start().unwrap();
    for round_robin in ["0", "1"] {
        let settings = [
            ("pool_mode", "transaction"),
            ("server_round_robin", round_robin),
            DROPS_OPTIONS,
        ];
        let pooler = PgBouncer::start(&postgres, &settings).unwrap();
        let refused = opened(&pooler.url_of("postgres")).unwrap_err();
        let PostgresOpenError::Connection(ConnectError::Pooled | ConnectError::Settings(_)) =
            refused
        else {
            panic!("{refused:?}");
        };
    }
}

/// Nothing is set then that the database would not have set by itself: sessions alone differ.
#[test]
fn so_it_is_where_all_settings_are_as_they_have_to_be() {
    let postgres = Postgres::start().unwrap();
    let settings = [
        ("statement_timeout", "5000"),
        ("idle_in_transaction_session_timeout", "5000"),
        ("client_connection_check_interval", "500"),
        ("client_min_messages", "warning"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ];
    for (name, value) in settings {
        let set = format!("ALTER DATABASE postgres SET {name} = '{value}'");
        postgres.psql(&set).unwrap();
    }
    for round_robin in ["0", "1"] {
        let settings = [
            ("pool_mode", "transaction"),
            ("server_round_robin", round_robin),
            DROPS_OPTIONS,
        ];
        let pooler = PgBouncer::start(&postgres, &settings).unwrap();
        let refused = opened(&pooler.url_of("postgres")).unwrap_err();
        let is_pooled = matches!(refused, PostgresOpenError::Connection(ConnectError::Pooled));
        assert!(is_pooled, "{refused:?}");
    }
}

#[test]
fn what_the_url_says_in_options_is_not_dropped_in_silence() {
    let postgres = Postgres::start().unwrap();
    let settings = [("pool_mode", "session"), DROPS_OPTIONS];
    let pooler = PgBouncer::start(&postgres, &settings).unwrap();
    let url = pooler.url_of("postgres") + "?options=-c%20work_mem%3D1MB";
    let refused = opened(&url).unwrap_err();
    let PostgresOpenError::Connection(ConnectError::Settings(said)) = refused else {
        panic!("{refused:?}");
    };
    assert!(said.contains("statement_timeout"), "{said}");
}
