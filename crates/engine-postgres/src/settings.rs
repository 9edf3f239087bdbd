//! The settings of a connection: sent when it is made, and read back, since what is between a node
//! and the database may drop them. Without them calls would be planned badly, wait without an end,
//! and not be told that a standby was not waited for.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::SimpleQueryMessage;

use crate::durability::Durability;
use crate::error::ConnectError;
use crate::options::PostgresOptions;
use crate::primary::{self, Origin};

/// How often the server looks whether a node that is being worked for is still there.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// What a connection has to be like.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    wanted: Vec<(&'static str, String)>,
    /// Whether texts have to come back as they went in.
    needs_utf8: bool,
    /// Whether the URL has options of its own, which cannot be sent later.
    has_others: bool,
}

/// What the server says of a new connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) durability: Durability,
    /// The server's process.
    pub(crate) process: i64,
    /// Which server it is, if it takes writes.
    pub(crate) origin: Option<Origin>,
}

impl Settings {
    /// Those of an engine's connections.
    pub(crate) fn of_engine(options: &PostgresOptions) -> Self {
        let bound = millis(options.statement_timeout);
        let settings = [
            ("statement_timeout", bound.clone()),
            ("idle_in_transaction_session_timeout", bound),
            ("client_connection_check_interval", millis(CHECK_INTERVAL)),
            ("default_transaction_isolation", "read committed".to_owned()),
            // A commit that did not wait for its standby is a warning.
            ("client_min_messages", "warning".to_owned()),
            ("jit", "off".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            ("enable_seqscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
        ];
        Self {
            needs_utf8: true,
            ..Self::of(settings)
        }
    }

    /// Those of who reads everything, for as long as it takes.
    pub(crate) fn of_verification() -> Self {
        let endless = [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        ];
        Self::of(endless.map(|name| (name, "0".to_owned())))
    }

    fn of(wanted: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self {
            wanted: wanted.into_iter().collect(),
            needs_utf8: false,
            has_others: false,
        }
    }

    /// What is sent when a connection is made, behind the URL's own.
    pub(crate) fn options(&mut self, others: Option<&str>) -> Result<String, String> {
        let others = others.unwrap_or_default().trim();
        self.has_others = !others.is_empty();
        for (name, _) in &self.wanted {
            if others.split_whitespace().any(|word| sets(word, name)) {
                return Err(format!("options set {name}, which Lastro sets itself"));
            }
        }
        let mut options = others.to_owned();
        for (name, value) in &self.wanted {
            options += &format!(" -c {name}={}", value.replace(' ', "\\ "));
        }
        Ok(options.trim().to_owned())
    }

    /// Reads the settings back; sets them where they did not arrive, and refuses by name what still
    /// is not so.
    pub(crate) async fn check(&self, client: &ClientWrapper) -> Result<Read, ConnectError> {
        let (read, missing) = self.read(client).await?;
        if missing.is_empty() {
            return Ok(read);
        }
        if self.has_others && missing.iter().any(|missing| missing.name != ENDLESS) {
            return Err(refused(&missing, true));
        }
        let set = |missing: &Missing| format!("SET {} = '{}';", missing.name, missing.wanted);
        let statements: String = missing.iter().map(set).collect();
        client.batch_execute(&statements).await?;
        let (read, missing) = self.read(client).await?;
        match missing.is_empty() {
            true => Ok(read),
            false => Err(refused(&missing, false)),
        }
    }

    async fn read(&self, client: &ClientWrapper) -> Result<(Read, Vec<Missing>), ConnectError> {
        let mut question = "SELECT pg_backend_pid(), current_setting('server_encoding'), \
            current_setting('fsync'), current_setting('full_page_writes'), \
            current_setting('synchronous_commit')"
            .to_owned();
        question += &format!(", {}", primary::COLUMNS);
        // Of the other bounds, and only where there is this one: from version 17 on.
        let endless = [(ENDLESS, "0")];
        let wanted = self
            .wanted
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let wanted: Vec<_> = wanted.chain(endless).collect();
        for (name, _) in &wanted {
            question += &format!(", current_setting('{name}', true)");
        }
        let said = client.simple_query(&question).await?;
        let row = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(ConnectError::Settings("no settings were read".to_owned()))?;
        let column = |index: usize| row.try_get(index).map(Option::unwrap_or_default);
        let process = column(0)?.parse();
        let process =
            process.map_err(|_| ConnectError::Settings("no process was read".to_owned()))?;
        let encoding = column(1)?;
        if self.needs_utf8 && encoding != "UTF8" {
            return Err(ConnectError::Encoding(encoding.to_owned()));
        }
        let durability = Durability::by(column(2)?, column(3)?, column(4)?);
        let mut missing = Vec::new();
        for (index, (name, wanted)) in wanted.into_iter().enumerate() {
            let found: Option<&str> = row.try_get(index + 7)?;
            let is_so = match found {
                None => name == ENDLESS,
                Some(found) => is_same(wanted, found),
            };
            if !is_so {
                missing.push(Missing {
                    name,
                    wanted: wanted.to_owned(),
                    found: found.unwrap_or("unknown to the server").to_owned(),
                });
            }
        }
        let read = Read {
            durability,
            process,
            origin: Origin::of(row, 5)?,
        };
        Ok((read, missing))
    }
}

/// A bound that a role may have and older servers do not know: it goes without saying.
const ENDLESS: &str = "transaction_timeout";

/// A setting that is not as it has to be.
#[derive(Debug)]
struct Missing {
    name: &'static str,
    wanted: String,
    found: String,
}

fn refused(missing: &[Missing], has_others: bool) -> ConnectError {
    let each = |it: &Missing| format!("{} is {}, not {}", it.name, it.found, it.wanted);
    let each: Vec<_> = missing.iter().map(each).collect();
    let why = match has_others {
        true => "; so the options in the URL were dropped as well",
        false => "",
    };
    ConnectError::Settings(format!("{}{why}", each.join(", ")))
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Whether a word of options sets this: as `-c name=…`, `-cname=…` or `--name=…`.
fn sets(word: &str, name: &str) -> bool {
    let (key, _) = word.split_once('=').unwrap_or((word, ""));
    let is_short = key.starts_with("-c");
    let key = key.trim_start_matches('-').replace('-', "_");
    key == name || (is_short && key.strip_prefix('c') == Some(name))
}

/// Whether a setting is as wanted; bounds are wanted in milliseconds and shown in the largest unit.
fn is_same(wanted: &str, found: &str) -> bool {
    if wanted == found {
        return true;
    }
    let digits = found.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: u128 = match &found[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return false,
    };
    let (Ok(wanted), Ok(found)) = (wanted.parse::<u128>(), digits.parse::<u128>()) else {
        return false;
    };
    found * factor == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_same_in_every_unit() {
        for (wanted, found, expected) in [
            ("5000", "5s", true),
            ("500", "500ms", true),
            ("120000", "2min", true),
            ("5000", "0", false),
            ("0", "0", true),
            ("5000", "50s", false),
            ("read committed", "read committed", true),
            ("off", "on", false),
        ] {
            assert_eq!(is_same(wanted, found), expected, "{wanted} {found}");
        }
    }

    #[test]
    fn what_is_ours_to_set_is_not_set_by_a_url() {
        let mut settings = Settings::of_engine(&PostgresOptions::default());
        let options = settings.options(Some("-c search_path=x")).unwrap();
        assert!(options.starts_with("-c search_path=x -c statement_timeout=5000"));
        assert!(options.contains("default_transaction_isolation=read\\ committed"));
        let refused = settings.options(Some("-c statement_timeout=1"));
        assert!(refused.unwrap_err().contains("statement_timeout"));
        for refused in ["--jit=on", "-cjit=on", "-c jit=on", "--enable-seqscan=on"] {
            assert!(settings.options(Some(refused)).is_err(), "{refused}");
        }
        let mut settings = Settings::of_verification();
        assert!(settings.options(Some("-c deadlock_timeout=1")).is_ok());
    }
}
