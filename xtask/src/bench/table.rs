//! The figures as people read them.

use std::fmt::Write as _;

use super::figures::{Figures, Sample};

const HEAD: [&str; 6] = ["", "", "p50", "p99", "ratio", "durability"];

/// What the table cannot say by itself.
const NOTES: &str = "\
Lastro's transfers are asked for in process, PostgreSQL's over a socket by pgbench; p50 and p99 are a call's.
A ratio is to the PostgreSQL with the same load in the same run, over HTTP to a bare handler that answers without a ledger.
HTTP's figure is the highest rate with 99 % of the requests within 10 ms and no error.";

/// The table, a line for each measurement, and what it does not say.
pub(super) fn text(figures: &Figures) -> String {
    let rows = figures.measurements().iter().map(|measurement| {
        let micros = |of: fn(&Sample) -> Option<f64>| measurement.median(of).map(duration);
        let ratio = figures.ratio(measurement);
        let unit = measurement.subject.unit;
        [
            measurement.subject.text.to_owned(),
            rate(measurement.median(|sample| sample.per_s), unit),
            micros(|sample| sample.p50_us).unwrap_or_default(),
            micros(|sample| sample.p99_us).unwrap_or_default(),
            ratio
                .map(|ratio| format!("{ratio:.2} x"))
                .unwrap_or_default(),
            measurement.durability.clone(),
        ]
    });
    let head = HEAD.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let mut text = String::from("\n");
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max();
            let width = width.unwrap_or(0);
            // Writing into memory cannot fail.
            let _ = match column {
                0 => write!(line, "{cell:width$}"),
                5 => write!(line, "  {cell}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + "\n" + NOTES
}

/// What one run has shown, while it goes on.
pub(super) fn line_of(sample: &Sample) -> String {
    let subject = sample.subject;
    let rate = rate(sample.per_s, subject.unit);
    format!("{}: {rate}, durability {}", subject.text, sample.durability)
}

fn rate(per_s: Option<f64>, unit: &str) -> String {
    per_s.map_or_else(
        || "no rate held".to_owned(),
        |per_s| format!("{} {unit}", grouped(per_s)),
    )
}

/// `1234567.8` is `1,234,568`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn duration(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.0} us")
    } else {
        format!("{:.2} ms", us / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{FAST, SLOW, sample};
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let grouped = [0.4, 999.0, 1_000.0, 1_234_567.8].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,568"]);
        assert_eq!([duration(999.0), duration(1_234.0)], ["999 us", "1.23 ms"]);
    }

    #[test]
    fn each_measurement_is_a_line_with_its_durability() {
        let mut figures = Figures::default();
        figures.record(sample(FAST, Some(10_000.0)));
        figures.record(sample(SLOW, Some(4_000.0)));
        let text = text(&figures);
        let lines: Vec<_> = text.lines().skip(2).take(2).collect();
        assert_eq!(
            lines,
            [
                "a fast one  10,000 transfers/s  100 us       2.50 x  disk",
                "a slow one   4,000 transfers/s  250 us               disk",
            ]
        );
        assert!(line_of(&sample(FAST, None)).contains("no rate held, durability disk"));
    }
}
