//! `lastro verify`: is this data folder or this database whole, and does it keep the rules?

mod database;
mod found;
mod newest;
mod since;
mod stores;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use engine_embedded::{Expected, Verified};
use jiff::Timestamp;
use journal::{FileStorage, Head, Opened, Scanned, Tail};

use crate::data_folder::{has_journal, is_backup};
use crate::database::{DatabaseSettings, Unencrypted};
use crate::kept_head::KeptHead;
use crate::last_done::Done;
use crate::redis::RedisOptions;

#[derive(clap::Args)]
pub(crate) struct VerifyOptions {
    /// The data folder.
    #[arg(long, env = "LASTRO_DATA_DIR", default_value = "lastro-data")]
    data_dir: PathBuf,
    /// Takes no lock and changes nothing of the ledger: checks up to the last whole frame while a server runs.
    #[arg(long)]
    read_only: bool,
    /// Fails unless the chain goes through this head, which was printed earlier and kept elsewhere.
    #[arg(long, value_name = "SEQUENCE:HASH", conflicts_with = "database_url")]
    expect_head: Option<KeptHead>,
    /// Does not read again what was verified up to this head: begins with the newest snapshot at or
    /// before it, and prints what it relied upon. Takes no lock and changes nothing. Without such a
    /// snapshot everything is read.
    #[arg(long, value_name = "SEQUENCE:HASH", conflicts_with_all = ["database_url", "expect_head"])]
    since: Option<KeptHead>,
    /// Checks the ledger in this PostgreSQL instead, in one snapshot of it while nodes run:
    /// `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        conflicts_with = "read_only"
    )]
    database_url: Option<String>,
    /// File with the value of `--database-url` as its only line: for a URL with a password, which other users
    /// of the machine could read on the command line.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL_FILE",
        value_name = "FILE",
        conflicts_with_all = ["read_only", "expect_head", "since"]
    )]
    database_url_file: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
    /// With a Redis: compares the ledger in it with the one in `--database-url` behind it instead, at
    /// a moment without writes.
    #[command(flatten)]
    redis: RedisOptions,
}

pub(crate) fn run(options: &VerifyOptions) -> anyhow::Result<ExitCode> {
    let file = options.database_url_file.as_deref();
    let database_url = crate::database::url(options.database_url.as_deref(), file)?;
    if let Some(url) = &database_url {
        let database = options.database.options(url)?;
        options.unencrypted.check(url, &database)?;
    }
    let redis = options.redis.config(options.unencrypted)?;
    match (database_url, redis) {
        (Some(url), Some(redis)) => return stores::run(redis, &url, &options.database),
        (Some(url), None) => return database::run(&url, &options.database),
        (None, Some(_)) => bail!("--redis-url needs --database-url"),
        (None, None) => {}
    }
    let data_dir = &options.data_dir;
    let place = data_dir.display();
    let outbox_dir = data_dir.join("outbox");
    let has_outbox = has_journal(&outbox_dir);
    if !has_journal(data_dir) {
        ensure!(has_outbox, "there is no ledger in {place}");
        ensure!(
            options.expect_head.or(options.since).is_none(),
            ONLY_A_LEDGER
        );
        println!("no ledger is in {place}, only an outbox");
        let read_only = options.read_only || options.since.is_some() || is_backup(data_dir);
        return verify_outbox(&outbox_dir, read_only);
    }
    let storage =
        FileStorage::open_existing(data_dir).with_context(|| format!("cannot open {place}"))?;
    if outbox::is_outbox(&storage) {
        ensure!(
            options.expect_head.or(options.since).is_none(),
            ONLY_A_LEDGER
        );
        return verify_outbox(data_dir, options.read_only);
    }
    let code = verify_ledger(storage, options)?;
    if has_outbox {
        let read_only = options.read_only || options.since.is_some() || is_backup(data_dir);
        verify_outbox(&outbox_dir, read_only)?;
    }
    Ok(code)
}

const ONLY_A_LEDGER: &str =
    "--expect-head and --since are for a ledger, and only an outbox is there";

