//! Two processors, a ledger, a dispatcher, and an auditor.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, Batch, Clock, Command, Currency, DueQuery, Engine, PaymentId, PaymentState,
    ProcessorName, Timestamp, UsedPayment,
};
use payments::{Alone, Config, Definite, Dispatch, Policy, ProcessorConfig, ProcessorPolicy};
use processor::{Decimal, ProcessorSettings, Running};

pub(crate) const NAMES: [&str; 2] = ["default", "fallback"];

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_nanos(u64::try_from(since.unwrap().as_nanos()).unwrap())
    }
}

pub(crate) struct Lab {
    pub(crate) processors: Vec<Running>,
    config: Config,
    ledger: Arc<ReferenceEngine>,
    engine: Arc<dyn Engine>,
    dispatch: Option<Dispatch>,
    accepted_count: u128,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let processors: Vec<Running> = NAMES
            .iter()
            .map(|name| {
                let listen = "127.0.0.1:0".parse().unwrap();
                Running::start(listen, ProcessorSettings::official(name)).unwrap()
            })
            .collect();
        let mut config = Config {
            policy: Policy {
                processors: NAMES
                    .iter()
                    .map(|name| ProcessorPolicy {
                        name: ProcessorName::new(name).unwrap(),
                        concurrency_max: 64,
                        rate_max: None,
                        lease: ms(4_000),
                        recorded_within: None,
                        health_interval: Some(ms(5_100)),
                    })
                    .collect(),
                currency: Currency::new("BRL").unwrap(),
                delay_max: ms(1_200),
                preferred_wait: ms(300),
                deadline: ms(3_000),
                window: 100,
                rescan_interval: ms(2_000),
            },
            processors: processors
                .iter()
                .map(|processor| ProcessorConfig {
                    timeout: ms(1_000),
                    definite: vec![Definite {
                        status: 500,
                        empty_body: true,
                    }],
                    ..ProcessorConfig::new(processor.url().parse().unwrap())
                })
                .collect(),
        };
        change(&mut config);
        let ledger = Arc::new(ReferenceEngine::new(Arc::new(SystemClock)));
        let mut lab = Self {
            processors,
            config,
            engine: Arc::clone(&ledger) as Arc<dyn Engine>,
            ledger,
            dispatch: None,
            accepted_count: 0,
        };
        lab.restart();
        lab
    }

    /// Ends the dispatcher wherever it is, and begins another.
    pub(crate) fn restart(&mut self) {
        self.dispatch = None;
        let ledger = Arc::clone(&self.ledger) as Arc<dyn Engine>;
        let claims = Arc::new(Alone::new(Arc::clone(&ledger)));
        let (dispatch, engine) =
            Dispatch::start(ledger, claims, self.config.clone(), Arc::new(SystemClock));
        (self.dispatch, self.engine) = (Some(dispatch), engine);
    }

    pub(crate) async fn stop(&mut self) {
        self.dispatch.take().unwrap().stop(ms(20_000)).await;
    }

    /// The engine through which everybody else reaches the ledger.
    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The ledger itself.
    pub(crate) fn ledger(&self) -> &dyn Engine {
        &*self.ledger
    }

    pub(crate) async fn accept(&mut self, count: u128) {
        for _ in 0..count {
            self.accepted_count += 1;
            let command = Command::AcceptPayment(AcceptPayment {
                id: PaymentId::from_u128(self.accepted_count),
                account_id: None,
                currency: Currency::new("BRL").unwrap(),
                amount: 1_000 + u64::try_from(self.accepted_count).unwrap(),
                description: "payment".into(),
                notes: ledger::Notes::NONE,
            });
            let deadline = Instant::now() + ms(5_000);
            let outcomes = self
                .engine
                .submit(vec![Batch::one(command)], deadline)
                .await;
            assert!(outcomes.unwrap()[0][0].result.is_ok());
        }
    }

    pub(crate) async fn due_count(&self) -> usize {
        let query = DueQuery {
            after: None,
            limit: usize::MAX,
        };
        let due = self.ledger.payments_due(query, Instant::now());
        due.await.unwrap().len()
    }

    /// Waits until no more than so many payments are due.
    pub(crate) async fn drained_to(&self, due_max: usize) {
        let patience = Instant::now() + ms(60_000);
        while self.due_count().await > due_max {
            assert!(
                Instant::now() < patience,
                "{} payments are due",
                self.due_count().await
            );
            tokio::time::sleep(ms(20)).await;
        }
    }

    /// Lastro and both processors, payment by payment; answers how many each processor has.
    pub(crate) async fn audit(&self, due: usize) -> [usize; 2] {
        assert_eq!(self.due_count().await, due);
        let mut counts = [0; 2];
        for number in 1..=self.accepted_count {
            let id = PaymentId::from_u128(number);
            let used = self.ledger.payment(id, Instant::now()).await.unwrap();
            let Some(UsedPayment::Accepted(payment)) = used else {
                panic!("payment {id} is {used:?}");
            };
            let uuid = id.to_string().parse().unwrap();
            let kept: Vec<_> = self
                .processors
                .iter()
                .enumerate()
                .filter_map(|(place, running)| Some((place, running.processor().payment(uuid)?)))
                .collect();
            match (&payment.state, kept.as_slice()) {
                (
                    PaymentState::Settled {
                        processor,
                        requested_at,
                    },
                    [(place, kept)],
                ) => {
                    assert_eq!(processor.as_str(), NAMES[*place], "payment {id}");
                    let kept_at = u64::try_from(kept.requested_at.as_millisecond()).unwrap();
                    assert_eq!(kept_at, requested_at.0, "payment {id}");
                    let amount = i64::try_from(payment.amount).unwrap();
                    assert_eq!(kept.amount, Decimal::hundredths(amount), "payment {id}");
                    counts[*place] += 1;
                }
                (state, []) if state.is_due() => {}
                (state, kept) => panic!("payment {id} is {state:?} and kept as {kept:?}"),
            }
        }
        let deadline = Instant::now() + ms(5_000);
        let summary = self
            .engine
            .payments_summary(None, None, deadline)
            .await
            .unwrap();
        for (name, count) in NAMES.iter().zip(counts) {
            let sum = summary.iter().find(|sum| sum.processor.as_str() == *name);
            let summed = sum.map_or(0, |sum| sum.payments_count);
            assert_eq!(usize::try_from(summed).unwrap(), count, "{name}");
        }
        counts
    }
}
