//! The bank's clients against servers that are right, that fail now and then, and that cheat.

use std::sync::Arc;

use load::bank::{BankAudit, BankOptions, BankReport, run};

use crate::bank_double::{BankDouble, Trick};
use crate::double::Double;

fn options(doubles: &[Double]) -> BankOptions {
    let mut options = BankOptions::of(doubles.iter().map(Double::target).collect());
    options.accounts_count = 10;
    options.rate = 300;
    options.seconds = 1;
    options
}

fn run_with(trick: Trick, is_async: bool) -> BankReport {
    let bank = Arc::new(BankDouble::new(trick));
    // Three faces of one bank.
    let doubles: Vec<Double> = (0..3).map(|_| Double::start(Arc::clone(&bank))).collect();
    let mut options = options(&doubles);
    options.is_async = is_async;
    run(&options).unwrap()
}

#[test]
fn a_right_bank_passes() {
    let report = run_with(Trick::None, false);
    assert!(report.passed(), "{report:#?}");
    let audit = report.audit();
    assert!(audit.applied_count > 100, "{audit:?}");
    assert!(audit.refused_count > 10, "{audit:?}");
    assert_eq!(report.repetitions_count(), 0);
}

#[test]
fn a_right_bank_passes_asynchronously() {
    let report = run_with(Trick::None, true);
    assert!(report.passed(), "{report:#?}");
    let outcomes = &report.figures().kinds[4];
    assert_eq!(outcomes.requests_count, report.audit().movements_count);
}

#[test]
fn failures_are_repeated_until_they_are_answered() {
    for is_async in [false, true] {
        // A tenth of the answers is lost after the work is done, a tenth before, a tenth is a 503.
        let report = run_with(Trick::Fails, is_async);
        assert!(report.passed(), "{report:#?}");
        assert!(report.repetitions_count() > 30, "{report:#?}");
    }
}

#[test]
fn repetitions_of_a_nodes_own_are_right() {
    let report = run_with(Trick::RepeatsByItself, false);
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.repetitions_count(), 0);
}

#[test]
fn two_banks_at_once_disturb_each_other_in_nothing() {
    let double = Double::start(Arc::new(BankDouble::new(Trick::None)));
    let reports: Vec<BankReport> = std::thread::scope(|scope| {
        let run_one = || {
            let mut options = options(std::slice::from_ref(&double));
            options.seconds = 2;
            run(&options).unwrap()
        };
        let banks = [scope.spawn(run_one), scope.spawn(run_one)];
        banks.map(|bank| bank.join().unwrap()).into()
    });
    for report in &reports {
        assert!(report.passed(), "{report:#?}");
    }
    // Each saw the other's money pass through the outside.
    let seen = |report: &BankReport| report.audit().world_difference != 0;
    assert!(reports.iter().any(seen), "{reports:#?}");
}

#[track_caller]
fn check(trick: Trick, is_seen: impl Fn(&BankAudit) -> bool) {
    let report = run_with(trick, false);
    assert!(!report.passed(), "{trick:?}");
    assert!(is_seen(report.audit()), "{trick:?}: {:#?}", report.audit());
}

#[test]
fn a_lost_operation_is_found() {
    check(Trick::LosesOne, |audit| audit.lost_count == 1);
}

#[test]
fn a_doubled_operation_is_found() {
    check(Trick::DoublesOne, |audit| audit.doubled_count == 1);
}

#[test]
fn forgotten_ids_are_found_where_answers_are_lost() {
    check(Trick::ForgetsIds, |audit| audit.doubled_count > 0);
}

#[test]
fn half_a_transfer_is_found() {
    check(Trick::HalfTransfer, |audit| {
        audit.lost_count == 1 && audit.money_difference != 0
    });
}

#[test]
fn a_limit_that_is_passed_is_found() {
    check(Trick::NoLimits, |audit| audit.limits_passed_count > 0);
}

#[test]
fn refused_but_done_is_found() {
    check(Trick::RefusesButDoes, |audit| audit.invented_count > 0);
}

#[test]
fn stale_reads_are_failures() {
    let report = run_with(Trick::StaleReads, false);
    assert!(!report.passed());
    assert!(report.audit().is_clean(), "{:#?}", report.audit());
    let faults = &report.figures().faults;
    assert!(
        faults.iter().all(|fault| fault.code == "stale_read"),
        "{faults:?}"
    );
}

#[test]
fn a_server_without_operations_is_told_apart() {
    let bank = Arc::new(BankDouble::new(Trick::NoOperations));
    let doubles = [Double::start(bank)];
    let mut options = options(&doubles);
    options.is_async = true;
    let error = run(&options).unwrap_err().to_string();
    assert!(error.contains("404 to POST /v1/operations"), "{error}");
}
