//! The official load: a right server keeps everything, each flaw is fined as the challenge would.

use std::sync::Arc;

use load::rinha_2024::{Rinha2024Options, Rinha2024Report, run};
use load::{Connections, Score};

use crate::double::Double;
use crate::ledger_double::{Flaw, LedgerDouble};

/// All requests at a duration scale of 0.01: 123 checks, 396 debits, 198 credits, 18 statements.
const REQUESTS_COUNT: u64 = 735;

fn run_against(flaw: Flaw, connections: Connections) -> (Rinha2024Report, u64) {
    let ledger = Arc::new(LedgerDouble::new(flaw));
    let double = Double::start(Arc::clone(&ledger));
    let mut options = Rinha2024Options::official(double.target());
    options.duration_scale = 0.01;
    options.connections = connections;
    let report = run(&options).unwrap();
    assert_eq!(report.figures().requests_count, REQUESTS_COUNT);
    (report, ledger.flawed_count())
}

/// What a flaw must cost: exactly the faulty answers, and nothing for the others. Answers that were
/// right but late, on a machine that is short of breath, are taken as they are.
#[track_caller]
fn check(report: &Rinha2024Report, failures_count: u64, inconsistencies_count: u64) {
    let figures = report.figures();
    assert_eq!(
        (figures.failures_count, figures.inconsistencies_count),
        (failures_count, inconsistencies_count),
        "{:?}",
        figures.faults
    );
    let right_in_time = REQUESTS_COUNT - failures_count - figures.late_count;
    let expected = Score::of(REQUESTS_COUNT, right_in_time, inconsistencies_count);
    assert_eq!(report.score(), expected.into());
    assert_eq!(report.passed(), expected.is_full());
}

fn fault_codes(report: &Rinha2024Report) -> Vec<(&'static str, u64)> {
    let faults = report.figures().faults.iter();
    faults.map(|fault| (fault.code, fault.count)).collect()
}

#[test]
fn a_right_server_keeps_all_of_it() {
    for connections in [Connections::New, Connections::KeptAlive] {
        let (report, _) = run_against(Flaw::None, connections);
        check(&report, 0, 0);
        assert!(report.passed());
        let counts: Vec<u64> = report
            .figures()
            .kinds
            .iter()
            .map(|kind| kind.requests_count)
            .collect();
        assert_eq!(counts, [123, 396, 198, 18]);
    }
}

#[test]
fn a_lost_update_costs_its_inconsistent_answer() {
    let (report, _) = run_against(Flaw::LostUpdate, Connections::New);
    check(&report, 1, 1);
    assert_eq!(fault_codes(&report), [("balance_wrong", 1)]);
    assert!((report.score().inconsistency_fine_usd - 803.01).abs() < 1e-9);
    assert!((report.score().score_usd - 99_196.99).abs() < 1e-9);
}

#[test]
fn stale_statements_cost_each() {
    let (report, flawed_count) = run_against(Flaw::StaleStatement, Connections::New);
    assert!(flawed_count >= 20);
    // Five users with four statements each; those of the load have no balance to be held against.
    check(&report, 20, 20);
    assert!((report.score().inconsistency_fine_usd - 16_060.20).abs() < 1e-9);
}

#[test]
fn the_wrong_order_fails_but_is_no_inconsistency() {
    let (report, _) = run_against(Flaw::WrongOrder, Connections::New);
    // Each user's one statement of two entries, and four after the "danada".
    check(&report, 25, 0);
    assert_eq!(fault_codes(&report), [("statement_wrong", 25)]);
    assert!(
        report.score().sla_fine_usd >= 1_400.0,
        "{:?}",
        report.score()
    );
}

#[test]
fn each_answer_beyond_the_limit_costs() {
    let (report, flawed_count) = run_against(Flaw::LimitPassed, Connections::New);
    assert!(flawed_count > 10, "{flawed_count}");
    check(&report, flawed_count, flawed_count);
    assert_eq!(fault_codes(&report), [("limit_passed", flawed_count)]);
}

