//! A clock that steps back under the dispatcher and the ledger. Processes have the machine's: so
//! the embedded engine and the dispatcher run in the test, over real processors.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedEngine;
use journal::FileStorage;
use ledger::{
    AcceptPayment, Batch, Clock, Command, Currency, DueQuery, Engine, Millis, Payment, PaymentId,
    PaymentState, ProcessorName, Timestamp, UsedPayment,
};
use payments::{Alone, Config, Dispatch, Policy, ProcessorConfig, ProcessorPolicy};
use processor::{ProcessorSettings, Running};
use testkit::ManualClock;

use super::lab::ms;
use crate::support::{assert_clean, folder};

pub(super) fn config(processor: &Running) -> Config {
    Config {
        policy: Policy {
            processors: vec![ProcessorPolicy {
                name: ProcessorName::new("default").unwrap(),
                concurrency_max: 64,
                rate_max: None,
                lease: ms(5_000),
                recorded_within: None,
                health_interval: None,
            }],
            currency: Currency::new("BRL").unwrap(),
            delay_max: ms(1_200),
            preferred_wait: ms(300),
            deadline: ms(3_000),
            window: 100,
            rescan_interval: ms(2_000),
        },
        processors: vec![ProcessorConfig {
            timeout: ms(1_000),
            ..ProcessorConfig::new(processor.url().parse().unwrap())
        }],
    }
}

pub(super) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// The ledger and the dispatcher over it, for as long as a process lives.
struct Life {
    dispatch: Dispatch,
    engine: Arc<dyn Engine>,
}

impl Life {
    fn begin(data: &Path, processor: &Running, clock: &Arc<ManualClock>) -> Self {
        let storage = FileStorage::open(data).unwrap();
        let options = engine_embedded::EmbeddedOptions::default();
        let (engine, _) = EmbeddedEngine::open(storage, options, clock.clone()).unwrap();
        let engine = Arc::new(engine);
        let claims = Arc::new(Alone::new(engine.clone()));
        let (dispatch, engine) = Dispatch::start(engine, claims, config(processor), clock.clone());
        Self { dispatch, engine }
    }

    async fn end(self) {
        self.dispatch.stop(Duration::from_secs(30)).await;
    }

    async fn accept(&self, ids: std::ops::Range<u128>) {
        for id in ids {
            let command = Command::AcceptPayment(AcceptPayment {
                id: PaymentId::from_u128(id),
                account_id: None,
                currency: Currency::new("BRL").unwrap(),
                amount: 1_990,
                description: "payment".into(),
                notes: ledger::Notes::NONE,
            });
            let batch = Batch::one(command);
            let outcomes = self.engine.submit(vec![batch], deadline()).await.unwrap();
            assert!(outcomes[0][0].result.is_ok());
        }
    }

    async fn settled(&self) {
        let patience = deadline();
        let query = DueQuery {
            after: None,
            limit: 1,
        };
        while !self
            .engine
            .payments_due(query, patience)
            .await
            .unwrap()
            .is_empty()
        {
            assert!(Instant::now() < patience, "payments stay due");
            tokio::time::sleep(ms(5)).await;
        }
    }

    async fn payment(&self, id: u128) -> Payment {
        let used = self
            .engine
            .payment(PaymentId::from_u128(id), deadline())
            .await;
        match used.unwrap() {
            Some(UsedPayment::Accepted(payment)) => payment,
            other => panic!("{id} is {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_back_pays_once_and_tells_no_earlier_time() {
    let settings = ProcessorSettings::official("default");
    let processor = Running::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let folder = folder();
    let clock = Arc::new(ManualClock::default());
    let start = clock.now();
    let an_hour_before = Timestamp::from_nanos(start.as_nanos() - 3_600_000_000_000);

    let life = Life::begin(folder.path(), &processor, &clock);
    life.accept(1..20).await;
    life.settled().await;
    // While requests are under way, which are measured with another clock.
    processor.processor().set_delay(ms(200));
    life.accept(20..40).await;
    clock.set(an_hour_before);
    life.accept(40..60).await;
    life.settled().await;
    life.end().await;
    // Nobody remembers the time but the journal.
    let life = Life::begin(folder.path(), &processor, &clock);
    life.accept(60..80).await;
    life.settled().await;

    let start = Millis(start.as_nanos() / 1_000_000);
    let mut last = Timestamp::default();
    for id in 1..80 {
        let payment = life.payment(id).await;
        assert!(payment.accepted_at > last, "{payment:?}");
        last = payment.accepted_at;
        let PaymentState::Settled { requested_at, .. } = payment.state else {
            panic!("{payment:?}");
        };
        assert!(requested_at >= start, "{payment:?}");
        let id = payment.id.to_string().parse().unwrap();
        let kept = processor.processor().payment(id).unwrap();
        let kept_at = u64::try_from(kept.requested_at.as_millisecond()).unwrap();
        assert_eq!(kept_at, requested_at.0);
    }
    assert_eq!(processor.processor().payments().len(), 79);
    let summary = life
        .engine
        .payments_summary(Some(start), None, deadline())
        .await;
    assert_eq!(summary.unwrap()[0].payments_count, 79);
    life.end().await;
    assert_clean(folder.path());
}
