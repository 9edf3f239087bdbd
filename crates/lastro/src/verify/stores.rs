//! Comparing a ledger in Redis with what is persisted of it in PostgreSQL.

use std::process::ExitCode;

use anyhow::Context;
use engine_postgres::newest_record;
use engine_write_behind::{VerifiedStores, WriteBehindOptions, verify};

use super::newest;
use crate::database::DatabaseSettings;
use crate::redis::RedisConfig;

pub(super) fn run(
    redis: RedisConfig,
    database_url: &str,
    database: &DatabaseSettings,
) -> anyhow::Result<ExitCode> {
    let options = WriteBehindOptions {
        redis_authority: redis.authority,
        database: database.options(database_url)?,
        ..WriteBehindOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let verified = runtime.block_on(async {
        let verified = verify(&redis.url, database_url, &options).await;
        let verified = verified.context("cannot compare Redis with the database")?;
        // What is not persisted yet is later, and is seen once it is.
        let newest = newest_record(database_url, &options.database).await?;
        anyhow::Ok((verified, newest))
    });
    let (verified, newest) = verified?;
    print(&verified);
    if !newest::is_past(newest) {
        return Ok(ExitCode::FAILURE);
    }
    if verified.findings.is_empty() {
        println!("clean: Redis and the database have the same ledger, and it keeps the rules");
        Ok(ExitCode::SUCCESS)
    } else {
        println!("NOT CLEAN");
        Ok(ExitCode::FAILURE)
    }
}

fn print(verified: &VerifiedStores) {
    println!("position    {}", verified.position);
    println!("persisted   {}", verified.persisted);
    println!("accounts    {}", verified.accounts_count);
    println!("ids         {}", verified.ids_count);
    for (currency, balance) in &verified.balances {
        println!("sum of {currency}  {balance}");
    }
    for finding in &verified.findings {
        println!("  {finding}");
    }
}
