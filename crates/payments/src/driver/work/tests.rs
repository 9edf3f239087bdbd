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
            delay_max: Duration::from_secs(1),
            preferred_wait: Duration::ZERO,
            deadline: Duration::from_secs(10),
            window: 100,
            rescan_interval: Duration::from_secs(60),
        },
        processors: vec![ProcessorConfig {
            url: "http://127.0.0.1:1".parse().unwrap(),
            cost_basis_points: 0,
            timeout: Duration::from_secs(10),
            definite: Vec::new(),
            health_path: "none".to_owned(),
        }],
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
