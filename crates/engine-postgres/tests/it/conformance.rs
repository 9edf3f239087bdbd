//! The same outcomes as the reference engine, restarts included.

use engine_postgres::{PostgresOptions, verify};
use testkit::conformance::{self, Options, Subject};
use testkit::servers::Postgres;

use crate::subject::PostgresSubject;

#[test]
fn the_postgres_engine_conforms() {
    let postgres = Postgres::start().unwrap();
    let options = Options {
        audit_every: 25,
        reads_every: 200,
        restart_every: 300,
        ..Options::default()
    };
    conformance::check(&options, 1, async |seed| {
        let url = postgres.create_database(&format!("seed{seed}")).unwrap();
        PostgresSubject::open(url).await
    });
    let deadlocks = postgres.psql("SELECT sum(deadlocks) FROM pg_stat_database");
    assert_eq!(deadlocks.unwrap(), "0");
}

#[test]
fn what_an_earlier_version_recorded_is_answered_again() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut subject = PostgresSubject::open(postgres.url()).await;
        conformance::check_aged(&mut subject).await;
    });
}

#[test]
fn reversals_that_race_over_two_nodes_move_back_no_more_than_was_moved() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let nodes = [
            PostgresSubject::open(postgres.url()).await.engine(),
            PostgresSubject::open(postgres.url()).await.engine(),
        ];
        conformance::check_racing_reversals(&nodes).await;
        drop(nodes);
        let options = PostgresOptions::default();
        let verified = verify(&postgres.url(), &options, &mut |_| {}).await;
        assert_eq!(verified.unwrap().findings, []);
    });
}

#[test]
fn parts_that_race_over_two_nodes_post_no_more_than_was_reserved() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let nodes = [
            PostgresSubject::open(postgres.url()).await.engine(),
            PostgresSubject::open(postgres.url()).await.engine(),
        ];
        conformance::check_racing_parts(&nodes).await;
        drop(nodes);
        let options = PostgresOptions::default();
        let verified = verify(&postgres.url(), &options, &mut |_| {}).await;
        assert_eq!(verified.unwrap().findings, []);
    });
}

#[test]
fn totals_are_exact_beyond_what_a_double_holds() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = PostgresSubject::open(postgres.url()).await.engine();
        conformance::check_large_totals(&*engine).await;
        drop(engine);
        let engine = PostgresSubject::open(postgres.url()).await.engine();
        conformance::check_large_totals_read(&*engine).await;
        drop(engine);
        let options = PostgresOptions::default();
        let verified = verify(&postgres.url(), &options, &mut |_| {}).await;
        assert_eq!(verified.unwrap().findings, []);
    });
}
