//! What Redis has to be set to, so that what is answered stays: asked for at every start.

use std::collections::HashMap;
use std::time::Instant;

use redis::Value;

use crate::error::{OpenError, Trouble};
use crate::link::Link;

/// The oldest version that has functions.
const VERSION_MIN: u32 = 7;

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `appendfsync always`: an answered write survives a power cut.
    #[default]
    Always,
    /// `appendfsync everysec` is enough.
    Everysec,
}

impl Durability {
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
    pub(crate) durability: Durability,
}

/// Asks Redis, and refuses one that could lose what is answered, or drop it to make room.
pub(crate) async fn check(
    link: &Link,
    asked: Durability,
    deadline: Instant,
) -> Result<Settings, OpenError> {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let info = ask(link, &info, deadline).await?;
    check_version(&text(&info))?;
    let mut config = redis::cmd("CONFIG");
    config.arg("GET");
    for name in NAMES {
        config.arg(name);
    }
    let settings = pairs(&ask(link, &config, deadline).await?);
    judge(asked, |name| settings.get(name).map_or("", String::as_str))
}

const NAMES: [&str; 4] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
];

async fn ask(link: &Link, command: &redis::Cmd, deadline: Instant) -> Result<Value, OpenError> {
    link.ask(command, deadline)
        .await
        .map_err(|trouble| match trouble {
            Trouble::Lost(error)
            | Trouble::Refused(error)
            | Trouble::Stuck(error)
            | Trouble::Full(error) => OpenError::Redis(error),
            other => OpenError::Unsafe(format!("Redis cannot be asked for its settings: {other}")),
        })
}

fn judge<'a>(asked: Durability, set: impl Fn(&str) -> &'a str) -> Result<Settings, OpenError> {
    let refuse = |text: String| Err(OpenError::Unsafe(text));
    let policy = set("maxmemory-policy");
    if policy != "noeviction" {
        return refuse(format!(
            "Redis would drop money to make room (maxmemory-policy {policy}): \
             `CONFIG SET maxmemory-policy noeviction`"
        ));
    }
    if set("appendonly") != "yes" {
        return refuse(
            "Redis keeps nothing (appendonly no): `CONFIG SET appendonly yes`".to_owned(),
        );
    }
    let synced = set("appendfsync");
    match (synced, asked) {
        ("always", _) if set("no-appendfsync-on-rewrite") == "yes" => refuse(
            "Redis does not sync while it rewrites its file (no-appendfsync-on-rewrite yes): \
             `CONFIG SET no-appendfsync-on-rewrite no`"
                .to_owned(),
        ),
        ("always", _) => Ok(Settings {
            durability: Durability::Always,
        }),
        ("everysec", Durability::Everysec) => Ok(Settings {
            durability: Durability::Everysec,
        }),
        _ => refuse(format!(
            "Redis answers before its file is on disk (appendfsync {synced}): \
             `CONFIG SET appendfsync always`; `everysec` is taken where durability `os` is asked for"
        )),
    }
}

fn check_version(info: &str) -> Result<(), OpenError> {
    let version = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or_default();
    let major = version.split('.').next().and_then(|part| part.parse().ok());
    if major.is_some_and(|major: u32| major >= VERSION_MIN) {
        return Ok(());
    }
    Err(OpenError::Unsafe(format!(
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
mod tests {
    use super::*;

    fn judged(asked: Durability, set: [&'static str; 4]) -> Result<Durability, String> {
        let find = |name: &str| {
            let at = NAMES.iter().position(|known| *known == name);
            at.map_or("", |at| set[at])
        };
        judge(asked, find)
            .map(|settings| settings.durability)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_redis_that_keeps_what_it_answers_is_taken() {
        use Durability::{Always, Everysec};
        let good = ["yes", "always", "no", "noeviction"];
        assert_eq!(judged(Always, good), Ok(Always));
        assert_eq!(judged(Everysec, good), Ok(Always));
        let everysec = ["yes", "everysec", "no", "noeviction"];
        assert_eq!(judged(Everysec, everysec), Ok(Everysec));
        for (asked, set, says) in [
            (Always, everysec, "appendfsync everysec"),
            (
                Everysec,
                ["yes", "no", "no", "noeviction"],
                "appendfsync no",
            ),
            (
                Everysec,
                ["no", "always", "no", "noeviction"],
                "appendonly no",
            ),
            (
                Always,
                ["yes", "always", "yes", "noeviction"],
                "no-appendfsync-on-rewrite",
            ),
            (
                Always,
                ["yes", "always", "no", "allkeys-lru"],
                "allkeys-lru",
            ),
        ] {
            let error = judged(asked, set).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_old_redis_is_refused() {
        assert!(check_version("# Server\r\nredis_version:7.0.15\r\n").is_ok());
        let old = check_version("# Server\r\nredis_version:6.2.14\r\n").unwrap_err();
        assert!(old.to_string().contains("6.2.14"), "{old}");
        assert!(check_version("").is_err());
    }
}
