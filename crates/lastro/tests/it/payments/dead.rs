//! One processor dies for ever while the other works: only what the dead one may have waits for it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use processor::{Faults, FaultyAnswer};
use testkit::LastroProcess;
use uuid::Uuid;

use super::lab::{Lab, NAMES, ms};
use crate::support::assert_clean;

/// How long a payment may take that the dead one cannot have: machines are busy.
const BOUND: Duration = Duration::from_secs(20);

/// Pays, and waits until all of it is settled at the living one; those are not among `before`.
async fn pay_the_living(lab: &mut Lab, process: &LastroProcess, before: &[Uuid]) {
    lab.pay(process, ms(300), 150).await;
    let bound = Instant::now() + BOUND;
    let paid: Vec<Uuid> = lab.accepted.keys().copied().collect();
    let paid: Vec<Uuid> = paid.into_iter().filter(|id| !before.contains(id)).collect();
    assert!(!paid.is_empty());
    for id in paid {
        loop {
            let told = lab.get(process, &format!("/v1/payments/{id}")).await;
            if told["state"] == "settled" {
                assert_eq!(told["processor"], NAMES[1], "{told}");
                break;
            }
            assert!(Instant::now() < bound, "it waits for the dead: {told}");
            tokio::time::sleep(ms(20)).await;
        }
    }
}

/// What Lastro says is with the dead one, recorded there or not: nobody can say.
async fn pinned_now(lab: &Lab, process: &LastroProcess) -> BTreeSet<Uuid> {
    let mut pinned = BTreeSet::new();
    for id in lab.accepted.keys() {
        let told = lab.get(process, &format!("/v1/payments/{id}")).await;
        if told["state"] == "sent" && told["processor"] == NAMES[0] {
            pinned.insert(*id);
        }
    }
    for payment in lab.processors()[0].payments() {
        let id = payment.correlation_id;
        assert!(pinned.contains(&id), "{id} is recorded at the dead one");
    }
    pinned
}

/// Waits until all that is not with the dead one is settled at the living one.
async fn rest_is_settled(lab: &Lab, process: &LastroProcess) -> BTreeSet<Uuid> {
    let bound = Instant::now() + BOUND;
    loop {
        let pinned = pinned_now(lab, process).await;
        let living = lab.processors()[1].payments();
        let settled: BTreeSet<Uuid> = living.iter().map(|at| at.correlation_id).collect();
        let is_somewhere = |id: &Uuid| pinned.contains(id) || settled.contains(id);
        if lab.accepted.keys().all(is_somewhere) {
            return pinned;
        }
        assert!(Instant::now() < bound, "some wait for nothing");
        tokio::time::sleep(ms(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_dead_for_ever_holds_up_only_what_it_may_have() {
    let mut lab = Lab::new();
    let dead = lab.processors()[0].clone();
    // It records what it gets, says nothing, and dies.
    dead.set_faults(Faults {
        answer: FaultyAnswer::Never,
        ..Faults::default()
    });
    let process = lab.serve();
    lab.pay(&process, ms(100), 16).await;
    let bound = Instant::now() + BOUND;
    while dead.payments().is_empty() {
        assert!(Instant::now() < bound, "it gets nothing");
        tokio::time::sleep(ms(5)).await;
    }
    dead.refuse_connections(Duration::from_secs(86_400));
    let pinned = rest_is_settled(&lab, &process).await;
    let first: Vec<Uuid> = lab.accepted.keys().copied().collect();
    assert!(!pinned.is_empty());

    pay_the_living(&mut lab, &process, &first).await;
    process.kill();
    // The next start knows no more about them, and nothing waits for that either.
    let process = lab.serve();
    let before: Vec<Uuid> = lab.accepted.keys().copied().collect();
    pay_the_living(&mut lab, &process, &before).await;

    // One that was on its way when connections began to be refused may have gone elsewhere since.
    let still_pinned = pinned_now(&lab, &process).await;
    assert!(
        still_pinned.is_subset(&pinned),
        "{still_pinned:?}, at first {pinned:?}"
    );
    // No payment is at both, and the summary has what is settled.
    let mut kept = lab.kept();
    kept.retain(|id, _| !still_pinned.contains(id));
    lab.audit_sums(&process, &kept).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}
