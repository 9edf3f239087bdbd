//! Reports: names in JSON that stay, pages that need nothing from elsewhere.

use std::sync::Arc;

use load::rinha_2024::{Rinha2024Options, Rinha2024Report, run};
use load::{Target, bank, capacity, report};
use serde_json::Value;

use crate::bank_double::{BankDouble, Trick};
use crate::double::Double;
use crate::ledger_double::{Flaw, LedgerDouble};

fn short_run(flaw: Flaw) -> (Rinha2024Report, Target) {
    let double = Double::start(Arc::new(LedgerDouble::new(flaw)));
    let mut options = Rinha2024Options::official(double.target());
    options.duration_scale = 0.005;
    (run(&options).unwrap(), double.target())
}

#[track_caller]
pub(crate) fn has_names(json: &Value, names: &[&str]) {
    for name in names {
        assert!(json.get(name).is_some(), "{name} is missing in {json:#}");
    }
}

pub(crate) const FIGURES: &[&str] = &[
    "requests_count",
    "failures_count",
    "late_count",
    "inconsistencies_count",
    "elapsed_s",
    "requests_per_s",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "generator",
    "outcomes",
    "faults",
    "kinds",
    "seconds",
    "percentiles",
    "histogram",
];

#[test]
fn the_names_of_rinha_2024_stay() {
    let (report, _) = short_run(Flaw::StatusTenth);
    let json: Value = serde_json::from_str(&report::json(&report).unwrap()).unwrap();
    has_names(&json, FIGURES);
    has_names(
        &json,
        &[
            "scenario",
            "target",
            "began_at",
            "connections",
            "rate_scale",
            "duration_scale",
            "seed",
            "not_fresh",
            "planned_requests_count",
            "score_usd",
            "sla_fine_usd",
            "inconsistency_fine_usd",
            "within_sla_percent",
            "is_full_score",
        ],
    );
    has_names(
        &json["generator"],
        &[
            "lateness_p50_us",
            "lateness_p99_us",
            "lateness_max_us",
            "cpu_percent",
            "cpu_us_per_request",
        ],
    );
    has_names(&json["faults"][0], &["code", "count", "example"]);
    has_names(&json["seconds"][0], &["name", "requests_count", "p99_ms"]);
    assert_eq!(json["connections"], "new");
    let sum = |part: &str, name: &str| -> u64 {
        let parts = json[part].as_array().unwrap().iter();
        parts.map(|part| part[name].as_u64().unwrap()).sum()
    };
    let all = json["requests_count"].as_u64().unwrap();
    assert_eq!(sum("kinds", "requests_count"), all);
    assert_eq!(sum("seconds", "requests_count"), all);
    assert_eq!(sum("histogram", "count"), all);
    assert_eq!(sum("outcomes", "count") + sum("faults", "count"), all);
}

/// Tags that are closed in order, no reference to elsewhere, no script.
#[track_caller]
pub(crate) fn check_page(html: &str, targets: &[Target]) {
    let mut rest = html.to_owned();
    for target in targets {
        rest = rest.replace(&target.to_string(), "");
    }
    for reference in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link",
    ] {
        assert!(!rest.contains(reference), "{reference}");
    }
    assert!(html.starts_with("<!DOCTYPE html>"));
    assert!(
        !html.contains("NaN") && !html.contains("inf"),
        "a number is not finite"
    );
    let mut open = Vec::new();
    for tag in html
        .split('<')
        .skip(1)
        .map(|tag| tag.split('>').next().unwrap())
    {
        let name = tag.split([' ', '/']).next().unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !matches!(name, "!DOCTYPE" | "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn pages_need_nothing_from_elsewhere() {
    for flaw in [Flaw::None, Flaw::StatusTenth, Flaw::Gibberish] {
        let (report, target) = short_run(flaw);
        let html = report::html(&report);
        check_page(&html, &[target]);
        assert!(html.contains("The 2024 challenge") && html.contains("prefers-color-scheme"));
        assert_eq!(html.matches("<svg").count(), 4);
    }
}

#[test]
fn what_a_server_says_is_text_and_no_markup() {
    // The first example of a fault quotes the answer.
    let (report, _) = short_run(Flaw::Gibberish);
    let html = report::html(&report);
    assert!(html.contains("&lt;html&gt;"));
    assert_eq!(html.matches("<html").count(), 1);
}

#[test]
fn the_others_have_pages_and_names_too() {
    let double = Double::start(Arc::new(BankDouble::new(Trick::NoLimits)));
    let mut options = bank::BankOptions::of(vec![double.target()]);
    options.seconds = 1;
    let bank = bank::run(&options).unwrap();
    check_page(&report::html(&bank), &options.servers);
    let json: Value = serde_json::from_str(&report::json(&bank).unwrap()).unwrap();
    has_names(&json, FIGURES);
    has_names(
        &json,
        &[
            "scenario",
            "servers",
            "is_async",
            "repetitions_count",
            "audit",
        ],
    );
    has_names(
        &json["audit"],
        &[
            "lost_count",
            "doubled_count",
            "money_difference",
            "findings",
        ],
    );

    let ledger = Double::start(Arc::new(LedgerDouble::new(Flaw::None)));
    let report = capacity::run(&capacity::CapacityOptions {
        target: Some(ledger.target()),
        bare: None,
        connections: vec![load::Connections::New],
        p99_max: std::time::Duration::from_millis(100),
        step: std::time::Duration::from_secs(1),
        rate_first: 100,
        rate_max: 200,
        connections_max: 50,
        seed: 1,
        timeout: std::time::Duration::from_secs(1),
    })
    .unwrap();
    check_page(&report::html(&report), &[ledger.target()]);
    let json: Value = serde_json::from_str(&report::json(&report).unwrap()).unwrap();
    has_names(&json, &["scenario", "p99_max_ms", "step_s", "curves"]);
    has_names(
        &json["curves"][0],
        &[
            "subject",
            "target",
            "connections",
            "capacity_per_s",
            "steps",
        ],
    );
    has_names(
        &json["curves"][0]["steps"][0],
        &["rate", "held", "p99_ms", "failures_count"],
    );
}
