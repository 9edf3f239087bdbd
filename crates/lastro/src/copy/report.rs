//! The result of a copy, for people and for programs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::compare::Compared;

#[derive(Serialize)]
pub(super) struct Report {
    from: String,
    to: String,
    /// Events that the ledger has.
    events_count: u64,
    /// Of these, events that this run wrote; an earlier one wrote the others.
    copied_count: u64,
    accounts_count: u64,
    copy_ms: u64,
    compare_ms: u64,
    is_equal: bool,
    differences_count: u64,
    differences: Vec<String>,
}

impl Report {
    pub(super) fn new(
        [from, to]: [String; 2],
        copied_count: u64,
        [copied_in, compared_in]: [Duration; 2],
        compared: Compared,
    ) -> Self {
        let [copy_ms, compare_ms] = [copied_in, compared_in].map(stdx::whole_millis);
        Self {
            from,
            to,
            events_count: compared.events_count,
            copied_count,
            accounts_count: compared.accounts_count,
            copy_ms,
            compare_ms,
            is_equal: compared.is_equal(),
            differences_count: compared.differences_count,
            differences: compared.differences,
        }
    }

    pub(super) const fn is_equal(&self) -> bool {
        self.is_equal
    }

    pub(super) fn print(&self, json: Option<&Path>) -> anyhow::Result<()> {
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)?;
            if path == Path::new("-") {
                println!("{text}");
                return Ok(());
            }
            std::fs::write(path, text + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        println!("from      {}", self.from);
        println!("to        {}", self.to);
        println!(
            "copied    {} events in {} ms",
            self.copied_count, self.copy_ms
        );
        println!(
            "compared  {} events and {} accounts in {} ms",
            self.events_count, self.accounts_count, self.compare_ms
        );
        for difference in &self.differences {
            println!("  {difference}");
        }
        match self.is_equal {
            true => println!("equal: both have the same events and the same accounts"),
            false => println!(
                "NOT EQUAL: {} differences; the copy stays marked as unfinished, and no server opens it",
                self.differences_count
            ),
        }
        Ok(())
    }
}
