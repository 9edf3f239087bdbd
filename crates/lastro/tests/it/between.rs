//! Between an API node and its ledger: messages that arrive late, and answers that are lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedEngine;
use engine_remote::RemoteEngine;
use futures_util::future::join_all;
use journal::FileStorage;
use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, AccountId, Answer, Batch, Command, Currency, Engine, Millis, MoveMoney,
    OpenAccount, Outcome, PaymentId, PaymentState, ProcessorSummary, Refusal, RefusedCode,
    TransferId, Unavailable, UsedPayment, UsedTransfer,
};
use server::{AlwaysReady, App, GrpcLimits, Hosts, Limits};
use testkit::ManualClock;
use testkit::middle::Middle;

use crate::support::{damage_newest_record, folder};

/// How long anything may take that should happen by itself: machines are busy.
const BOUND: Duration = Duration::from_secs(60);
/// The transfer whose record is damaged, in tests of damage.
const DAMAGED: u128 = 5;

/// A ledger's gRPC face over this engine, until the test's runtime ends.
async fn face(engine: &Arc<ReferenceEngine>, limits: GrpcLimits) -> SocketAddr {
    face_over(engine.clone(), limits).await
}

async fn face_over(engine: Arc<dyn Engine>, limits: GrpcLimits) -> SocketAddr {
    let listener = server::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string().parse().unwrap();
    let app = App {
        ledger_id: None,
        keys: server::Keys::none(),
        operations: None,
        dispatching: None,
        callbacks: None,
        webhooks: None,
        engine,
        clock: Arc::new(ManualClock::default()),
        health: Arc::new(AlwaysReady),
        limits: Limits::default(),
        hosts: Hosts::any(),
        is_purge_enabled: true,
    };
    let never = std::future::pending();
    tokio::spawn(server::serve_grpc(listener, app, limits, never, BOUND));
    address
}

/// A ledger, the way to it, and an API node's engine that has an account `a` open.
async fn lab() -> (Arc<ReferenceEngine>, Middle, RemoteEngine) {
    let ledger = Arc::new(ReferenceEngine::new(Arc::new(ManualClock::default())));
    let middle = Middle::start(face(&ledger, GrpcLimits::default()).await).unwrap();
    let options = engine_remote::RemoteOptions {
        patience: BOUND,
        ..engine_remote::RemoteOptions::default()
    };
    let node = RemoteEngine::new(middle.address().to_string().parse().unwrap(), options);
    let opened = node.submit(vec![open_account()], Instant::now() + BOUND);
    assert!(opened.await.unwrap()[0][0].result.is_ok());
    (ledger, middle, node)
}

fn open_account() -> Batch {
    Batch::one(Command::OpenAccount(OpenAccount {
        id: account(),
        currency: currency(),
        credit_limit: 5,
    }))
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
        notes: ledger::Notes::NONE,
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
            by: None,
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

/// A purge that is late but within its deadline takes nothing that was accepted, and answered, after
/// its node had looked.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_in_time_takes_nothing_that_is_newer() {
    let (ledger, middle, node) = lab().await;
    let deadline = Instant::now() + BOUND;
    let purge = |accepted_at| {
        vec![Batch::one(Command::PurgePayments {
            expected_accepted_at: Some(accepted_at),
        })]
    };
    let state = async |number: u128| {
        let id = PaymentId::from_u128(number);
        match ledger.payment(id, deadline).await.unwrap() {
            Some(UsedPayment::Accepted(payment)) => payment.state,
            other => panic!("payment {number} is {other:?}"),
        }
    };
    accept(&ledger, 1).await;
    let seen = node.newest_payment_accepted_at(deadline).await.unwrap();
    middle.let_requests_pass(false);
    let late = node.submit(purge(seen), deadline);
    let meanwhile = async {
        accept(&ledger, 2).await;
        middle.let_requests_pass(true);
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    let newest = ledger.newest_payment_accepted_at(deadline).await.unwrap();
    assert!(newest > seen);
    let refusal = Refusal::PaymentsInOtherState {
        accepted_at: newest,
    };
    assert_eq!(late.unwrap()[0][0].result, Err(refusal));
    assert_eq!(state(1).await, PaymentState::Accepted);
    assert_eq!(state(2).await, PaymentState::Accepted);
    let purged = node.submit(purge(newest), deadline).await.unwrap();
    assert!(purged[0][0].result.is_ok());
    let code = RefusedCode::Purged;
    assert_eq!(state(2).await, PaymentState::Refused { code });
}

async fn accept(ledger: &ReferenceEngine, number: u128) {
    let accept = Command::AcceptPayment(AcceptPayment {
        id: PaymentId::from_u128(number),
        account_id: None,
        currency: currency(),
        amount: 1,
        description: "payment".into(),
        notes: ledger::Notes::NONE,
    });
    let batch = vec![Batch::one(accept)];
    let accepted = ledger.submit(batch, Instant::now() + BOUND).await;
    assert!(accepted.unwrap()[0][0].result.is_ok());
}

/// A ledger in which what this transfer's id leads to is damaged: a call that names it is refused as a
/// whole. What came before it in the call is done, as an embedded ledger does it, or nothing is.
struct Damaged {
    behind: Arc<ReferenceEngine>,
    id: TransferId,
    does_what_came_before: bool,
}

impl Engine for Damaged {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let is_damaged = |command: &Command| matches!(command, Command::Transfer(transfer) if transfer.id == self.id);
        let is_damaged = |batch: &Batch| batch.commands().iter().any(is_damaged);
        let Some(place) = batches.iter().position(is_damaged) else {
            return self.behind.submit(batches, deadline);
        };
        if place == 0 || !self.does_what_came_before {
            return Box::pin(async { Err(Unavailable::StorageDamaged) });
        }
        let before = batches[..place].to_vec();
        Box::pin(async move {
            self.behind.submit(before, deadline).await?;
            Err(Unavailable::LedgerUnavailable)
        })
    }

    ledger::forward_reads!(behind);

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.behind.payments_summary(from, to, deadline)
    }
}

