//! What Redis has to be set to, so that what is answered stays: asked for whenever the stores are
//! compared, and every second in between.
//!
//! `CONFIG SET appendonly yes` begins a file that counts for nothing before its first rewrite has
//! ended. Redis does not say whether a rewrite is that one: it is taken for it unless this node has
//! seen the file whole, and nobody has set anything since.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::Value;

use crate::error::trouble;
use crate::error::{Trouble, WriteBehindOpenError};
use crate::link::{Function, Link, done};

/// The oldest version that has functions.
const VERSION_MIN: u32 = 7;

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedisDurability {
    /// `appendfsync always`: an answered write survives a power cut.
    #[default]
    Always,
    /// `appendfsync everysec` is enough.
    Everysec,
}

impl RedisDurability {
    /// The setting of Redis that it is, or what it risks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}

/// What Redis is set to.
pub(crate) struct Settings {
    /// The durability in force.
    pub(crate) durability: RedisDurability,
    /// What the running server calls itself.
    pub(crate) run_id: String,
}

/// Whether a look waits for a first rewrite of the file to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A start does: often it is a matter of milliseconds.
    UntilTheDeadline,
    /// A node that runs does not: what is answered meanwhile could be lost.
    None,
}

/// What a look has to know of the one before.
#[derive(Debug, Default)]
pub(crate) struct Watch(tokio::sync::Mutex<Before>);

#[derive(Debug, Default)]
struct Before {
    /// Since all was well Redis has had its whole file: a rewrite now is not the file's first one.
    has_file: bool,
    /// How often settings were set, as far as Redis counts it.
    sets: Option<String>,
}

/// Asks Redis, and refuses one that could lose what is answered, or drop it to make room.
pub(crate) async fn check(
    link: &Link,
    asked: RedisDurability,
    watch: &Watch,
    patience: Patience,
    deadline: Instant,
) -> Result<Settings, WriteBehindOpenError> {
    let mut before = watch.0.lock().await;
    let mut has_no_file = false;
    loop {
        let found = match look(link, deadline).await {
            // There was no time left to look once more.
            Err(WriteBehindOpenError::Late) if has_no_file => {
                return Err(WriteBehindOpenError::Unsafe(Wrong::NoFileYet.to_string()));
            }
            found => found?,
        };
        match judge(asked, &found, &mut before) {
            Err(Wrong::NoFileYet)
                if patience == Patience::UntilTheDeadline && Instant::now() + PAUSE < deadline =>
            {
                has_no_file = true;
                tokio::time::sleep(PAUSE).await;
            }
            judged => {
                return judged.map_err(|wrong| WriteBehindOpenError::Unsafe(wrong.to_string()));
            }
        }
    }
}

/// Refuses a Redis in which something that the library needs is forbidden, or goes by another name.
pub(crate) async fn probe(link: &Link, deadline: Instant) -> Result<(), WriteBehindOpenError> {
    let values = link.call(&Function::Probe.call(), deadline).await;
    let values = values.and_then(done).map_err(trouble)?;
    let missing: Vec<String> = values.iter().map(text).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(WriteBehindOpenError::Unsafe(format!(
        "Redis does not let its functions call what they need: {}. Allow these to the user of \
         --redis-url, on keys `lastro:*` and under their own names",
        missing.join(", ")
    )))
}

/// What Redis says of itself and of its settings, by name.
type Found = HashMap<String, String>;

async fn look(link: &Link, deadline: Instant) -> Result<Found, WriteBehindOpenError> {
    let mut info = redis::cmd("INFO");
    for section in SECTIONS {
        info.arg(section);
    }
    let info = text(&ask(link, &info, "INFO", deadline).await?);
    let mut found: Found = info
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Before its settings: a cluster or a Sentinel may refuse to be asked for them.
    check_kind(&found)?;
    let mut config = redis::cmd("CONFIG");
    config.arg("GET");
    for name in NAMES {
        config.arg(name);
    }
    found.extend(pairs(&ask(link, &config, "CONFIG GET", deadline).await?));
    Ok(found)
}

const SECTIONS: [&str; 5] = [
    "server",
    "persistence",
    "replication",
    "cluster",
    "commandstats",
];
const NAMES: [&str; 4] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
];
const PAUSE: Duration = Duration::from_millis(20);

async fn ask(
    link: &Link,
    command: &redis::Cmd,
    name: &str,
    deadline: Instant,
) -> Result<Value, WriteBehindOpenError> {
    match link.ask(command, deadline).await {
        Err(Trouble::Stuck(error)) => Err(WriteBehindOpenError::Unsafe(format!(
            "Redis refuses `{name}`, without which it is not known whether it keeps what it answers: \
             {error}. Allow it to the user of --redis-url, under its own name"
        ))),
        answer => answer.map_err(trouble),
    }
}

