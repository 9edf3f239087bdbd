//! Whatever the processors do, each payment is recorded once, and Lastro says so.

use std::net::TcpListener;
use std::time::Instant;

use ledger::{
    AcceptPayment, Batch, Command, Currency, Notes, PaymentId, PaymentState, Unavailable,
    UsedPayment,
};
use processor::{Faults, FaultyAnswer};

use crate::lab::{Lab, ms};

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_processor_gets_all_while_it_works() {
    let mut lab = Lab::start();
    lab.accept(200).await;
    lab.drained_to(0).await;
    assert_eq!(lab.audit(0).await, [200, 0]);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_and_dropped() {
    let mut lab = Lab::start();
    let faults = Faults {
        every_nth: 2,
        ..Faults::drop_after_recording()
    };
    lab.processors[0].processor().set_faults(faults);
    lab.accept(60).await;
    lab.drained_to(0).await;
    lab.audit(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_recording() {
    let mut lab = Lab::start();
    let faults = Faults::fail_after_recording();
    lab.processors[0].processor().set_faults(faults);
    lab.accept(60).await;
    lab.drained_to(0).await;
    lab.audit(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_in_any_way_although_it_is_recorded() {
    for status in [
        400, 401, 403, 404, 405, 407, 409, 410, 421, 422, 423, 425, 429,
    ] {
        let mut lab = Lab::start();
        let faults = Faults {
            answer: FaultyAnswer::Status {
                status,
                body: String::new(),
            },
            ..Faults::default()
        };
        lab.processors[0].processor().set_faults(faults);
        lab.accept(4).await;
        lab.drained_to(0).await;
        let [default_count, _] = lab.audit(0).await;
        assert!(default_count > 0, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_late_while_the_repeat_has_no_room() {
    let mut lab = Lab::start();
    let faults = Faults::record_late(ms(2_500));
    lab.processors[0].processor().set_faults(faults);
    lab.accept(30).await;
    lab.drained_to(0).await;
    lab.audit(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slower_than_the_timeout() {
    let mut lab = Lab::start();
    lab.processors[0].processor().set_delay(ms(1_600));
    lab.accept(40).await;
    lab.drained_to(0).await;
    lab.audit(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_fail_and_come_back() {
    let mut lab = Lab::start();
    for running in &lab.processors {
        running.processor().set_failing(true);
    }
    lab.accept(300).await;
    tokio::time::sleep(ms(500)).await;
    assert_eq!(lab.due_count().await, 300);
    for running in &lab.processors {
        running.processor().set_failing(false);
    }
    lab.drained_to(0).await;
    lab.audit(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_dead_holds_back_only_what_it_may_have() {
    // It takes connections and bytes, and never says a word.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", dead.local_addr().unwrap());
    let mut lab = Lab::with(|config| config.processors[0].url = url.parse().unwrap());
    lab.accept(300).await;
    lab.drained_to(20).await;
    let due_count = lab.due_count().await;
    assert!(due_count > 0);
    let [_, settled_count] = lab.audit(due_count).await;
    assert_eq!(settled_count + due_count, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_gone_holds_back_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{gone}");
    let mut lab = Lab::with(|config| config.processors[0].url = url.parse().unwrap());
    lab.accept(200).await;
    lab.drained_to(0).await;
    assert_eq!(lab.audit(0).await, [0, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_ends_anywhere_is_followed_by_another() {
    let mut lab = Lab::start();
    lab.processors[0].processor().set_delay(ms(30));
    for pause in [1, 7, 20, 45, 90] {
        lab.accept(60).await;
        tokio::time::sleep(ms(pause)).await;
        lab.restart();
    }
    lab.drained_to(0).await;
    lab.audit(0).await;
}

/// Processors are told no currency: they would take any amount for one in their own.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_paid_in_another_currency() {
    let mut lab = Lab::start();
    let yen = |id| {
        let payment = AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id: None,
            currency: Currency::new("JPY").unwrap(),
            amount: 5,
            description: "x".into(),
            notes: Notes::NONE,
        };
        vec![Batch::one(Command::AcceptPayment(payment))]
    };
    let deadline = Instant::now() + ms(30_000);
    let given = lab.engine().submit(yen(9_001), deadline).await;
    assert_eq!(given.unwrap_err(), Unavailable::NotSupported);
    let asked = lab.engine().preview(yen(9_001), deadline).await;
    assert_eq!(asked.unwrap_err(), Unavailable::NotSupported);
    let used = lab.ledger().payment(PaymentId::from_u128(9_001), deadline);
    assert_eq!(used.await, Ok(None));

    // One that was accepted when processors were paid in yen waits, and holds up nobody.
    let given = lab.ledger().submit(yen(9_002), deadline).await;
    assert!(given.unwrap()[0][0].result.is_ok());
    lab.restart();
    let again = lab.engine().submit(yen(9_002), deadline).await.unwrap();
    assert!(
        again[0][0].replayed && again[0][0].result.is_ok(),
        "{again:?}"
    );
    let asked = lab.engine().preview(yen(9_002), deadline).await.unwrap();
    assert!(asked[0][0].replayed, "{asked:?}");
    lab.accept(20).await;
    lab.drained_to(1).await;
    let used = lab.ledger().payment(PaymentId::from_u128(9_002), deadline);
    let Ok(Some(UsedPayment::Accepted(payment))) = used.await else {
        panic!("it is in the ledger");
    };
    assert_eq!(
        (payment.state, payment.attempt),
        (PaymentState::Accepted, 0)
    );
    let recorded = lab
        .processors
        .iter()
        .map(|running| running.processor().payments().len());
    assert_eq!(recorded.sum::<usize>(), 20);
}
