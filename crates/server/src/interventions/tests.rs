//! What is logged of resolutions.

use std::time::Duration;

use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, Currency, Note, PaymentExpected, PaymentId, PaymentStateName, ProcessorName,
    ResolutionKind,
};
use parking_lot::Mutex;
use testkit::ManualClock;
use tracing::field::{Field, Visit};
use tracing::span::{self, Attributes};

use super::*;

/// Keeps the messages of what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().push(message.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

async fn apply(engine: &dyn Engine, command: Command) -> Outcome {
    let batches = vec![Batch::one(command)];
    let mut outcomes = engine.submit(batches, Instant::now()).await.unwrap();
    outcomes.remove(0).remove(0)
}

/// A resolution whose first outcome never arrived is tried again by the engine, and replayed.
#[tokio::test]
async fn a_resolution_that_is_replayed_is_logged() {
    let log = Log::default();
    let _logged = tracing::subscriber::set_default(log.clone());
    let behind = Arc::new(ReferenceEngine::new(Arc::new(ManualClock::default())));
    let id = PaymentId::from_u128(1);
    apply(
        behind.as_ref(),
        Command::AcceptPayment(AcceptPayment {
            id,
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1_990,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        }),
    )
    .await;
    apply(
        behind.as_ref(),
        Command::SendPayment {
            id,
            expected: PaymentExpected {
                state: PaymentStateName::Accepted,
                attempt: 0,
            },
            processor: ProcessorName::new("default").unwrap(),
            requested_at: Millis(1),
        },
    )
    .await;
    let reporting = Reporting::new(behind);
    let resolve = Command::ResolvePayment(ResolvePayment {
        id,
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        kind: ResolutionKind::Settled {
            requested_at: Millis(1),
        },
        who: Note::new("ana").unwrap(),
        why: Note::new("it is on their list").unwrap(),
        send_lease: Duration::ZERO,
    });
    for is_replayed in [false, true] {
        log.0.lock().clear();
        let outcome = apply(&reporting, resolve.clone()).await;
        assert_eq!(
            (outcome.code(), outcome.replayed),
            (if is_replayed { "exists" } else { "created" }, is_replayed)
        );
        let lines = log.0.lock().clone();
        let [line] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!(
            line.contains("was already resolved by ana"),
            is_replayed,
            "{line}"
        );
    }
}
