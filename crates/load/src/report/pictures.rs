//! The pictures and tables that all scenarios have.

use maud::{Markup, html};

use super::axis::{Scale, grouped};
use super::chart::{self, Axes, Band, Line};
use super::page::{Tile, Tone, figures_table, panel, wide_panel};
use crate::figures::{Figures, Latency, Part};

/// The tiles: requests, failures, latency, the generator.
pub(crate) fn tiles(figures: &Figures) -> Vec<Tile> {
    let (worst, middle) = figures.p99_ms_by_second();
    let generator = &figures.generator;
    vec![
        Tile::new(
            "Requests",
            grouped(figures.requests_count),
            format!(
                "{:.0}/s over {:.0} s",
                figures.requests_per_s, figures.elapsed_s
            ),
            Tone::Plain,
        ),
        Tile::new(
            "Failed",
            grouped(figures.failures_count),
            format!("{} inconsistent", grouped(figures.inconsistencies_count)),
            Tone::of(figures.failures_count == 0),
        ),
        Tile::new(
            "p99",
            time(figures.latency.p99_ms),
            format!("by second: {} typical, {} worst", time(middle), time(worst)),
            Tone::Plain,
        ),
        Tile::new(
            "Generator late by",
            time(generator.lateness_p99_us / 1e3),
            format!(
                "p99; half within {}, {:.0} % of a core",
                time(generator.lateness_p50_us / 1e3),
                generator.cpu_percent
            ),
            if figures.generator.was_held_up() {
                Tone::Bad
            } else {
                Tone::Plain
            },
        ),
    ]
}

/// What to know before reading the figures.
pub(crate) fn warning(figures: &Figures) -> Option<String> {
    let generator = &figures.generator;
    generator
        .was_held_up()
        .then(|| format!("Note: {}.", generator.held_up()))
}

/// A time in the unit that suits it.
pub(crate) fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 1e4 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 1e3 => format!("{:.2} s", ms / 1e3),
        ms if ms >= 1.0 => format!("{ms:.2} ms"),
        ms => format!("{:.0} µs", ms * 1e3),
    }
}

