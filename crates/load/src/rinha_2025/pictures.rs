//! The page: what each processor was doing, what it was sent, what waited.

use maud::{Markup, html};

use super::checks::Point;
use super::report::{Recorded, Rinha2025Report, money};
use super::script::{Condition, Stage};
use crate::report::axis::{Scale, grouped};
use crate::report::chart::{self, Axes, Band, Line};
use crate::report::page::{Page, Tile, Tone, figures_table, panel, wide_panel};
use crate::report::pictures::{self, time};

/// From when latencies count here.
const FOOTNOTE: &str = "Latency counts from the send on an open connection to the end of the answer, as \
                        the challenge's k6 counts it: its users wait for an answer before they go on.";

pub(super) fn page(report: &Rinha2025Report) -> Page {
    let bands = stages(&report.stages, report.duration_s, both);
    let mut tiles = tiles(report);
    tiles.extend(
        pictures::tiles(&report.figures)
            .into_iter()
            .filter(|tile| tile.label != "p99"),
    );
    let mut panels = vec![
        wide_panel(
            "Score",
            "What is paid, less fees, with the bonus for the p99.",
            &score(report),
        ),
        wide_panel(
            "Payments per second",
            "Accepted from the users, and recorded by each processor.",
            &rates(report, &bands),
        ),
    ];
    for (name, class, of) in [
        (
            "default",
            "c1",
            (|point| point.recorded.default) as fn(&Point) -> u64,
        ),
        ("fallback", "c3", |point| point.recorded.fallback),
    ] {
        let own = |stage: &Stage| {
            if name == "default" {
                stage.default
            } else {
                stage.fallback
            }
        };
        let bands = stages(&report.stages, report.duration_s, |stage| one(own(stage)));
        panels.push(wide_panel(
            &format!("Processor {name}"),
            "Payments recorded per second; behind them what the processor was set to.",
            &chart::lines(
                &axes("payments/s", &bands),
                &[per_second(name, class, report, of)],
            ),
        ));
    }
    panels.push(wide_panel(
        "Waiting to be paid",
        "Payments accepted, but recorded by no processor yet.",
        &depth(report, &bands),
    ));
    panels.extend(pictures::panels(&report.figures, None, &bands));
    panels.push(panel(
        "Checks",
        "Payments counted over the same time by each.",
        &checks(report),
    ));
    panels.push(panel(
        "Audit",
        "Both processors asked for each payment.",
        &audit(report),
    ));
    let outcome = if report.passed() {
        "Passed: all paid exactly once, every comparison equal"
    } else {
        "Not passed"
    };
    let mut warnings = report.warnings();
    warnings.extend(pictures::warning(&report.figures));
    Page {
        title: format!("The 2025 challenge, {}", report.script),
        facts: facts(report),
        warnings,
        outcome: (report.passed(), outcome.to_owned()),
        tiles,
        panels,
        footnote: FOOTNOTE,
    }
}

fn facts(report: &Rinha2025Report) -> Vec<(&'static str, String)> {
    let processor = |processor: &Recorded| format!("{}, fee {}", processor.url, processor.fee);
    vec![
        ("target", report.target.clone()),
        ("began", report.began_at.clone()),
        (
            "users",
            format!("1 to {} in {} s", report.users, report.duration_s),
        ),
        ("default", processor(&report.processors.default)),
        ("fallback", processor(&report.processors.fallback)),
    ]
}

fn tiles(report: &Rinha2025Report) -> Vec<Tile> {
    let score = &report.score;
    let mut tiles = vec![
        Tile::new(
            "Score",
            money(score.score),
            match score.fine_percent {
                0 => format!("+{} % for the p99, no fine", score.bonus_percent),
                fine => format!("+{} % for the p99, -{fine} % fine", score.bonus_percent),
            },
            Tone::of(score.fine_percent == 0 && !report.is_disqualified),
        ),
        Tile::new(
            "p99",
            time(report.figures.latency.p99_ms),
            match (&report.bare, report.p99_ratio) {
                (Some(bare), Some(ratio)) => {
                    let p99 = time(bare.latency.p99_ms);
                    format!("{ratio:.2} × a bare handler's {p99}")
                }
                _ => "a bonus begins below 11 ms".to_owned(),
            },
            Tone::of(score.bonus_percent > 0),
        ),
        Tile::new(
            "Inconsistent",
            grouped(report.inconsistencies_count),
            format!("payments in {} checks", report.checks.len()),
            Tone::of(report.inconsistencies_count == 0),
        ),
        Tile::new(
            "Lag",
            report.lag_count.to_string(),
            format!("of {} accepted", grouped(report.accepted_count)),
            Tone::of(report.lag_count == 0),
        ),
    ];
    let is_clean = report.audit.is_clean();
    tiles.push(Tile::new(
        "Audit",
        if is_clean { "clean" } else { "FAILED" },
        format!("last paid {:.1} s after the script", report.audit.drain_s),
        Tone::of(is_clean),
    ));
    tiles
}

