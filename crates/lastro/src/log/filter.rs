//! The filter of the log.

use anyhow::{Context, ensure};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Reads a filter. A word alone has to be a level: `EnvFilter` takes any other word for the name of a
/// crate, so that a mistyped `debgu` would silence the log.
pub(super) fn read(text: &str) -> anyhow::Result<EnvFilter> {
    for directive in text.split(',').map(str::trim) {
        let is_word = !directive.contains(['=', '[']);
        ensure!(
            !is_word || (!directive.is_empty() && directive.parse::<LevelFilter>().is_ok()),
            "`{directive}` is not a level of the log: use error, warn, info, debug or trace, or a \
             filter by crate such as warn,payments=debug"
        );
    }
    EnvFilter::builder().parse(text).with_context(|| {
        format!("`{text}` is not a filter of the log, such as warn,payments=debug")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_by_crate_are_read() {
        for text in [
            "info",
            "WARN",
            "off",
            "warn,payments=debug",
            "error,server=trace",
        ] {
            read(text).unwrap_or_else(|error| panic!("{text}: {error:#}"));
        }
    }

    #[test]
    fn a_mistyped_filter_is_refused() {
        for (text, expected) in [
            (
                "debgu",
                "`debgu` is not a level of the log: use error, warn",
            ),
            ("", "`` is not a level"),
            ("warn,payments", "`payments` is not a level"),
            (
                "payments=loud",
                "`payments=loud` is not a filter of the log",
            ),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
