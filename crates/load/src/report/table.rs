//! The figures as a table for the terminal.

use std::fmt::Write;

use crate::figures::{Figures, Latency};

/// The table: by kind, in all, faults, and the generator's own figures.
pub(crate) fn of(figures: &Figures) -> String {
    let mut text = String::new();
    // Writing into memory cannot fail.
    let _ = writeln!(
        text,
        "  {:<14}{:>10}{:>9}{:>11}{:>11}{:>11}{:>11}",
        "", "requests", "failed", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
    );
    for kind in figures.kinds.iter().filter(|kind| kind.requests_count > 0) {
        let counts = (kind.requests_count, kind.failures_count);
        row(&mut text, &kind.name, counts, &kind.latency);
    }
    let counts = (figures.requests_count, figures.failures_count);
    row(&mut text, "all", counts, &figures.latency);
    let (worst, middle) = figures.p99_ms_by_second();
    let _ = writeln!(
        text,
        "  {:.0} requests/s over {:.1} s; p99 by second: middle {middle:.2} ms, worst {worst:.2} ms",
        figures.requests_per_s, figures.elapsed_s
    );
    for fault in &figures.faults {
        let _ = writeln!(
            text,
            "  {:>8} × {}; first: {}",
            fault.count, fault.code, fault.example
        );
    }
    let generator = &figures.generator;
    if generator.was_held_up() {
        let _ = writeln!(text, "  NOTE: {}", generator.held_up());
    }
    let _ = writeln!(
        text,
        "  the generator began requests p50 {:.0} us, p99 {:.0} us, max {:.0} us after their plan; \
         {:.0} % of a core, {:.1} us per request",
        generator.lateness_p50_us,
        generator.lateness_p99_us,
        generator.lateness_max_us,
        generator.cpu_percent,
        generator.cpu_us_per_request
    );
    text
}

fn row(text: &mut String, name: &str, counts: (u64, u64), latency: &Latency) {
    let _ = writeln!(
        text,
        "  {name:<14}{:>10}{:>9}{:>11.2}{:>11.2}{:>11.2}{:>11.2}",
        counts.0, counts.1, latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
    );
}
