//! `lastro key`: makes, lists and revokes keys.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server::{AccountPattern, KeyRecord, KeySecret, Scope, check_name};

use super::KeysPlace;
use super::store::{Store, random_bytes};
use crate::database::{DatabaseSettings, Unencrypted};

#[derive(clap::Args)]
pub(crate) struct KeyOptions {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(clap::Subcommand)]
enum KeyCommand {
    /// Makes a key and prints its secret, once: only a hash of it is kept.
    Create(Box<CreateOptions>),
    /// Lists the keys, those that have expired or were revoked too.
    List(PlaceOptions),
    /// Revokes a key: servers find out within about two seconds.
    Revoke(RevokeOptions),
}

#[derive(clap::Args)]
struct PlaceOptions {
    /// The file of keys, which `lastro serve --keys` names too; `key create` makes it if it is not there.
    /// `database`: the keys are in the database of the ledger.
    #[arg(long, env = "LASTRO_KEYS", value_name = "FILE|database")]
    keys: String,
    /// The database of `--keys database`: `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// File with the value of `--database-url` as its only line: for a URL with a password, which other users
    /// of the machine could read on the command line.
    #[arg(long, env = "LASTRO_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
}

impl PlaceOptions {
    fn store(&self) -> anyhow::Result<Store> {
        match KeysPlace::from(self.keys.clone()) {
            KeysPlace::File(path) => Ok(Store::File(path)),
            KeysPlace::Database => {
                let file = self.database_url_file.as_deref();
                let url = crate::database::url(self.database_url.as_deref(), file)?;
                let url = url.context("--keys database needs --database-url")?;
                let options = self.database.options(&url)?;
                self.unencrypted.check(&url, &options)?;
                Store::database(&url, &options)
            }
        }
    }
}

#[derive(clap::Args)]
struct CreateOptions {
    /// The key's name, for the log and for `key revoke`; no two keys share one.
    name: String,
    /// What it may do. `read`: look at accounts, transfers and payments. `write`: open accounts without
    /// credit, move money, accept payments. `operate`: grant credit, close accounts, resolve and purge
    /// payments. `metrics`: read the metrics.
    #[arg(long, value_delimiter = ',', required = true)]
    #[arg(value_name = "read,write,operate,metrics")]
    scopes: Vec<Scope>,
    /// The accounts that it may look at and move, such as `users:*` or `shops:7`; may be repeated. Both
    /// accounts of a transfer must be among them: add `world:BRL` for what comes in from outside. Without it,
    /// every account.
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    accounts: Vec<AccountPattern>,
    /// Whose key it is: an `Idempotency-Key` is remembered for each tenant on its own. Without it, the default
    /// tenant's.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// From when on it is not valid: a time such as `2027-01-31T12:00:00Z`, or a day, which begins at 0:00 UTC.
    #[arg(long, value_name = "DATE", value_parser = time)]
    expires: Option<Timestamp>,
    /// How many requests it may make in a second; a second's worth may come at once. Without it, any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_s: Option<u32>,
    /// How many commands it may give in a second, those of batches included. Without it, any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    commands_per_s: Option<u32>,
    #[command(flatten)]
    place: PlaceOptions,
}

#[derive(clap::Args)]
struct RevokeOptions {
    /// The key's name.
    name: String,
    #[command(flatten)]
    place: PlaceOptions,
}

fn time(text: &str) -> Result<Timestamp, String> {
    // A time of day without an offset would be read as its day.
    let time = match text.len() == "2027-01-31".len() {
        true => text
            .parse::<Date>()
            .and_then(|day| day.to_zoned(TimeZone::UTC))
            .map(|beginning| beginning.timestamp()),
        false => text.parse::<Timestamp>(),
    };
    time.map_err(|_| {
        "use a time such as 2027-01-31T12:00:00Z, or a day such as 2027-01-31".to_owned()
    })
}

pub(crate) fn run(options: &KeyOptions) -> anyhow::Result<ExitCode> {
    match &options.command {
        KeyCommand::Create(options) => create(options)?,
        KeyCommand::List(options) => list(options)?,
        KeyCommand::Revoke(options) => revoke(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(options: &CreateOptions) -> anyhow::Result<()> {
    let name = &options.name;
    check_name(name)?;
    if let Some(tenant) = &options.tenant {
        check_name(tenant)?;
    }
    let now = Timestamp::now();
    if let Some(expires_at) = options.expires {
        ensure!(expires_at > now, "--expires {expires_at} is in the past");
    }
    let secret = KeySecret::from_random(random_bytes()?);
    let mut scopes = options.scopes.clone();
    scopes.sort_by_key(|scope| Scope::ALL.iter().position(|known| known == scope));
    scopes.dedup();
    let record = KeyRecord {
        name: name.clone(),
        hash: secret.hash(),
        scopes,
        accounts: options.accounts.clone(),
        tenant: match &options.tenant {
            Some(tenant) => tenant.clone(),
            None => String::new(),
        },
        created_at: now,
        expires_at: options.expires,
        revoked_at: None,
        requests_per_s: options.requests_per_s,
        commands_per_s: options.commands_per_s,
    };
    options.place.store()?.create(record)?;
    eprintln!("made the key {name}; its secret is printed only now:");
    println!("{}", secret.reveal());
    Ok(())
}

fn revoke(options: &RevokeOptions) -> anyhow::Result<()> {
    let name = &options.name;
    options.place.store()?.revoke(name)?;
    println!("revoked the key {name}");
    Ok(())
}

fn list(options: &PlaceOptions) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let read = options.store()?.read()?;
    for key in &read.records {
        println!("{}", line(key, now));
    }
    for (name, fault) in &read.unreadable {
        println!("{name}  not usable: {fault}");
    }
    Ok(())
}

/// A key in a line: its name and state, and what it may do.
fn line(key: &KeyRecord, now: Timestamp) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {at:.0}"),
        (None, Some(at)) if at <= now => format!("expired {at:.0}"),
        (None, Some(at)) => format!("valid until {at:.0}"),
        (None, None) => "valid".to_owned(),
    };
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut line = format!("{}  {state}  scopes {}", key.name, scopes.join(","));
    if !key.accounts.is_empty() {
        let accounts: Vec<_> = key.accounts.iter().map(ToString::to_string).collect();
        line.push_str(&format!("  accounts {}", accounts.join(",")));
    }
    if !key.tenant.is_empty() {
        line.push_str(&format!("  tenant {}", key.tenant));
    }
    for (per_s, what) in [
        (key.requests_per_s, "requests"),
        (key.commands_per_s, "commands"),
    ] {
        if let Some(per_s) = per_s {
            line.push_str(&format!("  {per_s} {what}/s"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_time_or_a_day() {
        let at = |text: &str| time(text).unwrap().to_string();
        assert_eq!(at("2027-01-31"), "2027-01-31T00:00:00Z");
        assert_eq!(at("2027-01-31T12:00:00-03:00"), "2027-01-31T15:00:00Z");
        for wrong in ["", "tomorrow", "2027-02-30", "2027-01-31T12:00:00"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