/// Requests that happen to go in one call with one that needs what is damaged are answered all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_keeps_no_other_request_from_its_answer() {
    for does_what_came_before in [false, true] {
        check_damage(does_what_came_before).await;
    }
}

async fn check_damage(does_what_came_before: bool) {
    let (ledger, middle, node) = lab().await;
    let damaged = Damaged {
        behind: ledger.clone(),
        id: TransferId::from_u128(DAMAGED),
        does_what_came_before,
    };
    let answer = match does_what_came_before {
        // Nobody knows of a call that did a part which part that was.
        true => Unavailable::LedgerUnavailable,
        false => Unavailable::StorageDamaged,
    };
    let damaged = face_over(Arc::new(damaged), GrpcLimits::default()).await;
    check_one_call_with_damage(&middle, &node, damaged, answer).await;
}

/// Gives a ledger several deposits in one call, the damaged one among them: it alone is answered so.
async fn check_one_call_with_damage(
    middle: &Middle,
    node: &RemoteEngine,
    ledger: SocketAddr,
    answer_of_damaged: Unavailable,
) {
    middle.lead_to(ledger);
    middle.cut();
    let deadline = Instant::now() + BOUND;
    // The node is connected again: no call is lost, after which nobody would know what was done.
    assert!(node.account(account(), deadline).await.unwrap().is_some());
    middle.let_requests_pass(false);
    // The first is under way by itself; the others go together in the next call.
    let asked: Vec<_> = (1..=9)
        .map(|number| node.submit(deposit(number), deadline))
        .collect();
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        middle.let_requests_pass(true);
    };
    let (answers, ()) = tokio::join!(join_all(asked), release);
    for (number, answer) in (1..).zip(answers) {
        match number {
            DAMAGED => assert_eq!(answer, Err(answer_of_damaged)),
            _ => assert!(answer.unwrap()[0][0].result.is_ok(), "{number}"),
        }
    }
}

/// The same over an embedded ledger, with a bit flipped in its file: it does what came before the damage.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_an_embedded_ledger_keeps_no_other_request_from_its_answer() {
    let (_, middle, node) = lab().await;
    let folder = folder();
    let storage = FileStorage::open(folder.path()).unwrap();
    let options = engine_embedded::EmbeddedOptions::default();
    let clock = Arc::new(ManualClock::default());
    let (embedded, _) = EmbeddedEngine::open(storage, options, clock).unwrap();
    let given = embedded.submit(vec![open_account()], Instant::now() + BOUND);
    assert!(given.await.unwrap()[0][0].result.is_ok());
    let given = embedded.submit(deposit(DAMAGED), Instant::now() + BOUND);
    assert!(given.await.unwrap()[0][0].result.is_ok());
    damage_newest_record(folder.path(), "deposit");
    let ledger = face_over(Arc::new(embedded), GrpcLimits::default()).await;
    let answer = Unavailable::LedgerUnavailable;
    check_one_call_with_damage(&middle, &node, ledger, answer).await;
}
