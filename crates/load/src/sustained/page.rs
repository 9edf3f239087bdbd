//! The page: curves over the transfers that the run has made.

use maud::Markup;

use super::figures::{Row, SustainedReport, float, megabytes, megabytes_text};
use crate::report::axis::{Scale, grouped};
use crate::report::chart::{self, Axes, Line};
use crate::report::page::{Page, Tile, Tone, figures_table, wide_panel};
use crate::report::pictures::time;

pub(super) fn of(report: &SustainedReport) -> Page {
    Page {
        title: "A ledger that goes on".to_owned(),
        facts: vec![
            ("engine", report.engine.to_owned()),
            ("durability", report.durability.clone()),
            ("ids", format!("UUID {}", report.ids)),
            ("accounts", grouped(report.accounts_count)),
            ("transfers a call", grouped(report.batch as u64)),
            ("calls in flight", report.concurrency.to_string()),
            (
                "hot account",
                if report.hot { "on every debit" } else { "none" }.to_owned(),
            ),
        ],
        warnings: Vec::new(),
        outcome: (
            true,
            "Every transfer was answered as it had to be".to_owned(),
        ),
        tiles: report.tiles(),
        panels: report.panels(),
        footnote: "Latency counts from the sending of a call to its whole answer. A fixed number of \
                   calls is in flight: a slow answer holds up the calls behind it.",
    }
}

impl SustainedReport {
    fn tiles(&self) -> Vec<Tile> {
        let none = || "–".to_owned();
        let kept = self.kept_percent();
        let bytes = |growth: Option<f64>| growth.map_or_else(none, |bytes| format!("{bytes:.1}"));
        let last = self.rows.last().map(|row| row.footprint);
        let at_end = |bytes: Option<u64>| {
            bytes.map_or_else(none, |bytes| {
                format!("{:.1} MB at the end", megabytes(bytes))
            })
        };
        let mut tiles = vec![
            Tile::new(
                "Transfers",
                grouped(self.transfers_count),
                format!("in {:.1} s", self.elapsed_s),
                Tone::Plain,
            ),
            Tile::new(
                "Transfers/s",
                format!("{:.0}", self.transfers_per_s),
                kept.map_or_else(none, |percent| {
                    format!("last row: {percent:.0} % of the first")
                }),
                Tone::Plain,
            ),
            Tile::new(
                "p99.9 of a call",
                time(self.calls.batch_p999_us / 1e3),
                format!("p50 {}", time(self.calls.batch_p50_us / 1e3)),
                Tone::Plain,
            ),
            Tile::new(
                "Longest call",
                time(self.calls.batch_max_us / 1e3),
                "",
                Tone::Plain,
            ),
            Tile::new(
                "Memory, bytes a transfer",
                bytes(self.growth(|of| of.rss_bytes)),
                at_end(last.and_then(|last| last.rss_bytes)),
                Tone::Plain,
            ),
            Tile::new(
                "Disk, bytes a transfer",
                bytes(self.growth(|of| of.disk_bytes)),
                at_end(last.and_then(|last| last.disk_bytes)),
                Tone::Plain,
            ),
        ];
        if let Some(openings) = &self.openings {
            tiles.push(Tile::new(
                "Reopened in",
                time(openings.reopened_in_s * 1e3),
                format!("before the run: {}", time(openings.opened_in_s * 1e3)),
                Tone::Plain,
            ));
        }
        tiles
    }

    fn panels(&self) -> Vec<Markup> {
        let rate = [self.line("rate", "c1", |row| Some(row.transfers_per_s))];
        let latency = [
            self.line("p50", "c1", |row| Some(row.calls.batch_p50_us / 1e3)),
            self.line("p99", "c4", |row| Some(row.calls.batch_p99_us / 1e3)),
            self.line("p99.9", "c2", |row| Some(row.calls.batch_p999_us / 1e3)),
            self.line("max", "c3", |row| Some(row.calls.batch_max_us / 1e3)),
        ];
        let footprint = [
            self.line("memory", "c1", |row| row.footprint.rss_bytes.map(megabytes)),
            self.line("disk", "c2", |row| row.footprint.disk_bytes.map(megabytes)),
        ];
        let mut panels = vec![
            wide_panel(
                "Rate",
                "Transfers per second of each row.",
                &picture("transfers/s", Scale::Linear, &rate),
            ),
            wide_panel(
                "Latency",
                "Percentiles of each row's calls, in milliseconds.",
                &picture("ms", Scale::Log, &latency),
            ),
        ];
        for line in footprint {
            if !line.points.is_empty() {
                let (title, note) = match line.class {
                    "c1" => (
                        "Memory",
                        "What the process that serves holds, in megabytes.",
                    ),
                    _ => ("Disk", "What the folder takes on the disk, in megabytes."),
                };
                let picture = picture("MB", Scale::Linear, &[line]);
                panels.push(wide_panel(title, note, &picture));
            }
        }
        panels.push(wide_panel(
            "Rows",
            "Times in milliseconds, sizes in megabytes.",
            &self.table(),
        ));
        panels
    }

    fn line(&self, name: &str, class: &'static str, of: fn(&Row) -> Option<f64>) -> Line {
        let point = |row: &Row| Some((float(row.transfers_total) / 1e6, of(row)?));
        Line {
            name: name.to_owned(),
            class,
            points: self.rows.iter().filter_map(point).collect(),
            is_dotted: true,
        }
    }

    fn table(&self) -> Markup {
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let calls = &row.calls;
                let times = [
                    calls.batch_p50_us,
                    calls.batch_p99_us,
                    calls.batch_p999_us,
                    calls.batch_max_us,
                ];
                let mut cells = vec![
                    grouped(row.transfers_total),
                    format!("{:.0}", row.transfers_per_s),
                ];
                cells.extend(times.map(|us| format!("{:.2}", us / 1e3)));
                cells.push(megabytes_text(row.footprint.rss_bytes));
                cells.push(megabytes_text(row.footprint.disk_bytes));
                cells
            })
            .collect();
        let heads = [
            "transfers",
            "transfers/s",
            "p50",
            "p99",
            "p99.9",
            "max",
            "memory",
            "disk",
        ];
        figures_table(&heads, &rows)
    }
}

fn picture(y: &'static str, scale: Scale, lines: &[Line]) -> Markup {
    let axes = Axes {
        width: chart::WIDE,
        x: ("million transfers", Scale::Linear),
        y: (y, scale),
        level: None,
        bands: &[],
    };
    chart::lines(&axes, lines)
}
