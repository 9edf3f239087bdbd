//! Migrations: once, whoever comes first.

use engine_postgres::{Migrated, OpenError, Options, PostgresEngine, migrate};
use testkit::servers::Postgres;

#[test]
fn migrations_run_once_also_by_many_at_once() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for round in 0..3 {
        let url = postgres.create_database(&format!("round{round}")).unwrap();
        let migrated = runtime.block_on(async {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let url = url.clone();
                    tokio::spawn(async move { migrate(&url, &Options::default()).await })
                })
                .collect();
            let mut migrated = Vec::new();
            for task in tasks {
                migrated.push(task.await.unwrap().unwrap());
            }
            migrated.push(migrate(&url, &Options::default()).await.unwrap());
            migrated
        });
        let first = migrated.iter().filter(|done| done.from == 0).count();
        assert_eq!(first, 1, "{migrated:?}");
        let newest = migrated[0].to;
        assert!(newest > 0 && migrated.iter().all(|done| done.to == newest));
        let again = Migrated {
            from: newest,
            to: newest,
        };
        assert_eq!(migrated.last(), Some(&again));
    }
}

#[test]
fn an_engine_says_when_the_database_is_not_at_its_migration() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let by_hand = Options {
        migrate: false,
        ..Options::default()
    };
    let older = runtime.block_on(PostgresEngine::open(&postgres.url(), &by_hand));
    assert!(matches!(older, Err(OpenError::Older { found: 0, .. })));
    runtime
        .block_on(migrate(&postgres.url(), &Options::default()))
        .unwrap();
    let open = || runtime.block_on(PostgresEngine::open(&postgres.url(), &by_hand));
    assert!(open().is_ok());
    postgres
        .psql("INSERT INTO lastro.migrations (number) VALUES (999)")
        .unwrap();
    assert!(matches!(open(), Err(OpenError::Newer { found: 999, .. })));
    let newer = runtime.block_on(migrate(&postgres.url(), &Options::default()));
    assert!(matches!(newer, Err(OpenError::Newer { found: 999, .. })));
}
