//! What the driver's task waits for, without a network.

use ledger::reference::ReferenceEngine;
use ledger::{Currency, Timestamp};

use super::*;
use crate::driver::{Alone, ProcessorConfig};
use crate::policy::Policy;

struct Standstill;

impl Clock for Standstill {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000_000)
    }
}

fn driver(mailbox: Mailbox) -> Driver {
    let clock: Arc<dyn Clock> = Arc::new(Standstill);
    let engine: Arc<dyn Engine> = Arc::new(ReferenceEngine::new(Arc::clone(&clock)));
    let claims = Arc::new(Alone::new(Arc::clone(&engine)));
    let config = Config {
        policy: Policy {
            processors: vec![ProcessorPolicy {
                name: ProcessorName::new("default").unwrap(),
                concurrency_max: 4,
                rate_max: None,
                lease: Duration::from_secs(15),
                recorded_within: None,
                health_interval: None,
            }],
            currency: Currency::new("BRL").unwrap(),
            delay_max: Duration::from_secs(1),
            preferred_wait: Duration::ZERO,
            deadline: Duration::from_secs(10),
            window: 100,
            rescan_interval: Duration::from_secs(60),
        },
        processors: vec![ProcessorConfig::new("http://127.0.0.1:1".parse().unwrap())],
    };
    Driver::new(engine, claims, config, clock, mailbox)
}

/// A processor recorded a payment that ended otherwise: there is nothing to settle, and no summary
/// waits for it.
#[tokio::test]
async fn what_comes_to_nothing_is_not_waited_for() {
    let (changed, _received) = mpsc::unbounded_channel();
    let mailbox = Mailbox::new(changed);
    let settling = Arc::clone(&mailbox.settling);
    let mut driver = driver(mailbox);
    let id = PaymentId::from_u128(1);
    let request = SendRequest {
        id,
        attempt: 1,
        processor: ProcessorIndex::new(0),
        amount: 1_990,
        currency: Currency::new("BRL").unwrap(),
        requested_at: Millis(1),
        lease_until: Duration::from_secs(15),
    };
    settling.begin(id, settling.lease());
    let mut effects = Vec::new();
    driver.tell(
        Input::Answered {
            request,
            answer: AttemptAnswer::Recorded,
        },
        &mut effects,
    );
    // The ledger is asked: it may still be settled.
    assert!(!settling.is_empty());
    driver.tell(
        Input::Looked {
            id,
            payment: Err(Unavailable::Overloaded),
        },
        &mut effects,
    );
    assert!(!settling.is_empty());
    driver.tell(
        Input::Looked {
            id,
            payment: Ok(None),
        },
        &mut effects,
    );
    assert!(settling.is_empty());
}

/// What a damaged record refuses delays no batch when it is given again.
#[tokio::test]
async fn a_command_that_was_refused_for_damage_goes_by_itself() {
    let (changed, _received) = mpsc::unbounded_channel();
    let mut driver = driver(Mailbox::new(changed));
    let [damaged, other] = [1, 2].map(PaymentId::from_u128);
    let submit = |id| Effect::Submit {
        id,
        command: Command::ReleasePayment {
            id,
            expected: ledger::PaymentExpected {
                state: ledger::PaymentStateName::Sent,
                attempt: 1,
            },
        },
    };
    let outcome = |id, unavailable| Input::Outcome {
        id,
        result: Err(unavailable),
    };
    let mut effects = vec![submit(damaged), submit(other)];
    driver.carry_out(&mut effects);
    assert_eq!(driver.outcomes_left, 2);
    driver.tell(outcome(damaged, Unavailable::StorageDamaged), &mut effects);
    driver.tell(outcome(other, Unavailable::Timeout), &mut effects);
    effects = vec![submit(damaged), submit(other)];
    driver.carry_out(&mut effects);
    assert_eq!(driver.outcomes_left, 1, "the batch waits for one");
    assert!(driver.damage.apart.contains(&damaged));
    // Its end is not taken for that of a command of the batch.
    driver.tell(outcome(damaged, Unavailable::Timeout), &mut effects);
    assert_eq!(driver.outcomes_left, 1);
    driver.tell(outcome(other, Unavailable::Timeout), &mut effects);
    effects = vec![submit(damaged), submit(other)];
    driver.carry_out(&mut effects);
    assert_eq!(
        driver.outcomes_left, 2,
        "it was not refused for damage last"
    );
}
