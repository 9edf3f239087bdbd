//! `lastro bench --sustain`: rows of figures while one ledger grows.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Nodes, assert_clean, binary, folder};

fn bench(arguments: &[&str], in_folder: &Path) -> Output {
    Command::new(binary())
        .args(["bench", "--accounts", "50", "--batch", "100"])
        .args(arguments)
        .current_dir(in_folder)
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The rows of a report, after a look at what has to add up in it.
#[track_caller]
fn rows(report: &Value, transfers_count: u64) -> &Vec<Value> {
    let rows = report["rows"].as_array().unwrap();
    let mut total = 0;
    for row in rows {
        total += row["transfers_count"].as_u64().unwrap();
        assert_eq!(row["transfers_total"], total, "{row}");
        let figure = |name: &str| row[name].as_f64().unwrap();
        let per_s = figure("transfers_count") / figure("elapsed_s");
        assert!(
            (per_s / figure("transfers_per_s") - 1.0).abs() < 1e-6,
            "{row}"
        );
        let times = [
            "batch_p50_us",
            "batch_p99_us",
            "batch_p999_us",
            "batch_max_us",
        ]
        .map(figure);
        assert!(times[0] > 0.0 && times.is_sorted(), "{row}");
        assert!(
            figure("rss_bytes") > 1e6 && figure("disk_bytes") > 1e6,
            "{row}"
        );
    }
    assert_eq!(total, transfers_count);
    let longest = rows.iter().map(|row| row["batch_max_us"].as_f64().unwrap());
    let longest = longest.fold(0.0, f64::max);
    assert!((longest / report["batch_max_us"].as_f64().unwrap() - 1.0).abs() < 0.01);
    rows
}

#[test]
fn a_bench_goes_on_over_its_ledger_row_by_row() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let ledger = ["--sustain", "--row-transfers", "1000", "--data-dir", "data"];
        let files = ["--json", "figures.json", "--html", "report.html"];
        let output = bench(&[&ledger[..], &files, arguments].concat(), folder.path());
        let text = said(&output);
        let json = std::fs::read_to_string(folder.path().join("figures.json")).unwrap();
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        (text, serde_json::from_str::<Value>(&json).unwrap(), page)
    };
    let (text, report, page) = run(&["--transfers", "2500", "--ids", "v7"]);
    assert_eq!(rows(&report, 2_500).len(), 3, "{report}");
    assert_eq!(report["ids"], "v7");
    for total in ["1,000", "2,000", "2,500"] {
        assert!(
            text.lines()
                .any(|line| line.trim_start().starts_with(total)),
            "{text}"
        );
        assert!(
            page.contains(&format!("<td>{total}</td>")),
            "no row of {total}"
        );
    }
    // Rate, latency, memory, disk.
    assert_eq!(page.matches("<svg").count(), 4);

    // Again over the same ledger: the accounts are there, and no id was used before.
    let (_, report, _) = run(&["--transfers", "2000", "--hot"]);
    rows(&report, 2_000);
    assert_eq!(
        (&report["ids"], &report["refused_count"]),
        (&"v4".into(), &20.into())
    );
    assert_clean(&folder.path().join("data/ledger"));

    let refused = bench(&["--data-dir", "data"], folder.path());
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && error.contains("is not empty"),
        "{error}"
    );
    let refused = bench(&["--sustain", "--data-dir", "."], folder.path());
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && error.contains("an earlier benchmark"),
        "{error}"
    );
}

#[test]
fn a_ledger_node_is_driven_row_by_row_with_its_own_memory_and_disk() {
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&[]);
    let (address, data, id) = (nodes.address(), nodes.data(), ledger.id().to_string());
    let node = [
        "--grpc",
        &address,
        "--node-pid",
        &id,
        "--node-data-dir",
        data.to_str().unwrap(),
    ];
    let run = [
        "--sustain",
        "--row-transfers",
        "1000",
        "--transfers",
        "2000",
        "--json",
        "-",
    ];
    let output = bench(&[&node[..], &run].concat(), &data);
    // The standard output has nothing but the report.
    let report: Value = serde_json::from_str(&said(&output)).unwrap();
    assert_eq!(rows(&report, 2_000).len(), 2);
    assert_eq!(report["engine"], "remote");
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(lines.contains("\n          2,000 "), "{lines}");

    // Without them they are left out.
    let output = bench(&[&node[..2], &run].concat(), &data);
    let report: Value = serde_json::from_str(&said(&output)).unwrap();
    assert!(report["rows"][0]["rss_bytes"].is_null() && report["start"]["disk_bytes"].is_null());
    nodes.assert_clean(ledger);
}
