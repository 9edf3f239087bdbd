//! The report of a benchmark that goes on over one ledger: how rate, latency, memory and disk change
//! while the ledger grows. The benchmark is not made here: only its report is.

mod figures;
mod page;

use std::fmt::Write;

use crate::report::{Document, Page};

pub use figures::{CallTimes, Footprint, Openings, Row, SustainedReport};

impl Document for SustainedReport {
    /// The figures of the whole run: its rows are written while it goes on.
    fn text(&self) -> String {
        let mut text = self.title() + "\n";
        // Writing into memory cannot fail.
        let _ = writeln!(
            text,
            "  created {}, refused {}: every transfer was answered as it had to be",
            self.created_count, self.refused_count
        );
        let kept = self.kept_percent();
        let kept = kept.map_or_else(String::new, |percent| {
            format!("   (the last row has {percent:.0} % of the first one's rate)")
        });
        let _ = writeln!(text, "  {:>12.0} transfers/s{kept}", self.transfers_per_s);
        let calls = &self.calls;
        let _ = writeln!(
            text,
            "  a call takes p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, max {:.0} us",
            calls.batch_p50_us, calls.batch_p99_us, calls.batch_p999_us, calls.batch_max_us
        );
        let growths = [
            ("memory", self.growth(|of| of.rss_bytes)),
            ("disk", self.growth(|of| of.disk_bytes)),
        ];
        for (what, growth) in growths {
            if let Some(growth) = growth {
                let _ = writeln!(text, "  {growth:.1} bytes of {what} a transfer");
            }
        }
        if let Some(openings) = &self.openings {
            let _ = writeln!(
                text,
                "  opened in {:.2} s before the run, in {:.2} s after it",
                openings.opened_in_s, openings.reopened_in_s
            );
        }
        text
    }

    fn page(&self) -> Page {
        page::of(self)
    }
}

#[cfg(test)]
mod tests;
