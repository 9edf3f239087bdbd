//! How long reads take with so many entries: `cargo run --release -p engine-postgres --example reads
//! -- URL 10000 1000000`. It fills the database of the URL, which has to be without a ledger, by
//! statements of SQL up to each number in turn, between 5 accounts and the world.

use std::error::Error;
use std::time::{Duration, Instant};

use engine_postgres::{PostgresEngine, PostgresOptions};
use ledger::{AccountId, Engine, STATEMENT_PAGE_MAX, StatementQuery};
use tokio_postgres::NoTls;

/// How often each read is asked.
const ROUNDS: u32 = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("a database's URL is missing")?;
    let engine = PostgresEngine::open(&url, &PostgresOptions::default()).await?;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(ACCOUNTS).await?;
    let mut filled = 0;
    println!("entries      statement of 10   of {STATEMENT_PAGE_MAX:>4}   world's totals");
    for number in arguments {
        let number: i64 = number.parse()?;
        client
            .execute(ENTRIES, &[&(filled / 5), &(number / 5)])
            .await?;
        client.batch_execute(TOTALS).await?;
        client.batch_execute("VACUUM ANALYZE").await?;
        filled = number;
        let short = statements(&engine, 10).await?;
        let long = statements(&engine, STATEMENT_PAGE_MAX).await?;
        let world = totals(&engine).await?;
        println!("{number:>10}   {short:>12.0?}   {long:>10.0?}   {world:>12.0?}");
    }
    Ok(())
}

const ACCOUNTS: &str = "
    INSERT INTO lastro.accounts SELECT n::text, 'BRL', 0, 0, 0, 0, 0, 0, 0, false, 1, 1
    FROM generate_series(1, 5) n;
    INSERT INTO lastro.stripes SELECT 'world:BRL', n, 'BRL', 1 FROM generate_series(0, 15) n";

const ENTRIES: &str = "
    INSERT INTO lastro.entries SELECT account_id, n, gen_random_uuid(), 'transfer', 'world:BRL',
        account_id, 1, 'filled', n, n
    FROM generate_series($1::bigint + 1, $2) n, lastro.accounts";

const TOTALS: &str = "
    UPDATE lastro.accounts account SET (entry_count, credits_posted, newest_at) = (
        SELECT max(number), max(number), max(number) FROM lastro.entries entry
        WHERE entry.account_id = account.account_id);
    UPDATE lastro.stripes SET debits_posted = (SELECT sum(credits_posted) FROM lastro.accounts)
    WHERE stripe = 0";

/// The mean time of a statement's newest page.
async fn statements(engine: &PostgresEngine, limit: usize) -> Result<Duration, Box<dyn Error>> {
    let query = StatementQuery {
        account_id: AccountId::new("3").map_err(|_| "no account id")?,
        before: None,
        limit,
    };
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let found = engine.statement(query.clone(), in_time()).await?;
        if found.is_none_or(|found| found.entries.len() != limit) {
            return Err("a statement is not what was filled in".into());
        }
    }
    Ok(started.elapsed() / ROUNDS)
}

async fn totals(engine: &PostgresEngine) -> Result<Duration, Box<dyn Error>> {
    let world = AccountId::new("world:BRL").map_err(|_| "no account id")?;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        engine.account(world.clone(), in_time()).await?;
    }
    Ok(started.elapsed() / ROUNDS)
}

fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(10)
}