/// The panels: over time, spread, outcomes, tables. `level` is a bound to draw, `bands` what happened
/// meanwhile.
pub(crate) fn panels(
    figures: &Figures,
    level: Option<(f64, &'static str)>,
    bands: &[Band],
) -> Vec<Markup> {
    let mut panels = vec![
        wide_panel(
            "Latency over time",
            "Percentiles of each second's requests, in milliseconds.",
            &over_time(figures, level, bands),
        ),
        wide_panel(
            "Throughput",
            "Requests of each second; those that failed in red.",
            &throughput(figures),
        ),
        panel(
            "How long requests took",
            "Each bar is a quarter wider than the one before.",
            &histogram(figures),
        ),
        panel(
            "Percentile curve",
            "This share of the requests took at most so long.",
            &percentiles(figures),
        ),
        panel("Outcomes", "", &outcomes(figures)),
        panel("By kind", "Milliseconds.", &kinds(figures)),
    ];
    if !figures.faults.is_empty() {
        panels.push(wide_panel(
            "Faults",
            "With the first example of each.",
            &faults(figures),
        ));
    }
    panels
}

fn over_time(figures: &Figures, level: Option<(f64, &'static str)>, bands: &[Band]) -> Markup {
    let line = |name: &str, class, of: fn(&Latency) -> f64| Line {
        name: name.to_owned(),
        class,
        points: by_second(figures, of),
        is_dotted: false,
    };
    let axes = Axes {
        width: chart::WIDE,
        x: ("seconds", Scale::Linear),
        y: ("ms", Scale::Log),
        // A bound far above everything would only flatten the picture.
        level: level.filter(|(level, _)| *level < 20.0 * figures.latency.max_ms),
        bands,
    };
    chart::lines(
        &axes,
        &[
            line("max", "faint", |latency| latency.max_ms),
            line("p99", "c2", |latency| latency.p99_ms),
            line("p90", "c3", |latency| latency.p90_ms),
            line("p50", "c1", |latency| latency.p50_ms),
        ],
    )
}

fn by_second(figures: &Figures, of: fn(&Latency) -> f64) -> Vec<(f64, f64)> {
    let seconds = figures.seconds.iter().zip(0_u32..);
    seconds
        .filter(|(second, _)| second.requests_count > 0)
        .map(|(second, index)| (f64::from(index), of(&second.latency)))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn throughput(figures: &Figures) -> Markup {
    let axes = Axes {
        width: chart::WIDE,
        x: ("seconds", Scale::Linear),
        y: ("requests/s", Scale::Linear),
        level: None,
        bands: &[],
    };
    let of = |count: fn(&Part) -> u64| -> Vec<f64> {
        let seconds = figures.seconds.iter();
        seconds.map(|second| count(second) as f64).collect()
    };
    chart::steps(
        &axes,
        &of(|second| second.requests_count),
        &of(|second| second.failures_count),
    )
}

fn histogram(figures: &Figures) -> Markup {
    let axes = Axes {
        width: chart::NARROW,
        x: ("ms", Scale::Log),
        y: ("requests", Scale::Linear),
        level: None,
        bands: &[],
    };
    let bars: Vec<(f64, f64, u64)> = figures
        .histogram
        .iter()
        .map(|bucket| (bucket.above_ms, bucket.up_to_ms, bucket.count))
        .collect();
    chart::histogram(&axes, &bars)
}

fn percentiles(figures: &Figures) -> Markup {
    let axes = Axes {
        width: chart::NARROW,
        x: ("share of the requests", Scale::Nines),
        y: ("ms", Scale::Log),
        level: None,
        bands: &[],
    };
    let points = figures.percentiles.iter();
    let line = Line {
        name: "all requests".to_owned(),
        class: "c1",
        points: points
            .filter(|point| point.percent < 100.0)
            .map(|point| (point.percent, point.latency_ms))
            .collect(),
        is_dotted: false,
    };
    chart::lines(&axes, &[line])
}

fn outcomes(figures: &Figures) -> Markup {
    let right = figures
        .outcomes
        .iter()
        .map(|outcome| (outcome.name, outcome.count, "fill"));
    let wrong = figures
        .faults
        .iter()
        .map(|fault| (fault.code, fault.count, "fill bad"));
    let bars: Vec<(&str, u64, &str)> = right.chain(wrong).collect();
    let most = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(1);
    html! {
        div.bars {
            @for (name, count, class) in bars {
                span { (name) }
                span.track { span class=(class) style={ "width:" (count * 100 / most) "%" } {} }
                span.count { (grouped(count)) }
            }
        }
    }
}

fn kinds(figures: &Figures) -> Markup {
    let all = Part {
        name: "all".to_owned(),
        requests_count: figures.requests_count,
        failures_count: figures.failures_count,
        latency: figures.latency,
    };
    let rows: Vec<Vec<String>> = figures
        .kinds
        .iter()
        .chain([&all])
        .filter(|kind| kind.requests_count > 0)
        .map(|kind| {
            let latency = &kind.latency;
            let mut row = vec![
                kind.name.clone(),
                grouped(kind.requests_count),
                grouped(kind.failures_count),
            ];
            let times = [
                latency.p50_ms,
                latency.p99_ms,
                latency.p999_ms,
                latency.max_ms,
            ];
            row.extend(times.map(|time| format!("{time:.2}")));
            row
        })
        .collect();
    figures_table(
        &["", "requests", "failed", "p50", "p99", "p99.9", "max"],
        &rows,
    )
}

fn faults(figures: &Figures) -> Markup {
    html! {
        ul.findings {
            @for fault in &figures.faults {
                li { strong { (grouped(fault.count)) " × " (fault.code) } ": " (fault.example) }
            }
        }
    }
}