fn score(report: &Rinha2025Report) -> Markup {
    let score = &report.score;
    let rows = [
        ("paid", money(score.gross)),
        ("fees", money(score.fees)),
        ("net", money(score.net)),
        ("bonus", money(score.bonus)),
        ("fine", money(score.fine)),
        ("score", money(score.score)),
    ];
    html! {
        dl.facts {
            @for (name, value) in &rows {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// How a stage is told: its lines, and its colour.
type Told = (Vec<String>, &'static str);

/// The stages as bands until the script's end.
fn stages(stages: &[Stage], duration_s: u64, tell: impl Fn(&Stage) -> Told) -> Vec<Band> {
    let ends = stages.iter().skip(1).map(|stage| stage.at_s);
    let ends = ends.chain([duration_s]);
    let bands = stages
        .iter()
        .zip(ends)
        .zip([false, true].into_iter().cycle());
    bands
        .map(|((stage, end), is_odd)| {
            let (labels, class) = tell(stage);
            Band {
                from: float(stage.at_s),
                to: float(end),
                labels,
                class: if class == "band" && is_odd {
                    "odd"
                } else {
                    class
                },
            }
        })
        .collect()
}

fn both(stage: &Stage) -> Told {
    let lines = vec![
        format!("default {}", told(stage.default)),
        format!("fallback {}", told(stage.fallback)),
    ];
    (lines, "band")
}

fn one(condition: Condition) -> Told {
    let class = match condition {
        Condition {
            is_failing: true, ..
        } => "fails",
        Condition { delay_ms: 50.., .. } => "slow",
        _ => "band",
    };
    (vec![told(condition)], class)
}

fn told(condition: Condition) -> String {
    let delay = match condition.delay_ms {
        delay if delay >= 1_000 && delay.is_multiple_of(1_000) => format!("{} s", delay / 1_000),
        delay => format!("{delay} ms"),
    };
    if condition.is_failing {
        format!("{delay}, fails")
    } else {
        delay
    }
}

const fn axes<'a>(y: &'static str, bands: &'a [Band]) -> Axes<'a> {
    Axes {
        width: chart::WIDE,
        x: ("seconds", Scale::Linear),
        y: (y, Scale::Linear),
        level: None,
        bands,
    }
}

fn rates(report: &Rinha2025Report, bands: &[Band]) -> Markup {
    let lines = [
        per_second("accepted", "faint", report, |point| point.accepted),
        per_second("to default", "c1", report, |point| point.recorded.default),
        per_second("to fallback", "c3", report, |point| point.recorded.fallback),
    ];
    chart::lines(&axes("payments/s", bands), &lines)
}

/// How much more there was at each sample than at the one before, per second.
fn per_second(
    name: &str,
    class: &'static str,
    report: &Rinha2025Report,
    of: impl Fn(&Point) -> u64,
) -> Line {
    let pairs = report.points.windows(2);
    let points = pairs.filter_map(|pair| {
        let [before, now] = pair else { return None };
        let seconds = now.second.saturating_sub(before.second).max(1);
        let more = of(now).saturating_sub(of(before));
        Some((float(now.second), float(more) / float(seconds)))
    });
    Line {
        name: name.to_owned(),
        class,
        points: points.collect(),
        is_dotted: false,
    }
}

fn depth(report: &Rinha2025Report, bands: &[Band]) -> Markup {
    let depth = |point: &Point| float(point.accepted.saturating_sub(point.recorded.sum()));
    let line = Line {
        name: "accepted - recorded".to_owned(),
        class: "c2",
        points: report
            .points
            .iter()
            .map(|point| (float(point.second), depth(point)))
            .collect(),
        is_dotted: false,
    };
    chart::lines(&axes("payments", bands), &[line])
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn checks(report: &Rinha2025Report) -> Markup {
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|check| {
            let pair = |default, fallback| format!("{} + {}", grouped(default), grouped(fallback));
            vec![
                format!("{} s", check.at_s),
                pair(check.backend.default, check.backend.fallback),
                pair(check.processors.default, check.processors.fallback),
                grouped(check.difference),
            ]
        })
        .collect();
    figures_table(&["at", "backend", "processors", "difference"], &rows)
}

fn audit(report: &Rinha2025Report) -> Markup {
    let audit = &report.audit;
    let rows: Vec<Vec<String>> = [
        ("posted", audit.posted_count),
        ("accepted", audit.accepted_count),
        ("paid by default", audit.paid.default),
        ("paid by fallback", audit.paid.fallback),
        ("accepted, paid by nobody", audit.lost_count),
        ("paid by both", audit.doubled_count),
        ("paid with another amount", audit.wrong_amount_count),
        ("refused, but paid", audit.refused_paid_count),
        ("recorded, never posted", audit.foreign_count),
        ("without an answer, paid", audit.unknown_paid_count),
    ]
    .into_iter()
    .map(|(name, count)| vec![name.to_owned(), grouped(count)])
    .collect();
    html! {
        (figures_table(&["", "payments"], &rows))
        @if !audit.findings.is_empty() {
            ul.findings { @for finding in &audit.findings { li { (finding) } } }
        }
    }
}