/// What is wrong with a Redis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error(
        "Redis would drop money to make room (maxmemory-policy {0}): set maxmemory-policy to \
         noeviction, {KEPT}"
    )]
    Drops(String),
    #[error("Redis keeps nothing (appendonly no): set appendonly to yes, {KEPT}")]
    KeepsNothing,
    #[error(
        "Redis does not sync while it rewrites its file (no-appendfsync-on-rewrite yes): set \
         no-appendfsync-on-rewrite to no, {KEPT}"
    )]
    RewritesUnsynced,
    #[error(
        "Redis answers before its file is on disk (appendfsync {0}): set appendfsync to always, \
         {KEPT}; `everysec` is taken where durability `os` is asked for"
    )]
    SyncsLate(String),
    #[error(
        "Redis may not have its whole file yet: it rewrites it, and appendonly was set a moment ago, \
         or this node does not know since when it is. Wait until `INFO persistence` has \
         aof_rewrite_in_progress:0 and aof_rewrite_scheduled:0; where it never does, look into the \
         log of Redis"
    )]
    NoFileYet,
    #[error(
        "Redis could not write its file (aof_last_write_status:err): look into its log, and at the \
         space on its disk"
    )]
    CannotWrite,
}

/// How a setting outlives a restart of Redis.
const KEPT: &str = "with `CONFIG SET` and then `CONFIG REWRITE` (or in the file or arguments that \
     Redis starts with: what only CONFIG SET has set is lost with a restart)";

fn judge(asked: RedisDurability, found: &Found, before: &mut Before) -> Result<Settings, Wrong> {
    let get = |name: &str| found.get(name).map_or("", String::as_str);
    let sets = found.get("cmdstat_config|set");
    let sets = sets.map(|calls| match calls.split_once(',') {
        Some((first, _)) => first.to_owned(),
        None => calls.to_owned(),
    });
    let rewrites = get("aof_rewrite_in_progress") == "1" || get("aof_rewrite_scheduled") == "1";
    // Switched off and on between two looks, it begins a new file as well.
    let has_file = before.has_file && before.sets == sets;
    *before = Before {
        has_file: false,
        sets,
    };
    let policy = get("maxmemory-policy");
    if policy != "noeviction" {
        return Err(Wrong::Drops(policy.to_owned()));
    }
    if get("appendonly") != "yes" || get("aof_enabled") != "1" {
        return Err(Wrong::KeepsNothing);
    }
    let synced = get("appendfsync");
    let durability = match (synced, asked) {
        ("always", _) => RedisDurability::Always,
        ("everysec", RedisDurability::Everysec) => RedisDurability::Everysec,
        _ => return Err(Wrong::SyncsLate(synced.to_owned())),
    };
    // Whatever the file is synced by: while it is rewritten it would not be, for as long as that takes.
    if get("no-appendfsync-on-rewrite") != "no" {
        return Err(Wrong::RewritesUnsynced);
    }
    if get("aof_last_write_status") != "ok" {
        return Err(Wrong::CannotWrite);
    }
    if rewrites && !has_file {
        return Err(Wrong::NoFileYet);
    }
    before.has_file = true;
    Ok(Settings {
        durability,
        run_id: get("run_id").to_owned(),
    })
}

/// A Redis that has functions, and the whole ledger.
fn check_kind(found: &Found) -> Result<(), WriteBehindOpenError> {
    let get = |name: &str| found.get(name).map_or("", String::as_str);
    let mode = get("redis_mode");
    if mode == "cluster" || get("cluster_enabled") == "1" {
        return Err(WriteBehindOpenError::Unsafe(
            "Redis is in cluster mode, which spreads a ledger over machines that cannot decide \
             together: use one with `cluster-enabled no`, and replicas for when it fails"
                .to_owned(),
        ));
    }
    if mode == "sentinel" {
        return Err(WriteBehindOpenError::Unsafe(
            "this is a Sentinel: give --redis-url a name that leads to the primary it watches"
                .to_owned(),
        ));
    }
    let version = get("redis_version");
    let major = version.split('.').next().and_then(|part| part.parse().ok());
    if major.is_some_and(|major: u32| major >= VERSION_MIN) {
        return Ok(());
    }
    Err(WriteBehindOpenError::Unsafe(format!(
        "Redis {VERSION_MIN} or later is needed for its functions, this one is `{version}`"
    )))
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}

fn pairs(value: &Value) -> HashMap<String, String> {
    match value {
        Value::Array(values) => values
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), text(v))).collect(),
        _ => HashMap::new(),
    }
}

#[cfg(test)]
mod tests;
