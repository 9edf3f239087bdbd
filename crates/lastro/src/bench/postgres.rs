//! The engine over PostgreSQL, driven; then what is in the database is compared.

use std::sync::Arc;

use anyhow::{Context, ensure};
use engine_postgres::PostgresEngine;
use ledger::Engine;

use super::drive::{Driven, drive};
use super::options::BenchOptions;
use super::report::Report;
use super::workload::Workload;

pub(super) fn measure(options: &BenchOptions, url: &str) -> anyhow::Result<Report> {
    let workload = Arc::new(Workload::new(options));
    let database = options.database.options(url)?;
    options.unencrypted.check(url, &database)?;
    let mut durability = String::new();
    let driven = drive(
        async || {
            let engine = open(url, &database).await?;
            durability = engine.durability().to_string();
            Ok(Arc::new(engine) as Arc<dyn Engine>)
        },
        &workload,
        || Ok(None),
    )?;
    compare(&driven, url, &database)?;
    let subject = ("postgres", durability);
    Ok(Report::new(options, &driven, subject, None))
}

/// It ends by verifying, and comparing the counts.
fn compare(
    driven: &Driven,
    url: &str,
    database: &engine_postgres::PostgresOptions,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let verified = runtime
        .block_on(engine_postgres::verify(url, database, &mut |_| {}))
        .context("the bench's own ledger could not be verified")?;
    ensure!(verified.is_clean(), "verify found: {:?}", verified.findings);
    let (created, refused) = (verified.transfers_count, verified.refusals_count);
    ensure!(
        (created, refused) == (driven.created_count, driven.refused_count),
        "{} created and {} refused were answered, {created} and {refused} are in the database",
        driven.created_count,
        driven.refused_count
    );
    Ok(())
}

/// Begins the benchmark's own ledger: one that is there already is not touched, not even migrated.
async fn open(
    url: &str,
    options: &engine_postgres::PostgresOptions,
) -> anyhow::Result<PostgresEngine> {
    let begun = engine_postgres::begin(url, options).await;
    begun.context("a benchmark needs a database without a ledger")?;
    let engine = PostgresEngine::open(url, options).await;
    engine.context("cannot open the ledger in the database")
}