fn verify_ledger(storage: FileStorage, options: &VerifyOptions) -> anyhow::Result<ExitCode> {
    let place = options.data_dir.display();
    let journal_options = engine_embedded::EmbeddedOptions::default().journal;
    // Opening a backup as a ledger would write to it.
    let read_only = options.read_only || options.since.is_some() || is_backup(&options.data_dir);
    if let Some(kept) = options.since
        && let Some(code) = since::run(&storage, kept, &options.data_dir)?
    {
        return Ok(code);
    }
    let kept = options.since.or(options.expect_head);
    let expected = kept.map(|head| (head.sequence, head.hash));
    let verified = engine_embedded::verify_expecting(storage, journal_options, read_only, expected)
        .with_context(|| format!("cannot verify {place}"))?;
    print(&verified);
    print_expected(kept, verified.expected);
    if !newest::is_past(verified.audit.newest) {
        return Ok(ExitCode::FAILURE);
    }
    if verified.is_clean() {
        if !is_backup(&options.data_dir) {
            let head = KeptHead::from(verified.head);
            Done::Verify.note(
                &options.data_dir,
                &format!("{} up to {head}\n", Timestamp::now()),
            );
        }
        println!("clean: the chain is whole and every record keeps the rules");
        Ok(ExitCode::SUCCESS)
    } else {
        if verified.audit.findings_count > 0 {
            println!(
                "NOT CLEAN: {} rules are broken",
                verified.audit.findings_count
            );
        }
        Ok(ExitCode::FAILURE)
    }
}

fn print_expected(kept: Option<KeptHead>, found: Option<Expected>) {
    if let (Some(kept), Some(found)) = (kept, found) {
        found::print(kept, found);
    }
}

/// An outbox holds no money: its chain is checked, every record, and that none is missing that was
/// not known to be applied.
fn verify_outbox(directory: &Path, read_only: bool) -> anyhow::Result<ExitCode> {
    let place = directory.display();
    let storage =
        FileStorage::open_existing(directory).with_context(|| format!("cannot open {place}"))?;
    let verified = outbox::verify(storage, read_only)
        .with_context(|| format!("cannot verify the outbox in {place}"))?;
    print_ends(verified.opened.as_ref(), verified.scanned.as_ref());
    let Head { sequence, hash, .. } = verified.head;
    println!(
        "outbox      whole; {} operations may still have to be applied",
        verified.operations_count
    );
    println!("outbox head {sequence}:{hash}");
    Ok(ExitCode::SUCCESS)
}

fn print(verified: &Verified) {
    let audit = &verified.audit;
    print_ends(verified.opened.as_ref(), verified.scanned.as_ref());
    println!("frames      {}", verified.head.sequence);
    println!("records     {}", audit.records_count);
    println!("accounts    {}", audit.accounts_count);
    println!("transfers   {}", audit.transfers_count);
    println!("refusals    {}", audit.refusals_count);
    println!("payments    {}", audit.payments_count);
    println!("batches     {}", audit.batches_count);
    println!("entries     {}", audit.entries_count);
    for (currency, balance) in &audit.balances {
        println!("sum of {currency}  {balance}");
    }
    println!("head        {}", KeptHead::from(verified.head));
    if verified.snapshots_count + verified.tables_count > 0 {
        println!(
            "beside it   {} snapshots and {} tables of ids agree with the records",
            verified.snapshots_count, verified.tables_count
        );
    }
    for name in &verified.unusable {
        println!("  {name} cannot be used: the next start makes what it needs anew");
    }
    for finding in &audit.findings {
        println!("  {finding}");
    }
}

/// What was found behind the last whole frame.
fn print_ends(opened: Option<&Opened>, scanned: Option<&Scanned>) {
    if let Some(cut) = opened.and_then(|opened| opened.cut.as_ref()) {
        println!(
            "cut {} bytes of a torn write at byte {} of {}, kept as {}",
            cut.bytes, cut.offset, cut.file, cut.saved_as
        );
    }
    if let Some(Tail::Torn {
        file,
        offset,
        bytes,
    }) = scanned.map(|scanned| &scanned.tail)
    {
        println!("{bytes} bytes at byte {offset} of {file} are a torn write, or one under way");
    }
}
