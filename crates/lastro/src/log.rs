//! Structured logs on standard error: a line that reads alone and carries its fields.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Starts logging. `LASTRO_LOG` sets what is logged, as `info` (the default) or
/// `warn,server=debug`; `LASTRO_LOG_FORMAT=json` makes each line a JSON object.
pub(crate) fn start() -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("LASTRO_LOG")
        .from_env()
        .context("LASTRO_LOG")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match std::env::var("LASTRO_LOG_FORMAT").as_deref() {
        Ok("json") => subscriber.json().init(),
        Ok("text") | Err(_) => subscriber.init(),
        Ok(other) => anyhow::bail!("LASTRO_LOG_FORMAT={other}: use text or json"),
    }
    Ok(())
}
