//! Progress of a copy: on standard error, and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use journal::backup::Progress;

pub(crate) struct ProgressShown(ProgressBar);

impl ProgressShown {
    pub(crate) fn new(what: &'static str) -> Self {
        let template = "{msg} {wide_bar} segment {pos} of {len}, {elapsed}, {eta} left";
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(0).with_style(style).with_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(crate) fn show(&self, progress: Progress) {
        self.0.set_length(progress.segments_all);
        self.0.set_position(progress.segments);
    }
}

impl Drop for ProgressShown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
