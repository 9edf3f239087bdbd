//! Structured logs on standard error: a line that reads alone and carries its fields.
//!
//! | lines | written by | when standard error takes nothing |
//! |---|---|---|
//! | the server's own | the thread that has something to report | it waits: no alarm is lost |
//! | the access log | a thread of its own | 16,384 lines wait; further ones are dropped and counted |

mod filter;

use std::io::IsTerminal;
use std::str::FromStr;

use anyhow::{Context, bail};
use server::ACCESS_LOG;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::settings;

/// How many lines of the access log wait to be written; more are dropped.
const ACCESS_LINES_MAX: usize = 16_384;

settings! {
    /// What is logged, and how.
    pub(crate) struct LogSettings in "Log" {
        /// What the log on standard error has: `error`, `warn`, `info`, `debug` or `trace`, or a filter by
        /// crate such as `warn,payments=debug`. Without it: the filter in the variable `RUST_LOG`, and
        /// without that `info`.
        log_level: Option<String>, env "LASTRO_LOG_LEVEL", value_name = "FILTER";
        /// Form of a line of the log: `text`, or `json` for one JSON object per line.
        log_format: String = "text", env "LASTRO_LOG_FORMAT", value_name = "text|json";
        /// Which HTTP requests the log has a line for: none (`off`), those answered with a status of
        /// 400 or above (`errors`), or `all`. `--log-level` does not change it.
        access_log: String = "off", env "LASTRO_ACCESS_LOG", value_name = "off|errors|all";
    }
}

/// The settings of the log, as they are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// A filter that can be read.
    level: String,
    format: Format,
    pub(crate) access: AccessLog,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => bail!("unknown format {other}: use text or json"),
        }
    }
}

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessLog {
    Off,
    Errors,
    All,
}

impl AccessLog {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Errors => "errors",
            Self::All => "all",
        }
    }
}

impl FromStr for AccessLog {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "off" => Ok(Self::Off),
            "errors" => Ok(Self::Errors),
            "all" => Ok(Self::All),
            other => bail!("unknown access log {other}: use off, errors or all"),
        }
    }
}

impl LogConfig {
    /// What the settings and `RUST_LOG` come to; an error names the one that cannot be read.
    pub(crate) fn resolve(settings: &LogSettings) -> anyhow::Result<Self> {
        let (name, level) = match (&settings.log_level, std::env::var("RUST_LOG")) {
            (Some(level), _) => ("--log-level", level.clone()),
            (None, Ok(level)) if !level.is_empty() => ("RUST_LOG", level),
            (None, Ok(_) | Err(std::env::VarError::NotPresent)) => {
                ("--log-level", "info".to_owned())
            }
            (None, Err(error)) => return Err(error).context("RUST_LOG"),
        };
        filter::read(&level).context(name)?;
        Ok(Self {
            level,
            format: settings.log_format().parse().context("--log-format")?,
            access: settings.access_log().parse().context("--access-log")?,
        })
    }
}

/// A log that was started. Once it is dropped, the access log is written to its end.
pub(crate) struct Log {
    access: Option<(ErrorCounter, WorkerGuard)>,
}

/// How many lines of the access log were dropped.
pub(crate) struct DroppedLines(ErrorCounter);

impl Log {
    /// Counts the dropped lines of the access log; `None` where there is no access log.
    pub(crate) fn access_lines_dropped(&self) -> Option<DroppedLines> {
        let (dropped, _) = self.access.as_ref()?;
        Some(DroppedLines(dropped.clone()))
    }
}

impl DroppedLines {
    pub(crate) fn count(&self) -> u64 {
        self.0.dropped_lines() as u64
    }
}

/// Starts logging.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<Log> {
    let own = filter::read(&config.level)?.add_directive(
        format!("{ACCESS_LOG}=off")
            .parse()
            .context("the target of the access log")?,
    );
    let own = lines(config.format, std::io::stderr, true).with_filter(own);
    let level = match config.access {
        AccessLog::Off => None,
        AccessLog::Errors => Some(LevelFilter::INFO),
        AccessLog::All => Some(LevelFilter::DEBUG),
    };
    let (access, running) = match level {
        None => (None, None),
        Some(level) => {
            let (writer, guard) = NonBlockingBuilder::default()
                .buffered_lines_limit(ACCESS_LINES_MAX)
                .lossy(true)
                .thread_name("lastro-access")
                .finish(std::io::stderr());
            let dropped = writer.error_counter();
            let filter = Targets::new().with_target(ACCESS_LOG, level);
            let layer = lines(config.format, writer, false).with_filter(filter);
            (Some(layer), Some((dropped, guard)))
        }
    };
    tracing_subscriber::registry().with(own).with(access).init();
    Ok(Log { access: running })
}

/// Lines of a form. The level of a line of the access log says nothing that its status does not.
fn lines<S, W>(format: Format, writer: W, with_level: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_level(with_level)
        .with_writer(writer);
    match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().boxed(),
    }
}
