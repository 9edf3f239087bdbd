//! How far a copy is: a bar where standard error is a terminal, else a line for each step.

use std::io::IsTerminal;
use std::time::Duration;

use engine_postgres::Progress;
use indicatif::{ProgressBar, ProgressStyle};

pub(super) struct Shown(ProgressBar);

impl Shown {
    /// A step begins; `count` is how many events it has, if that is known.
    pub(super) fn begin(what: &str, count: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            eprintln!("{what}");
            return Self(ProgressBar::hidden());
        }
        let template = match count {
            Some(_) => "{msg} {wide_bar} {pos} of {len} events, {per_sec}, {eta} left",
            None => "{spinner} {msg}: {pos}, {per_sec}",
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = match count {
            Some(count) => ProgressBar::new(count),
            None => ProgressBar::new_spinner(),
        };
        let bar = bar.with_style(style).with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(super) fn reach(&self, events_count: u64) {
        self.0.set_position(events_count);
    }

    /// Rows of a table are read.
    pub(super) fn rows(&self, progress: Progress) {
        self.0.set_message(format!("reading {}", progress.what));
        self.0.set_position(progress.rows_count);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
