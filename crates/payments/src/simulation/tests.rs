//! No schedule pays twice or loses a payment, and the simulation would see it.

use testkit::Seeds;

use super::{Bug, Tally, run};

/// How many schedules are tried; ten times as many in a long run.
const SEEDS: u64 = 2_000;

/// How many seeds a planted mistake has to be found within.
const FOUND_WITHIN: u64 = 500;
/// The same for one that needs two nodes at the same payment and a command whose answer is lost.
const RARE_FOUND_WITHIN: u64 = 2_000;

#[test]
fn no_schedule_pays_twice_or_loses_a_payment() {
    let mut sum = Tally::default();
    let seeds = Seeds::from_env(SEEDS);
    let is_whole = seeds.count() >= SEEDS;
    for seed in seeds {
        let tally = run(seed, None).unwrap_or_else(|broken| panic!("LASTRO_SEED={seed}: {broken}"));
        sum.settled += tally.settled;
        sum.refused += tally.refused;
        sum.pinned += tally.pinned;
        sum.resends += tally.resends;
        sum.releases += tally.releases;
        sum.duplicates += tally.duplicates;
        sum.lease_over += tally.lease_over;
        sum.restarts += tally.restarts;
        sum.late += tally.late;
        sum.bytes_late += tally.bytes_late;
        sum.repeated += tally.repeated;
        sum.resolved += tally.resolved;
        sum.under_way += tally.under_way;
        sum.stuck += tally.stuck;
        sum.never_taken += tally.never_taken;
        sum.undecided += tally.undecided;
        sum.probes += tally.probes;
        sum.reports += tally.reports;
        sum.frozen += tally.frozen;
        sum.leases_ended += tally.leases_ended;
        sum.claims_lost += tally.claims_lost;
        sum.held_max = sum.held_max.max(tally.held_max);
        sum.inputs += tally.inputs;
        sum.fingerprint = sum.fingerprint.wrapping_add(tally.fingerprint);
        // Both windows, and what two processors may have pinned twice over, on each of three nodes.
        assert!(
            tally.held_max <= 2 * 40 + 3 * 2 * 2 * 20,
            "LASTRO_SEED={seed}: {tally:?}"
        );
    }
    println!("{sum:?}");
    if is_whole {
        let seen = [
            sum.settled,
            sum.refused,
            sum.pinned,
            sum.resends,
            sum.releases,
        ];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
        let seen = [sum.duplicates, sum.lease_over, sum.restarts, sum.late];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
        let seen = [sum.bytes_late, sum.repeated, sum.resolved, sum.under_way];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
        let seen = [sum.stuck, sum.probes, sum.never_taken, sum.undecided];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
        let seen = [sum.frozen, sum.leases_ended, sum.claims_lost];
        assert!(seen.iter().all(|count| *count > 0), "{sum:?}");
    }
}

fn is_found(bug: Bug) {
    is_found_within(bug, FOUND_WITHIN);
}

fn is_found_within(bug: Bug, seeds_max: u64) {
    let found = (0..seeds_max).find_map(|seed| Some((seed, run(seed, Some(bug)).err()?)));
    let Some((seed, broken)) = found else {
        panic!("{bug:?} was not found within {seeds_max} seeds");
    };
    println!("{bug:?}: LASTRO_SEED={seed}: {broken}");
}

#[test]
fn already_recorded_taken_for_a_failure_is_found() {
    is_found(Bug::AlreadyRecordedFails);
}

#[test]
fn unpinning_at_once_is_found() {
    is_found(Bug::UnpinnedAtOnce);
}

#[test]
fn an_unchecked_lease_is_found() {
    is_found(Bug::LeaseUnchecked);
}

#[test]
fn unchecked_claims_are_found() {
    is_found(Bug::ClaimsUnchecked);
}

#[test]
fn bytes_that_the_kernel_keeps_are_found() {
    is_found(Bug::BytesKept);
}

#[test]
fn a_believed_denial_is_found() {
    is_found(Bug::DenialBelieved);
}

#[test]
fn an_operator_who_does_not_wait_is_found() {
    is_found(Bug::OperatorUnchecked);
}

#[test]
fn a_replay_taken_for_a_fresh_attempt_is_found() {
    is_found_within(Bug::ReplayTakenForFresh, RARE_FOUND_WITHIN);
}

#[test]
fn a_breaker_that_a_stuck_payment_keeps_open_is_found() {
    is_found(Bug::ProbesOnlyWhenIdle);
}

#[test]
fn payments_that_wait_at_the_dead_are_found() {
    is_found(Bug::OldestProbes);
}

#[test]
fn a_payment_that_does_not_wait_for_itself_is_found() {
    is_found(Bug::NoWaitOfItsOwn);
}

#[test]
fn what_is_not_decided_taken_for_not_recorded_is_found() {
    is_found(Bug::PendingFails);
}

#[test]
fn a_renewed_requested_at_is_found() {
    is_found(Bug::RequestedAtRenewed);
}
