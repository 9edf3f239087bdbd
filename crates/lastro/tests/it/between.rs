//! Between an API node and its ledger: messages that arrive late, and answers that are lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_remote::RemoteEngine;
use ledger::reference::ReferenceEngine;
use ledger::{
    AccountId, Batch, Command, Currency, Engine, MoveMoney, OpenAccount, Refusal, TransferId,
    Unavailable, UsedTransfer,
};
use server::{AlwaysReady, App, GrpcLimits, Hosts, Limits};
use testkit::ManualClock;
use testkit::middle::Middle;

/// How long anything may take that should happen by itself: machines are busy.
const BOUND: Duration = Duration::from_secs(60);

/// A ledger's gRPC face over this engine, until the test's runtime ends.
async fn face(engine: &Arc<ReferenceEngine>, limits: GrpcLimits) -> SocketAddr {
    let listener = server::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string().parse().unwrap();
    let app = App {
        operations: None,
        dispatching: None,
        engine: engine.clone(),
        clock: Arc::new(ManualClock::default()),
        health: Arc::new(AlwaysReady),
        limits: Limits::default(),
        hosts: Hosts::any(),
        is_purge_enabled: false,
    };
    let never = std::future::pending();
    tokio::spawn(server::serve_grpc(
        listener, app, limits, None, never, BOUND,
    ));
    address
}

/// A ledger, the way to it, and an API node's engine that has an account `a` open.
async fn lab() -> (Arc<ReferenceEngine>, Middle, RemoteEngine) {
    let ledger = Arc::new(ReferenceEngine::new(Arc::new(ManualClock::default())));
    let middle = Middle::start(face(&ledger, GrpcLimits::default()).await).unwrap();
    let options = engine_remote::Options {
        patience: BOUND,
        ..engine_remote::Options::default()
    };
    let node = RemoteEngine::new(middle.address().to_string().parse().unwrap(), options);
    let open = Command::OpenAccount(OpenAccount {
        id: account(),
        currency: currency(),
        credit_limit: 5,
    });
    let opened = node.submit(vec![Batch::one(open)], Instant::now() + BOUND);
    assert!(opened.await.unwrap()[0][0].result.is_ok());
    (ledger, middle, node)
}

fn account() -> AccountId {
    AccountId::new("a").unwrap()
}

fn currency() -> Currency {
    Currency::new("BRL").unwrap()
}

fn deposit(number: u128) -> Vec<Batch> {
    vec![Batch::one(Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: AccountId::world(currency()),
        credit_account_id: account(),
        amount: 1,
        description: "deposit".into(),
        reference: None,
    }))]
}

async fn transfer(ledger: &ReferenceEngine, number: u128) -> Option<UsedTransfer> {
    let id = TransferId::from_u128(number);
    ledger.transfer(id, Instant::now() + BOUND).await.unwrap()
}

/// Once the caller was answered `timeout`, its request is not begun any more, however long the
/// network kept it.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_after_its_deadline_is_not_begun() {
    let (ledger, middle, node) = lab().await;
    middle.let_requests_pass(false);
    let asked = node.submit(deposit(1), Instant::now() + Duration::from_millis(300));
    assert_eq!(asked.await, Err(Unavailable::Timeout));
    middle.let_requests_pass(true);
    // Messages of one connection stay in order: with this answer the late one has been judged.
    let after = node.submit(deposit(2), Instant::now() + BOUND).await;
    assert!(after.unwrap()[0][0].result.is_ok());
    assert_eq!(transfer(&ledger, 1).await, None);
    // The same request, given again in time, is done.
    let again = node.submit(deposit(1), Instant::now() + BOUND).await;
    assert!(again.unwrap()[0][0].result.is_ok());
}

/// Requests go together in one call; that one of them has little time shortens nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn requests_with_other_deadlines_do_not_share_them() {
    let (ledger, middle, node) = lab().await;
    middle.let_requests_pass(false);
    let soon = Instant::now() + Duration::from_millis(300);
    // The first call is under way with a deposit of its own; these two go together in the next.
    let (first, hasty, patient) = (
        node.submit(deposit(1), Instant::now() + BOUND),
        node.submit(deposit(2), soon),
        node.submit(deposit(3), Instant::now() + BOUND),
    );
    let release = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        middle.let_requests_pass(true);
    };
    let (first, hasty, patient, ()) = tokio::join!(first, hasty, patient, release);
    assert!(first.unwrap()[0][0].result.is_ok());
    assert_eq!(hasty, Err(Unavailable::Timeout));
    assert!(patient.unwrap()[0][0].result.is_ok());
    assert_eq!(transfer(&ledger, 2).await, None);
}

/// The first sending was applied and its answer lost; the repetition is refused as a whole. It is
/// not "nothing done".
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_never_nothing_done() {
    let (ledger, middle, node) = lab().await;
    let full = GrpcLimits {
        messages_bytes_max: 0,
        ..GrpcLimits::default()
    };
    let refusing = face(&ledger, full).await;
    middle.let_answers_pass(false);
    let deadline = Instant::now() + BOUND;
    let asked = node.submit(deposit(1), deadline);
    let lose = async {
        while transfer(&ledger, 1).await.is_none() {
            assert!(Instant::now() < deadline, "it is never applied");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        middle.lead_to(refusing);
        middle.cut();
        middle.let_answers_pass(true);
    };
    let (answer, ()) = tokio::join!(asked, lose);
    assert_eq!(answer, Err(Unavailable::LedgerUnavailable));
    // What has never left is refused for what it is.
    let other = node.submit(deposit(2), deadline).await;
    assert_eq!(other, Err(Unavailable::Overloaded));
}

/// A cut that nobody is told of shows within two seconds and the time that a busy machine takes, and
/// so does its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_ledger_is_known_to_be_silent() {
    let (_, middle, node) = lab().await;
    let wait_until = async |is_answering: bool| {
        let deadline = Instant::now() + BOUND;
        while node.is_answering() != is_answering {
            assert!(Instant::now() < deadline, "it is never {is_answering}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    wait_until(true).await;
    for round in 0..2 {
        middle.let_answers_pass(false);
        wait_until(false).await;
        middle.let_answers_pass(true);
        wait_until(true).await;
        let deposited = node.submit(deposit(round), Instant::now() + BOUND).await;
        assert!(deposited.unwrap()[0][0].result.is_ok());
    }
}

/// A change that is late but within its deadline does not overwrite what was answered meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_time_conflicts_with_a_newer_one() {
    let (ledger, middle, node) = lab().await;
    let limit = |credit_limit, expected| {
        vec![Batch::one(Command::ChangeLimit {
            account_id: account(),
            credit_limit,
            expected_credit_limit: Some(expected),
        })]
    };
    let deadline = Instant::now() + BOUND;
    middle.let_requests_pass(false);
    let late = node.submit(limit(50, 5), deadline);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let changed = ledger.submit(limit(7, 5), deadline).await;
        assert!(changed.unwrap()[0][0].result.is_ok());
        middle.let_requests_pass(true);
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    let refusal = Refusal::AccountInOtherState {
        account_id: account(),
        credit_limit: 7,
        entry_count: 0,
    };
    assert_eq!(late.unwrap()[0][0].result, Err(refusal));
}