#[test]
fn a_wrong_limit_is_inconsistent_wherever_it_shows() {
    let (report, _) = run_against(Flaw::WrongLimit, Connections::New);
    let figures = report.figures();
    assert_eq!(figures.failures_count, figures.inconsistencies_count);
    assert_eq!(fault_codes(&report)[0].0, "limit_wrong");
    assert!(report.score().score_usd.abs() < 1e-9);
}

#[test]
fn a_slow_tenth_costs_its_share() {
    let (report, flawed_count) = run_against(Flaw::SlowTenth, Connections::New);
    assert_eq!(flawed_count, 74);
    check(&report, 0, 0);
    assert!(report.figures().late_count >= 74);
    // 661 of 735 in time: 89.93 %.
    assert!(report.score().sla_fine_usd >= 8_070.0);
    assert!(report.score().sla_fine_usd < 12_000.0);
}

#[test]
fn resets_and_wrong_statuses_cost_their_share() {
    for (flaw, code) in [
        (Flaw::ResetTenth, "connection_reset"),
        (Flaw::StatusTenth, "status_500"),
    ] {
        let (report, flawed_count) = run_against(flaw, Connections::New);
        assert_eq!(flawed_count, 74);
        let figures = report.figures();
        let codes = fault_codes(&report);
        assert!(codes.contains(&(code, 74)), "{flaw:?}: {codes:?}");
        // What was never done is missed by the checks that come after.
        check(
            &report,
            figures.failures_count,
            figures.inconsistencies_count,
        );
        assert!(figures.failures_count >= 74);
        assert!(report.score().sla_fine_usd >= 8_070.0, "{flaw:?}");
    }
}

#[test]
fn invalid_bodies_and_unknown_accounts_must_be_refused() {
    let (report, _) = run_against(Flaw::AcceptsInvalid, Connections::New);
    check(&report, 25, 0);
    assert_eq!(fault_codes(&report), [("status_200", 25)]);
    let (report, _) = run_against(Flaw::KnowsEverybody, Connections::New);
    check(&report, 1, 0);
    assert_eq!(fault_codes(&report), [("status_200", 1)]);
}

#[test]
fn what_is_no_json_is_wrong() {
    let (report, flawed_count) = run_against(Flaw::Gibberish, Connections::KeptAlive);
    // The five looks before the load are not part of it.
    assert_eq!(
        fault_codes(&report),
        [("answer_unreadable", flawed_count - 5)]
    );
    check(&report, flawed_count - 5, 0);
}

#[test]
fn a_target_that_is_not_fresh_is_called_so() {
    let ledger = Arc::new(LedgerDouble::new(Flaw::None));
    let double = Double::start(Arc::clone(&ledger));
    let mut options = Rinha2024Options::official(double.target());
    options.duration_scale = 0.001;
    let first = run(&options).unwrap();
    let second = run(&options).unwrap();
    let not_fresh = |report: &Rinha2024Report| {
        let json = load::report::json(report).unwrap();
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["not_fresh"].clone()
    };
    assert!(not_fresh(&first).is_null());
    let why = not_fresh(&second);
    assert!(
        why.as_str().unwrap().contains("account 1 stands at"),
        "{why}"
    );
}

#[test]
fn nobody_there_is_an_error_and_no_score() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = load::Target::at(address).unwrap();
    let error = run(&Rinha2024Options::official(target)).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("does not answer: connection_refused"),
        "{text}"
    );
}

#[test]
fn senseless_scales_are_refused() {
    for (rate_scale, duration_scale, expected) in [
        (0.0, 1.0, "--rate-scale"),
        (f64::NAN, 1.0, "--rate-scale"),
        (1.0, -1.0, "--duration-scale"),
        (1.0, 16.0, "the longest is 3600 s"),
        (1_000.0, 1.0, "the most are"),
    ] {
        let mut options = Rinha2024Options::official("127.0.0.1:1".parse().unwrap());
        options.rate_scale = rate_scale;
        options.duration_scale = duration_scale;
        let error = run(&options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
