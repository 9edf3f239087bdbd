//! `docs/metrics.md`: every metric, made from the tables of the crates. The test fails when the page
//! differs, and when a metric is in no table.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use stdx::Metric;

use crate::serve::{
    CERTIFICATE_METRICS, DISK_METRICS, INFO, OPENING_METRICS, PROCESS_METRICS, STATE_METRICS,
};

const START: &str = "# Metrics

This page is made from the code: `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro metrics_page` writes it.

`lastro serve` answers them at `GET /metrics` of `--metrics-listen`, in the text format of Prometheus. A histogram has the
series `_bucket`, `_sum` and `_count` if its name ends in `_duration_seconds`; otherwise it is a summary with quantiles. A counter with labels
appears when it is counted for the first time.
";

/// Every table of metrics, with the processes that have it.
const TABLES: [(&str, &[Metric]); 15] = [
    ("Every process", &[INFO]),
    ("State: every process", STATE_METRICS),
    (
        "The process, as all Prometheus clients name it",
        PROCESS_METRICS,
    ),
    ("Processes with a data folder", DISK_METRICS),
    ("HTTP, gRPC and operators: every process", server::METRICS),
    ("Faces over TLS", CERTIFICATE_METRICS),
    ("Processes that send traces", trace::METRICS),
    ("Opening of a ledger in a data folder", OPENING_METRICS),
    ("Engine `embedded`", engine_embedded::METRICS),
    ("Engine `postgres`", engine_postgres::METRICS),
    ("Engine `write-behind`", engine_write_behind::METRICS),
    ("API nodes over a ledger node", engine_remote::METRICS),
    ("Nodes that accept operations", outbox::METRICS),
    ("Nodes that dispatch payments", payments::METRICS),
    ("Nodes that send webhooks", events::METRICS),
];

fn page() -> String {
    let mut page = START.to_owned();
    for (title, metrics) in TABLES {
        // Writing into a string cannot fail.
        let _ = write!(
            page,
            "\n## {title}\n\n| name | type | labels | unit | what it is |\n|---|---|---|---|---|\n"
        );
        for metric in metrics {
            let labels: Vec<_> = metric
                .labels
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.unit.as_str(),
                metric.help,
            );
        }
    }
    page
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_page_is_the_one_that_the_tables_make() {
    let path = workspace().join("docs/metrics.md");
    let current = page();
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == current,
        "docs/metrics.md differs from the tables of metrics. Where that is meant, run \
         `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro metrics_page` and commit the file"
    );
}

/// The names that code gives to the recorder are read from the sources: a name without a description is
/// in none of the tables.
#[test]
fn every_metric_is_in_a_table() {
    let mut used = BTreeSet::new();
    collect(&workspace().join("crates"), &mut used);
    let described: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|(_, metrics)| *metrics)
        .map(|metric| metric.name.to_owned())
        .collect();
    assert!(used.contains("lastro_http_requests_total"), "{used:?}");
    let missing: Vec<_> = used.difference(&described).collect();
    assert!(missing.is_empty(), "in no table: {missing:?}");
}

/// The names of metrics in the sources under this folder, without tests.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "target", "examples", "benches"].contains(&name) {
            collect(&path, names);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"lastro_") {
                let quoted = text[at + 1..].split('"').next().unwrap();
                let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                if quoted.len() > "lastro_".len() && quoted.bytes().all(is_name) {
                    names.insert(quoted.to_owned());
                }
            }
        }
    }
}

#[test]
fn names_say_their_unit_and_help_is_a_phrase() {
    for metric in TABLES.iter().flat_map(|(_, metrics)| *metrics) {
        let Metric { name, help, .. } = metric;
        let is_counter = metric.kind == stdx::MetricKind::Counter;
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        let in_seconds = metric.unit == stdx::MetricUnit::Seconds;
        let of_process = name.starts_with("process_");
        assert!(
            of_process || name.ends_with("_seconds") == in_seconds,
            "{name}"
        );
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
    }
}
