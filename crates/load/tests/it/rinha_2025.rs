//! The 2025 load: an honest backend keeps its score, each flaw is found and costs what it must.

use std::sync::Arc;
use std::time::Duration;

use load::rinha_2025::{
    Audit, Condition, Pair, Processors, Rinha2025Options, Rinha2025Report, Script, Stage, run,
};
use load::{Target, capacity, report};
use processor::{Decimal, ProcessorSettings, Running};
use serde_json::Value;

use crate::double::Double;
use crate::payments_double::{Flaw, PaymentsDouble};
use crate::reports::{FIGURES, check_page, has_names};

/// Three seconds of what the official script does in sixty, and processors that only ever fail
/// definitely. The bounds are wide enough for a machine that is short of breath.
fn short_script() -> Script {
    let works = |delay_ms| Condition {
        delay_ms,
        is_failing: false,
    };
    let fails = Condition {
        delay_ms: 0,
        is_failing: true,
    };
    Script {
        duration: Duration::from_secs(3),
        users: 40,
        pause: Duration::from_millis(200),
        stages: vec![
            Stage {
                at_s: 0,
                default: works(0),
                fallback: works(0),
            },
            Stage {
                at_s: 1,
                default: fails,
                fallback: works(0),
            },
            Stage {
                at_s: 2,
                default: works(0),
                fallback: works(0),
            },
        ],
        check_every: Duration::from_millis(1_500),
        window_from: Duration::from_secs(3),
        window_to: Duration::from_millis(700),
        ..Script::interim(40)
    }
}

fn processors() -> [Running; 2] {
    let listen = "127.0.0.1:0".parse().unwrap();
    ["default", "fallback"]
        .map(|name| Running::start(listen, ProcessorSettings::official(name)).unwrap())
}

fn options(target: Target, running: &[Running; 2]) -> Rinha2025Options {
    let at = |running: &Running| Target::at(running.address()).unwrap();
    Rinha2025Options {
        target,
        script: short_script(),
        processors: Processors::Given {
            default: at(&running[0]),
            fallback: at(&running[1]),
        },
        token: "123".to_owned(),
        drain_max: Duration::from_secs(20),
        bare: None,
    }
}

fn run_against(flaw: Flaw) -> Rinha2025Report {
    let running = processors();
    let urls = running.each_ref().map(Running::url);
    let double = Double::start(Arc::new(PaymentsDouble::new(flaw, urls)));
    let mut options = options(double.target(), &running);
    if flaw == Flaw::LosesTenth {
        // What is lost is waited for until the bound.
        options.drain_max = Duration::from_secs(2);
    }
    run(&options).unwrap()
}

#[track_caller]
fn has_finding(audit: &Audit, words: &str) {
    let findings = &audit.findings;
    assert!(
        findings.iter().any(|finding| finding.contains(words)),
        "{findings:?}"
    );
}

#[test]
fn an_honest_backend_keeps_all_of_it() {
    let running = processors();
    let urls = running.each_ref().map(Running::url);
    let double = Double::start(Arc::new(PaymentsDouble::new(Flaw::None, urls)));
    let mut options = options(double.target(), &running);
    options.bare = Some(capacity::BareOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        target: None,
    });
    let report = run(&options).unwrap();
    assert!(report.passed(), "{:?} {:?}", report.audit, report.checks);
    // 40 users over 3 s, a post each 200 ms: about 20 × 15, fewer where the machine is slow.
    let count = report.accepted_count;
    assert!((100..=320).contains(&count), "{count}");
    assert_eq!(report.audit.paid.sum(), count);
    assert!(report.audit.paid.fallback > 10, "the stage was not set");
    assert_eq!(report.checks.len(), 2);
    assert!(report.checks.iter().all(|check| check.processors.sum() > 0));
    let summary = running
        .each_ref()
        .map(|running| running.processor().summary(None, None));
    let amount = summary[0].total_amount + summary[1].total_amount;
    let fees = summary[0].total_fee + summary[1].total_fee;
    let score = &report.score;
    assert_eq!((score.gross, score.fees), (amount, fees));
    assert_eq!(score.net, amount - fees);
    assert_eq!(
        score.score,
        score.net + score.net.percent(score.bonus_percent)
    );
    assert_eq!(score.fine_percent, 0);
    let bare = report.bare.as_ref().unwrap();
    assert!(
        bare.requests_count > 100 && bare.latency.p99_ms > 0.0,
        "{bare:?}"
    );
    assert!(report.p99_ratio.unwrap() > 0.0);
    // From the start to the drain, a sample each second.
    assert!(report.points.len() >= 3, "{:?}", report.points);
    assert!(
        report
            .points
            .is_sorted_by_key(|point| (point.second, point.recorded.sum()))
    );
    assert_eq!(report.stages_failed, [0; 0]);
    check_report(&report, &options);
}

/// Names in JSON that stay, exact money, a page that needs nothing from elsewhere.
fn check_report(report: &Rinha2025Report, options: &Rinha2025Options) {
    let json: Value = serde_json::from_str(&report::json(report).unwrap()).unwrap();
    has_names(&json, FIGURES);
    has_names(
        &json,
        &[
            "scenario",
            "script",
            "target",
            "began_at",
            "users",
            "score",
            "gross",
            "fees",
            "net",
            "bonus_percent",
            "fine_percent",
            "p99_scored_ms",
            "inconsistencies_count",
            "accepted_count",
            "lag_count",
            "is_disqualified",
            "processors",
            "checks",
            "stages",
            "points",
            "audit",
            "bare",
            "p99_ratio",
        ],
    );
    assert_eq!(json["net"].to_string(), report.score.net.to_string());
    let Processors::Given { default, fallback } = &options.processors else {
        panic!("they are given");
    };
    let bare = report.bare.as_ref().unwrap().target.parse().unwrap();
    let html = report::html(report);
    let targets = [&options.target, default, fallback, &bare];
    check_page(&html, &targets.map(Target::clone));
    // Four pictures of the payments, four of the requests; three stages in all of the first five.
    assert_eq!(html.matches("<svg").count(), 8);
    assert_eq!(html.matches("class=\"band ").count(), 5 * 3);
}

