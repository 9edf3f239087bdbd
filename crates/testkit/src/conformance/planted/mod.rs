//! The suite is tested itself: engines with a bug planted must fail, the one without must not.

mod bug;
mod engine;
mod ledger;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::ledger::reference::ReferenceEngine;
use ::ledger::{Clock, Engine, Field, Timestamp};

use super::audit::Audit;
use super::{Failure, Options, ReferenceSubject, Subject, Time, run};
use crate::clock::RealClock;
use crate::generator::{Generator, GeneratorOptions, Pause};
use bug::Bug;
use engine::PlantedSubject;

/// With these every bug is found, and without a bug nothing is.
const SEEDS: std::ops::Range<u64> = 1..3;

fn options() -> Options {
    Options {
        expiry_lag: Duration::ZERO,
        ..Options::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn run_planted(bug: Bug, seed: u64) -> Result<(), Failure> {
    let mut subject = PlantedSubject::new(bug);
    block_on(run(&mut subject, seed, &options())).map(drop)
}

/// Every seed finds the bug, by what the engine does.
fn is_found(bug: Bug) {
    for seed in SEEDS {
        let failure = run_planted(bug, seed).expect_err("the bug was not found");
        assert_eq!(failure.seed, seed);
        assert!(!failure.message.contains("occurred less than"), "{failure}");
    }
}

#[test]
fn without_a_bug_all_agrees() {
    for seed in SEEDS {
        run_planted(Bug::None, seed).unwrap();
    }
}

#[test]
fn the_reference_agrees_with_itself() {
    for seed in SEEDS {
        let mut subject = ReferenceSubject::default();
        let coverage = block_on(run(&mut subject, seed, &options())).unwrap();
        assert!(coverage.count("created") > 1_000);
    }
}

/// An engine whose time passes by itself, a day ahead of the suite's.
struct RealTimeSubject(Arc<ReferenceEngine>);

struct ClockAhead(RealClock);

impl Clock for ClockAhead {
    fn now(&self) -> Timestamp {
        self.0.now().plus_seconds(86_400)
    }
}

impl Subject for RealTimeSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.0.clone()
    }

    fn time(&self) -> Time {
        Time::Real
    }

    fn has_payments(&self) -> bool {
        false
    }
}

#[test]
fn engines_may_have_a_time_of_their_own() {
    let options = Options {
        steps: 150,
        occurrences_min: 0,
        ..Options::default()
    };
    let clock = Arc::new(ClockAhead(RealClock::default()));
    let mut subject = RealTimeSubject(Arc::new(ReferenceEngine::new(clock)));
    block_on(run(&mut subject, 1, &options)).unwrap();
}

#[test]
fn a_conflict_in_any_field_is_found() {
    for field in Field::ALL {
        is_found(Bug::ConflictUnnoticed(field));
    }
}

macro_rules! found {
    ($($name:ident: $bug:ident,)*) => {
        $(
            #[test]
            fn $name() {
                is_found(Bug::$bug);
            }
        )*
    };
}

