//! The report as text and as a page.

use std::fmt::Write;

use super::pictures;
use super::report::{Rinha2025Report, money};
use crate::report::page::Page;
use crate::report::{Document, table};

impl Document for Rinha2025Report {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing into memory cannot fail.
        let _ = writeln!(
            text,
            "rinha-2025 ({}) against {}: 1 to {} users in {} s",
            self.script, self.target, self.users, self.duration_s
        );
        for warning in self.warnings() {
            let _ = writeln!(text, "  {warning}");
        }
        text.push_str(&table::of(&self.figures));
        for (name, processor) in [
            ("default", &self.processors.default),
            ("fallback", &self.processors.fallback),
        ] {
            let _ = writeln!(
                text,
                "  {name:<9}{:>8} payments, {:>14}, fee {}",
                processor.payments_count,
                money(processor.amount),
                processor.fee
            );
        }
        for check in self.checks.iter().filter(|check| check.difference > 0) {
            let _ = writeln!(
                text,
                "  at {:>3} s the backend counts {} + {}, the processors {} + {}",
                check.at_s,
                check.backend.default,
                check.backend.fallback,
                check.processors.default,
                check.processors.fallback
            );
        }
        let score = &self.score;
        let _ = writeln!(
            text,
            "  {} accepted, lag {}, {} inconsistencies in {} checks",
            self.accepted_count,
            self.lag_count,
            self.inconsistencies_count,
            self.checks.len()
        );
        let _ = writeln!(
            text,
            "  score {}: net {} + {} % for a p99 of {:.2} ms - {} %",
            money(score.score),
            money(score.net),
            score.bonus_percent,
            self.p99_scored_ms,
            score.fine_percent
        );
        if let (Some(bare), Some(ratio)) = (&self.bare, self.p99_ratio) {
            let _ = writeln!(
                text,
                "  bare handler at {}: p99 {:.2} ms; this one takes {ratio:.2} times that",
                bare.target, bare.latency.p99_ms
            );
        }
        let audit = &self.audit;
        let _ = writeln!(
            text,
            "  audit: {} payments asked for one by one, paid within {:.1} s after the script: {}",
            audit.posted_count,
            audit.drain_s,
            if audit.is_clean() { "clean" } else { "FAILED" }
        );
        for finding in &audit.findings {
            let _ = writeln!(text, "    {finding}");
        }
        text
    }

    fn page(&self) -> Page {
        pictures::page(self)
    }
}
