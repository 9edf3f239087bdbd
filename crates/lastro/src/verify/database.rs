//! Checking a ledger in PostgreSQL. What is persisted of a ledger in Redis can be checked by itself
//! only while the accounts show all that is persisted.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine_postgres::{Progress, Verified, newest_record, place, verify};
use engine_write_behind::{Persisted, persisted};
use indicatif::{ProgressBar, ProgressStyle};

use super::newest;
use crate::database::DatabaseSettings;

pub(super) fn run(url: &str, settings: &DatabaseSettings) -> anyhow::Result<ExitCode> {
    let options = settings.options(url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let shown = place(url)?;
    let bar = bar();
    let mut show = |progress: Progress| {
        bar.set_message(progress.what);
        bar.set_position(progress.rows_count);
    };
    let verified = runtime.block_on(async {
        let before = persisted(url, &options).await?;
        ensure!(before.is_none_or(is_shown), BEHIND);
        let verified = verify(url, &options, &mut show).await?;
        ensure!(persisted(url, &options).await? == before, BEHIND);
        let newest = newest_record(url, &options).await?;
        anyhow::Ok((before, verified, newest))
    });
    bar.finish_and_clear();
    let (behind, verified, newest) = verified.with_context(|| format!("cannot verify {shown}"))?;
    if let Some(behind) = behind {
        println!(
            "persisted   {}, of the ledger in a Redis in front of it",
            behind.position
        );
    }
    print(&verified);
    if !newest::is_past(newest) {
        return Ok(ExitCode::FAILURE);
    }
    if verified.is_clean() {
        println!("clean: the snapshot keeps every rule");
        Ok(ExitCode::SUCCESS)
    } else {
        println!("NOT CLEAN: {} rules are broken", verified.findings_count);
        Ok(ExitCode::FAILURE)
    }
}

/// What is said of a database whose accounts follow its entries at a distance.
const BEHIND: &str = "a Redis is in front of this database, and the database's accounts do not have all persisted \
    entries yet: compare the two with --redis-url, or try again when nothing is written";

const fn is_shown(persisted: Persisted) -> bool {
    persisted.accounts_position == persisted.position
}

/// On standard error, and only where that is a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} {msg} read, {per_sec}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn print(verified: &Verified) {
    println!("accounts    {}", verified.accounts_count);
    println!("transfers   {}", verified.transfers_count);
    println!("refusals    {}", verified.refusals_count);
    println!("payments    {}", verified.payments_count);
    println!("batches     {}", verified.batches_count);
    println!("entries     {}", verified.entries_count);
    for (currency, balance) in &verified.balances {
        println!("sum of {currency}  {balance}");
    }
    for finding in &verified.findings {
        println!("  {finding}");
    }
}