found! {
    limit_off_by_one: LimitOffByOne,
    pending_not_counted: PendingNotCounted,
    closed_accepts: ClosedAccepts,
    currency_unchecked: CurrencyUnchecked,
    overflow_unchecked: OverflowUnchecked,
    limit_change_unchecked: LimitChangeUnchecked,
    close_with_pending: CloseWithPending,
    replay_decided_anew: ReplayDecidedAnew,
    refusal_forgotten: RefusalForgotten,
    first_outcome_not_kept: FirstOutcomeNotKept,
    exists_not_marked: ExistsNotMarked,
    expiry_ignored: ExpiryIgnored,
    expiry_late: ExpiryLate,
    expiry_off_by_one: ExpiryOffByOne,
    post_twice: PostTwice,
    post_after_void: PostAfterVoid,
    reversed_too_much: ReversedTooMuch,
    reversal_reversed: ReversalReversed,
    reversed_amount_lost: ReversedAmountLost,
    partial_post_keeps_rest: PartialPostKeepsRest,
    part_releases_rest: PartReleasesRest,
    parts_pass_whole: PartsPassWhole,
    last_part_keeps_pending: LastPartKeepsPending,
    parts_lost: PartsLost,
    parts_before_void_lost: PartsBeforeVoidLost,
    frozen_debits: FrozenDebits,
    frozen_credits: FrozenCredits,
    freeze_stops_posts: FreezeStopsPosts,
    freeze_unchecked: FreezeUnchecked,
    refusal_changes_account: RefusalChangesAccount,
    checks_in_other_order: ChecksInOtherOrder,
    description_trimmed: DescriptionTrimmed,
    atomic_half_applied: AtomicHalfApplied,
    atomic_failure_forgotten: AtomicFailureForgotten,
    atomic_takes_used_member: AtomicTakesUsedMember,
    atomic_ignored: AtomicIgnored,
    outcomes_swapped: OutcomesSwapped,
    batches_swapped: BatchesSwapped,
    timestamps_follow_clock: TimestampsFollowClock,
    payment_state_unchecked: PaymentStateUnchecked,
    payment_attempt_unchecked: PaymentAttemptUnchecked,
    purge_unchecked: PurgeUnchecked,
    payment_reservation_kept: PaymentReservationKept,
    settlement_twice: SettlementTwice,
    resolution_forgotten: ResolutionForgotten,
    resolution_twice: ResolutionTwice,
    who_is_why: WhoIsWhy,
    summary_counts_purged: SummaryCountsPurged,
    summary_excludes_to: SummaryExcludesTo,
    due_forgets_sent: DueForgetsSent,
    due_newest_first: DueNewestFirst,
    due_forgets_place: DueForgetsPlace,
    balance_before: BalanceBefore,
    entry_number_gap: EntryNumberGap,
    entries_swapped: EntriesSwapped,
    page_includes_before: PageIncludesBefore,
    balance_at_exclusive: BalanceAtExclusive,
    unlimited_past_is_now: UnlimitedPastIsNow,
    entry_cause_lost: EntryCauseLost,
    limit_cause_lost: LimitCauseLost,
    limits_without_the_first: LimitsWithoutTheFirst,
    reference_lost: ReferenceLost,
    metadata_lost: MetadataLost,
    partial_post_read_in_full: PartialPostReadInFull,
    voiding_forgotten: VoidingForgotten,
    account_left_out: AccountLeftOut,
    account_listed_twice: AccountListedTwice,
    system_accounts_unlisted: SystemAccountsUnlisted,
    accounts_of_any_currency: AccountsOfAnyCurrency,
    accounts_closed_or_not: AccountsClosedOrNot,
    list_leaves_out_voids: ListLeavesOutVoids,
    list_leaves_out: ListLeavesOut,
    list_oldest_first: ListOldestFirst,
    list_forgets_until: ListForgetsUntil,
    list_forgets_ends: ListForgetsEnds,
    list_of_any_processor: ListOfAnyProcessor,
    failed_batch_not_found: FailedBatchNotFound,
    batch_read_as_replayed: BatchReadAsReplayed,
    stale_read: StaleRead,
    preview_done: PreviewDone,
    preview_forgets_batches: PreviewForgetsBatches,
    feed_skips: FeedSkips,
    feed_swaps: FeedSwaps,
    feed_forgets_refusals: FeedForgetsRefusals,
    restart_forgets: RestartForgets,
}

/// The audit alone, without a reference, finds what breaks the ledger's own promises.
#[test]
fn the_audit_needs_no_reference() {
    assert_eq!(audited(Bug::None), Ok(()));
    for bug in [
        Bug::LimitOffByOne,
        Bug::PendingNotCounted,
        Bug::OverflowUnchecked,
        Bug::CurrencyUnchecked,
        Bug::LimitChangeUnchecked,
        Bug::BalanceBefore,
        Bug::EntryNumberGap,
        Bug::EntriesSwapped,
        Bug::TimestampsFollowClock,
        Bug::StaleRead,
    ] {
        assert!(audited(bug).is_err(), "{bug:?} was not found");
    }
}

fn audited(bug: Bug) -> Result<(), String> {
    let subject = PlantedSubject::new(bug);
    let (engine, Time::Manual(clock)) = (subject.engine(), subject.time()) else {
        unreachable!("planted engines have a manual clock");
    };
    let mut generator = Generator::new(1, GeneratorOptions::default());
    let mut audit = Audit::default();
    let deadline = Instant::now() + Duration::from_secs(60);
    block_on(async {
        for _ in 0..1_000 {
            let step = subject.engine.read(|books| generator.step(books));
            match step.pause {
                Pause::Advance(by) => clock.advance_ns(by),
                Pause::Until(at) => clock.advance_to(at),
                Pause::Back(_) => {}
            }
            // Where the rules themselves notice the bug, they panic: after the audit has to.
            let submitted = engine.submit(step.batches, deadline).await;
            audit
                .check(&engine, &generator.accounts(), deadline)
                .await?;
            submitted.expect("the rules noticed the bug before the audit");
        }
        Ok(())
    })
}
