//! What came of the bank.

use std::fmt::Write;

use maud::{Markup, html};
use serde::Serialize;

use super::BankOptions;
use super::audit::BankAudit;
use super::teller::Teller;
use crate::figures::Figures;
use crate::machine::Busy;
use crate::recorder::Recorder;
use crate::report::axis::grouped;
use crate::report::page::{self, Page, Tile, Tone, figures_table, wide_panel};
use crate::report::{Document, pictures, table};

/// The report. Its names in JSON are stable.
#[derive(Debug, Clone, Serialize)]
pub struct BankReport {
    scenario: &'static str,
    servers: Vec<String>,
    is_async: bool,
    accounts_count: usize,
    rate: u32,
    seed: u64,
    /// How many requests were sent again.
    repetitions_count: u64,
    #[serde(flatten)]
    figures: Figures,
    audit: BankAudit,
}

impl BankReport {
    pub(super) fn new(
        options: &BankOptions,
        recorder: &Recorder,
        teller: &Teller,
        audit: BankAudit,
        busy: Busy,
    ) -> Self {
        Self {
            scenario: "bank",
            servers: options.servers.iter().map(ToString::to_string).collect(),
            is_async: options.is_async,
            accounts_count: options.accounts_count,
            rate: options.rate,
            seed: options.seed,
            repetitions_count: teller.servers.repetitions_count.get(),
            figures: Figures::new(recorder, busy),
            audit,
        }
    }

    /// Whether every answer was right and the audit found nothing.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.figures.failures_count == 0 && self.audit.is_clean()
    }

    /// What the audit found.
    #[must_use]
    pub const fn audit(&self) -> &BankAudit {
        &self.audit
    }

    /// The figures.
    #[must_use]
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How many requests were sent again.
    #[must_use]
    pub const fn repetitions_count(&self) -> u64 {
        self.repetitions_count
    }
}

impl Document for BankReport {
    fn text(&self) -> String {
        let mut text = String::new();
        let audit = &self.audit;
        // Writing into memory cannot fail.
        let _ = writeln!(
            text,
            "bank over {}: {} operations/s between {} accounts{}, seed {}",
            self.servers.join(", "),
            self.rate,
            self.accounts_count,
            if self.is_async { ", asynchronous" } else { "" },
            self.seed
        );
        text.push_str(&table::of(&self.figures));
        let _ = writeln!(
            text,
            "  {} movements: {} applied, {} refused, {} resolved at the end; {} requests sent again",
            audit.movements_count,
            audit.applied_count,
            audit.refused_count,
            audit.resolved_count,
            self.repetitions_count
        );
        for finding in &audit.findings {
            let _ = writeln!(text, "  AUDIT: {finding}");
        }
        if audit.world_difference != 0 {
            let _ = writeln!(
                text,
                "  world:BRL changed by {} beyond this run: other callers, or money made or lost \
                 outside of its accounts",
                audit.world_difference
            );
        }
        let _ = if audit.is_clean() {
            writeln!(
                text,
                "  audit: {} entries read back; money conserved, no limit passed, every operation \
                 exactly once",
                audit.entries_count
            )
        } else {
            writeln!(
                text,
                "  audit FAILED: {} lost, {} doubled, {} altered, {} invented, {} unknown, {} \
                 statements broken, {} limits passed, {} of money",
                audit.lost_count,
                audit.doubled_count,
                audit.altered_count,
                audit.invented_count,
                audit.unknown_count,
                audit.broken_statements_count,
                audit.limits_passed_count,
                audit.money_difference
            )
        };
        text
    }

    fn page(&self) -> Page {
        let audit = &self.audit;
        let mut tiles = vec![Tile::new(
            "BankAudit",
            if audit.is_clean() { "clean" } else { "FAILED" },
            format!("{} entries read back", grouped(audit.entries_count)),
            Tone::of(audit.is_clean()),
        )];
        tiles.extend(pictures::tiles(&self.figures));
        let mut panels = vec![wide_panel(
            "BankAudit",
            "What was answered, held against every statement, page by page.",
            &self.audit_table(),
        )];
        panels.extend(pictures::panels(&self.figures, None, &[]));
        let outcome = if self.passed() {
            "Passed: every operation exactly once"
        } else {
            "Not passed"
        };
        Page {
            title: "The distributed bank".to_owned(),
            facts: vec![
                ("servers", self.servers.join(", ")),
                ("accounts", self.accounts_count.to_string()),
                ("operations/s", self.rate.to_string()),
                ("asynchronous", self.is_async.to_string()),
                ("seed", self.seed.to_string()),
                ("requests sent again", grouped(self.repetitions_count)),
            ],
            warnings: Vec::from_iter(pictures::warning(&self.figures)),
            outcome: (self.passed(), outcome.to_owned()),
            tiles,
            panels,
            footnote: page::OPEN,
        }
    }
}

impl BankReport {
    fn audit_table(&self) -> Markup {
        let audit = &self.audit;
        let counts = [
            ("movements", audit.movements_count),
            ("applied", audit.applied_count),
            ("refused", audit.refused_count),
            ("resolved at the end", audit.resolved_count),
            ("lost", audit.lost_count),
            ("doubled", audit.doubled_count),
            ("altered", audit.altered_count),
            ("invented", audit.invented_count),
            ("unknown", audit.unknown_count),
            ("broken statements", audit.broken_statements_count),
            ("limits passed", audit.limits_passed_count),
        ];
        let mut heads: Vec<&str> = counts.iter().map(|(name, _)| *name).collect();
        let mut row: Vec<String> = counts.iter().map(|(_, count)| grouped(*count)).collect();
        heads.push("money made or lost");
        row.push(audit.money_difference.to_string());
        html! {
            (figures_table(&heads, &[row]))
            @if !audit.findings.is_empty() {
                ul.findings { @for finding in &audit.findings { li { (finding) } } }
            }
        }
    }
}
