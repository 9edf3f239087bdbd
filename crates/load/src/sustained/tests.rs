//! The report's figures and its page.

use super::*;
use crate::report;

const CALLS: CallTimes = CallTimes {
    batch_p50_us: 900.0,
    batch_p99_us: 2_000.0,
    batch_p999_us: 5_000.0,
    batch_max_us: 12_345.0,
};

fn row(transfers_total: u64, transfers_per_s: f64, footprint: Footprint) -> Row {
    Row {
        transfers_count: 1_000_000,
        transfers_total,
        elapsed_s: 1e6 / transfers_per_s,
        transfers_per_s,
        calls: CALLS,
        footprint,
    }
}

fn footprint(rss_bytes: u64, disk_bytes: u64) -> Footprint {
    Footprint {
        rss_bytes: Some(rss_bytes),
        disk_bytes: Some(disk_bytes),
    }
}

fn report(start: Footprint, rows: Vec<Row>) -> SustainedReport {
    SustainedReport {
        engine: "embedded",
        durability: "disk".to_owned(),
        ids: "v7",
        accounts_count: 10_000,
        batch: 1_000,
        concurrency: 4,
        hot: false,
        transfers_count: 2_000_000,
        created_count: 2_000_000,
        refused_count: 0,
        elapsed_s: 2.25,
        transfers_per_s: 888_889.0,
        calls: CALLS,
        openings: None,
        start,
        rows,
    }
}

#[test]
fn growth_counts_from_the_start_of_the_run() {
    let rows = vec![
        row(1_000_000, 1e6, footprint(142_000_000, 204_000_000)),
        row(2_000_000, 8e5, footprint(186_000_000, 308_000_000)),
    ];
    assert_eq!(
        rows[0].line(),
        "      1,000,000      1000000       0.90       2.00       5.00      12.35      142.0      204.0"
    );
    assert_eq!(Row::heads().len(), rows[0].line().len());
    let report = report(footprint(100_000_000, 100_000_000), rows);
    let text = report.text();
    assert!(text.contains("43.0 bytes of memory a transfer"), "{text}");
    assert!(text.contains("104.0 bytes of disk a transfer"), "{text}");
    assert!(
        text.contains("the last row has 80 % of the first one's rate"),
        "{text}"
    );
    let page = report::html(&report);
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("<td>2,000,000</td>"), "{page}");
}

#[test]
fn what_cannot_be_seen_is_left_out() {
    let none = Footprint::default();
    let report = report(none, vec![row(2_000_000, 1e6, none)]);
    let text = report.text();
    assert!(
        !text.contains("bytes of") && !text.contains("the last row"),
        "{text}"
    );
    // Rate and latency only.
    assert_eq!(report::html(&report).matches("<svg").count(), 2);
}