#[test]
fn swapped_labels_cost_the_fine() {
    let report = run_against(Flaw::WrongLabel);
    assert!(!report.passed() && report.inconsistencies_count > 0);
    let score = &report.score;
    assert_eq!(score.fine_percent, 35);
    assert_eq!(score.fine, score.net.percent(35));
    assert_eq!(report.lag_count, 0);
    has_finding(&report.audit, "the backend says");
    assert_eq!(report.audit.findings.len(), 2);
}

#[test]
fn paying_twice_disqualifies() {
    let report = run_against(Flaw::PaysTwice);
    assert!(!report.passed() && report.is_disqualified);
    assert!(report.lag_count < 0);
    assert!(report.audit.doubled_count >= 5, "{:?}", report.audit);
    has_finding(&report.audit, "paid by both processors");
}

#[test]
fn what_is_lost_is_lag_and_is_found() {
    let report = run_against(Flaw::LosesTenth);
    let lost = report.accepted_count / 10;
    assert!(!report.passed());
    assert_eq!(report.lag_count, lost.cast_signed());
    assert_eq!(report.audit.lost_count, lost);
    assert_eq!(report.inconsistencies_count, 0, "both count the same");
    has_finding(&report.audit, "accepted, but paid by no processor");
}

#[test]
fn what_is_refused_must_not_be_paid() {
    let report = run_against(Flaw::RefusesAndPays);
    let refused = report.figures.failures_count;
    assert!(refused >= 10 && report.is_disqualified);
    assert_eq!(report.audit.refused_paid_count, refused);
    has_finding(&report.audit, "refused, but paid");
}

#[test]
fn each_amount_is_held_against_what_was_posted() {
    let report = run_against(Flaw::WrongAmount);
    assert!(!report.passed());
    let wrong = report.accepted_count / 10;
    assert_eq!(report.audit.wrong_amount_count, wrong);
    has_finding(&report.audit, "paid with another amount");
}

#[test]
fn a_slow_summary_counts_as_zeros() {
    let report = run_against(Flaw::SlowSummary);
    assert!(!report.passed());
    let checks = &report.checks;
    assert!(checks.iter().all(|check| !check.is_answered), "{checks:?}");
    let counted: u64 = checks.iter().map(|check| check.processors.sum()).sum();
    assert!(counted > 0);
    assert_eq!(report.inconsistencies_count, counted);
    // Neither is there anything to be scored.
    assert_eq!(report.score.gross, Decimal::ZERO);
    has_finding(&report.audit, "cannot be read");
}

#[test]
fn sums_of_floating_point_numbers_are_not_exact() {
    let report = run_against(Flaw::FloatSums);
    assert_eq!(report.inconsistencies_count, 0, "the counts are right");
    has_finding(&report.audit, "not exact");
}

#[test]
fn payments_must_be_counted_by_the_time_they_were_sent_with() {
    let report = run_against(Flaw::StampsOnReceipt);
    assert!(
        !report.passed() && report.inconsistencies_count > 0,
        "{:?}",
        report.checks
    );
    assert_eq!(report.score.fine_percent, 35);
    assert_eq!(report.audit.doubled_count + report.audit.foreign_count, 0);
}

#[test]
fn processors_are_started_where_none_are_given() {
    let free = processors();
    let addresses = free.each_ref().map(Running::address);
    let urls = free.each_ref().map(Running::url);
    drop(free);
    let double = Double::start(Arc::new(PaymentsDouble::new(Flaw::None, urls)));
    let mut script = short_script();
    script.duration = Duration::from_secs(1);
    script.stages.truncate(1);
    let options = Rinha2025Options {
        target: double.target(),
        script,
        processors: Processors::Own {
            default: addresses[0],
            fallback: addresses[1],
        },
        token: "another".to_owned(),
        drain_max: Duration::from_secs(20),
        bare: None,
    };
    let report = run(&options).unwrap();
    assert!(
        report.audit.is_clean() && report.accepted_count > 0,
        "{:?}",
        report.audit
    );
    let Pair { default, fallback } = &report.processors;
    assert_eq!(
        (default.fee.to_string(), fallback.fee.to_string()),
        ("0.05".into(), "0.15".into())
    );
}

#[test]
fn what_cannot_be_driven_is_named() {
    let running = processors();
    let target: Target = "127.0.0.1:1".parse().unwrap();
    let error = |options: &Rinha2025Options| format!("{:#}", run(options).unwrap_err());
    let mut nobody = options(target.clone(), &running);
    assert!(
        error(&nobody).contains("http://127.0.0.1:1 does not answer"),
        "{}",
        error(&nobody)
    );
    nobody.token = "wrong".to_owned();
    assert!(error(&nobody).contains("say --token"), "{}", error(&nobody));
    nobody.script.users = 0;
    assert!(
        error(&nobody).contains("--users is 1 to"),
        "{}",
        error(&nobody)
    );
    let mut taken = options(target, &running);
    taken.processors = Processors::Own {
        default: running[0].address(),
        fallback: running[1].address(),
    };
    assert!(
        error(&taken).contains("is named with --processors"),
        "{}",
        error(&taken)
    );
}
