//! A damaged record that one of the dispatcher's commands needs: only that command fails. The embedded
//! engine and the dispatcher run in the test, so that their commands go together as it says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedEngine;
use journal::FileStorage;
use ledger::{
    AcceptPayment, Answer, Batch, Command, Currency, Engine, Millis, Outcome, PaymentExpected,
    PaymentId, PaymentState, PaymentStateName, ProcessorSummary, RefusedCode, Unavailable,
    UsedPayment,
};
use payments::{Alone, Dispatch};
use processor::{ProcessorSettings, Running};
use testkit::ManualClock;
use tokio::sync::watch;

use super::clock::{config, deadline};
use super::lab::ms;
use crate::support::{damage_newest_record, folder};

/// Refused while it is sent, and the record of that is damaged.
const DAMAGED: u128 = 1;
const OTHERS: std::ops::RangeInclusive<u128> = 2..=8;
/// The first to be settled: while its command is under way those of all others come together.
const FIRST: u128 = 9;

/// An engine whose settlements wait until they may begin.
struct HoldsSettlements {
    behind: Arc<EmbeddedEngine>,
    may_begin: watch::Receiver<bool>,
}

impl Engine for HoldsSettlements {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let is_settlement = |command: &Command| matches!(command, Command::SettlePayment { .. });
        let mut commands = batches.iter().flat_map(Batch::commands);
        if !commands.any(is_settlement) {
            return self.behind.submit(batches, deadline);
        }
        let mut may_begin = self.may_begin.clone();
        Box::pin(async move {
            may_begin.wait_for(|may_begin| *may_begin).await.unwrap();
            // However long it has waited.
            self.behind.submit(batches, super::clock::deadline()).await
        })
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.behind.payments_summary(from, to, deadline)
    }

    ledger::forward_reads!(behind);
}

async fn give(engine: &dyn Engine, command: Command) {
    let outcomes = engine.submit(vec![Batch::one(command)], deadline()).await;
    assert!(outcomes.unwrap()[0][0].result.is_ok());
}

async fn accept(engine: &dyn Engine, number: u128) {
    let accept = AcceptPayment {
        id: PaymentId::from_u128(number),
        account_id: None,
        currency: Currency::new("BRL").unwrap(),
        amount: 1_990,
        description: format!("payment number {number}").into(),
        notes: ledger::Notes::NONE,
    };
    give(engine, Command::AcceptPayment(accept)).await;
}

async fn state(engine: &dyn Engine, number: u128) -> Result<PaymentState, Unavailable> {
    let used = engine.payment(PaymentId::from_u128(number), deadline());
    match used.await? {
        Some(UsedPayment::Accepted(payment)) => Ok(payment.state),
        other => panic!("payment {number} is {other:?}"),
    }
}

/// Waits until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(120);
    while !holds().await {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(ms(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_holds_up_the_one_payment_that_needs_it() {
    let settings = ProcessorSettings::official("default");
    let processor = Running::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let folder = folder();
    let clock = Arc::new(ManualClock::default());
    let storage = FileStorage::open(folder.path()).unwrap();
    let options = engine_embedded::EmbeddedOptions::default();
    let (embedded, _) = EmbeddedEngine::open(storage, options, clock.clone()).unwrap();
    let embedded = Arc::new(embedded);
    let (let_begin, may_begin) = watch::channel(false);
    let holding = Arc::new(HoldsSettlements {
        behind: Arc::clone(&embedded),
        may_begin,
    });
    let claims = Arc::new(Alone::new(embedded.clone()));
    let mut config = config(&processor);
    config.policy.delay_max = ms(60_000);
    config.policy.processors[0].lease = ms(60_000);
    config.processors[0].timeout = ms(30_000);
    let (dispatch, engine) = Dispatch::start(holding, claims, config, clock);
    let is_recorded = |number: u128| {
        let id = PaymentId::from_u128(number).to_string().parse().unwrap();
        processor.processor().payment(id).is_some()
    };

    let is_sent = async |number: u128| {
        let state = state(engine.as_ref(), number).await;
        matches!(state, Ok(PaymentState::Sent { .. }))
    };
    // Longer than all takes until the first is recorded: then no settlement is given before.
    processor.processor().set_delay(ms(10_000));
    accept(engine.as_ref(), DAMAGED).await;
    until("it is sent", async || is_sent(DAMAGED).await).await;
    for number in OTHERS {
        accept(engine.as_ref(), number).await;
        until("the others are sent", async || is_sent(number).await).await;
    }
    let refuse = Command::RefusePayment {
        id: PaymentId::from_u128(DAMAGED),
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        code: RefusedCode::OperatorRefused,
    };
    give(embedded.as_ref(), refuse).await;
    damage_newest_record(folder.path(), &format!("payment number {DAMAGED}"));
    let damaged = state(engine.as_ref(), DAMAGED).await;
    assert_eq!(damaged, Err(Unavailable::StorageDamaged));
    processor.processor().set_delay(ms(0));
    accept(engine.as_ref(), FIRST).await;
    until("the first is recorded", async || is_recorded(FIRST)).await;
    // All others' answers come while its command waits: the damaged one's is the first of them.
    for number in std::iter::once(DAMAGED).chain(OTHERS) {
        until("all are recorded", async || is_recorded(number)).await;
    }
    tokio::time::sleep(ms(100)).await;
    let_begin.send_replace(true);
    for number in std::iter::once(FIRST).chain(OTHERS) {
        until("the others are settled", async || {
            let state = state(engine.as_ref(), number).await;
            matches!(state, Ok(PaymentState::Settled { .. }))
        })
        .await;
    }
    drop(dispatch);
}
