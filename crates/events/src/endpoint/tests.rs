//! Endpoints over the reference engine, with a receiver that does as it is told and a clock that moves when everybody
//! waits.

mod claims;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledger::reference::ReferenceEngine;
use ledger::{
    AccountId, Batch, BoxFuture, Clock, Command, Currency, Engine, Event, MoveMoney, Notes,
    OpenAccount, PlacedEvent, Timestamp, TransferId,
};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Endpoint, Order, Surroundings};
use crate::config::{EndpointConfig, FirstFrom, WebhookUrl};
use crate::face::{EventFace, EventFilter};
use crate::folder::EndpointFolder;
use crate::metrics::Meters;
use crate::port::{Delivery, DeliveryState, EndpointState, EndpointStatus, NotSteered, Steering};
use crate::queue::{FeedPlace, LastTry, Meaning, Policy, TryResult};
use crate::receiver::Receives;
use crate::store::EndpointStore;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
const FAILED: Meaning = Meaning::Failed {
    retry_after: None,
    is_busy: false,
};

/// The runtime's own time as a time of day.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_767_225_600_000_000_000).plus(self.0.elapsed())
    }
}

struct Face;

impl EventFace for Face {
    fn event_type(&self, event: &Event) -> &'static str {
        match event {
            Event::Transfer(_) => "transfer.posted",
            _ => "other",
        }
    }

    fn accounts(&self, event: &Event) -> Vec<AccountId> {
        event.accounts_changed().into_iter().cloned().collect()
    }

    fn body(&self, placed: &PlacedEvent) -> Vec<u8> {
        let transfer = placed
            .event
            .transfer()
            .expect("only transfers are asked for");
        transfer.id.to_u128().to_be_bytes().to_vec()
    }
}

struct TransfersOnly;

impl EventFilter for TransfersOnly {
    fn lets_through(&self, event: &Event) -> bool {
        matches!(event, Event::Transfer(_))
    }
}

/// What the receiver does with a message about this transfer, at this time.
type Manner = Box<dyn Fn(u128, Instant) -> Option<Meaning> + Send>;

/// A receiver. Where its manner has no meaning it never answers.
struct Receiver {
    manner: Mutex<Manner>,
    /// Every message, with whether it was taken.
    received: Mutex<Vec<(u128, bool)>>,
}

impl Receives for Receiver {
    fn send(&self, _: String, body: Arc<[u8]>, at: Timestamp) -> BoxFuture<'_, TryResult> {
        let transfer = u128::from_be_bytes(body[..].try_into().unwrap());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let meaning = (self.manner.lock())(transfer, Instant::now());
            let Some(meaning) = meaning else {
                return std::future::pending().await;
            };
            let is_taken = meaning == Meaning::Delivered;
            self.received.lock().push((transfer, is_taken));
            TryResult {
                meaning,
                last: LastTry {
                    at,
                    status: Some(if is_taken { 200 } else { 500 }),
                    failure: String::new(),
                    body: String::new(),
                },
            }
        })
    }
}

/// A ledger with an endpoint.
struct Lab {
    engine: Arc<ReferenceEngine>,
    clock: Arc<RuntimeClock>,
    receiver: Arc<Receiver>,
    folder: TempDir,
    policy: Policy,
    first_from: FirstFrom,
    next_transfer: u128,
    node: Option<Node>,
}

/// The process with the endpoint.
struct Node {
    task: JoinHandle<()>,
    orders: mpsc::Sender<Order>,
    stop: watch::Sender<bool>,
}

impl Node {
    /// As `kill -9`: nothing is finished.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
        let (answer, answered) = oneshot::channel();
        assert!(self.orders.send(order(answer)).await.is_ok());
        answered.await.unwrap()
    }
}

impl Lab {
    async fn new() -> Self {
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let lab = Self {
            engine: Arc::new(ReferenceEngine::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            clock,
            receiver: Arc::new(Receiver {
                manner: Mutex::new(Box::new(|_, _| Some(Meaning::Delivered))),
                received: Mutex::default(),
            }),
            folder: tempfile::tempdir().unwrap(),
            policy: Policy::default(),
            first_from: FirstFrom::Beginning,
            next_transfer: 1,
            node: None,
        };
        for id in ACCOUNTS {
            let open = Command::OpenAccount(OpenAccount {
                id: AccountId::new(id).unwrap(),
                currency: Currency::new("BRL").unwrap(),
                credit_limit: 0,
            });
            lab.submit(open).await;
        }
        lab
    }

    async fn submit(&self, command: Command) {
        let batch = Batch::one(command);
        let outcomes = self.engine.submit(vec![batch], std::time::Instant::now());
        assert!(outcomes.await.unwrap()[0][0].result.is_ok());
    }

    /// A deposit to one account after the other; its number.
    async fn deposit(&mut self) -> u128 {
        let id = self.next_transfer;
        self.next_transfer += 1;
        let transfer = MoveMoney {
            id: TransferId::from_u128(id),
            debit_account_id: AccountId::new("world:BRL").unwrap(),
            credit_account_id: AccountId::new(account_of(id)).unwrap(),
            amount: 1,
            description: "deposit".into(),
            notes: Notes::default(),
        };
        self.submit(Command::Transfer(transfer)).await;
        id
    }

    fn behave(&self, manner: impl Fn(u128, Instant) -> Option<Meaning> + Send + 'static) {
        *self.receiver.manner.lock() = Box::new(manner);
    }

    fn state_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("webhooks")
    }

    fn start(&mut self) {
        let folder = EndpointFolder::new(self.state_folder());
        self.node = Some(self.node_over(Arc::new(folder)));
    }

    /// A process that sends to the endpoint in this store.
    fn node_over(&self, store: Arc<dyn EndpointStore>) -> Node {
        let config = EndpointConfig {
            name: "test".parse().unwrap(),
            url: WebhookUrl::new("https://hooks.example.com", false).unwrap(),
            allows_private: false,
            ca: None,
            first_from: self.first_from,
            is_disabled: false,
            policy: self.policy,
        };
        let surroundings = Surroundings {
            engine: Arc::clone(&self.engine) as Arc<dyn Engine>,
            face: Arc::new(Face),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            filter: Arc::new(TransfersOnly),
            receiver: Arc::clone(&self.receiver) as Arc<dyn Receives>,
            store,
            meters: Meters::new(&config.name),
        };
        let (orders, received) = mpsc::channel(8);
        let (stop, stopping) = watch::channel(false);
        let endpoint = Endpoint::new(config, surroundings);
        Node {
            task: tokio::spawn(endpoint.run(received, stopping)),
            orders,
            stop,
        }
    }

    async fn kill(&mut self) {
        self.node.take().unwrap().kill().await;
    }

    async fn stop(&mut self) {
        self.node.take().unwrap().stop().await;
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
        self.node.as_ref().unwrap().ask(order).await
    }

    async fn look(&self) -> EndpointStatus {
        self.ask(Order::Look).await
    }

    async fn steer(&self, steering: Steering) -> Result<EndpointStatus, NotSteered> {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let steered = self.ask(|answer| Order::Steer(steering, until, answer));
        steered.await.unwrap()
    }

    async fn deliveries(&self, state: Option<DeliveryState>) -> Vec<Delivery> {
        self.ask(|answer| Order::Deliveries(state, 1_000, answer))
            .await
    }

    /// Waits until this is so, for at most a week of the clock.
    async fn until(&self, what: &str, is_so: impl Fn(&EndpointStatus) -> bool) -> EndpointStatus {
        let bound = Instant::now() + 7 * DAY;
        loop {
            let status = self.look().await;
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < bound, "not {what}: {status:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The transfers that were taken, each where it was for the first time.
    fn taken_first(&self) -> Vec<u128> {
        let mut seen = BTreeSet::new();
        let received = self.receiver.received.lock();
        let taken = received.iter().filter(|(_, is_taken)| *is_taken);
        let first = taken.map(|(id, _)| *id).filter(|id| seen.insert(*id));
        first.collect()
    }

    fn messages_count(&self) -> usize {
        self.receiver.received.lock().len()
    }

    async fn wait_for_taken(&self, count: usize) {
        let bound = Instant::now() + 7 * DAY;
        while self.taken_first().len() < count {
            assert!(
                Instant::now() < bound,
                "{} of {count}",
                self.taken_first().len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Fails unless every transfer was taken, in order for each account.
    fn check_all_in_order(&self) {
        let taken = self.taken_first();
        assert_eq!(taken.len(), self.next_transfer as usize - 1);
        let mut last = BTreeMap::new();
        for id in taken {
            let before = last.insert(account_of(id), id);
            assert!(
                before.is_none_or(|before| before < id),
                "{id} behind {before:?}"
            );
        }
    }
}

fn account_of(transfer: u128) -> &'static str {
    ACCOUNTS[transfer as usize % ACCOUNTS.len()]
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_for_an_hour_gets_everything_in_order() {
    let mut lab = Lab::new().await;
    let back_at = Instant::now() + HOUR;
    lab.behave(move |_, now| {
        Some(if now < back_at {
            FAILED
        } else {
            Meaning::Delivered
        })
    });
    lab.start();
    // More than fit in hand.
    for _ in 0..700 {
        lab.deposit().await;
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    let failing = lab
        .receiver
        .received
        .lock()
        .iter()
        .filter(|(_, taken)| !taken)
        .count();
    lab.wait_for_taken(700).await;
    lab.check_all_in_order();
    // Four accounts, one request at a time, and pauses that double.
    assert!((20..80).contains(&failing), "{failing} requests in an hour");
    assert!(Instant::now() < back_at + 2 * HOUR);
    let status = lab
        .until("caught up", |status| status.waiting_count == 0)
        .await;
    assert_eq!(status.state, EndpointState::Active);
    assert_eq!((status.lag_ns, status.delivered_count), (0, 700));
    assert_eq!(
        lab.messages_count(),
        700 + failing,
        "nothing was sent twice"
    );
}

#[tokio::test(start_paused = true)]
async fn kills_between_deliveries_lose_nothing_and_keep_the_order() {
    let mut lab = Lab::new().await;
    lab.policy.requests_max = 3;
    for round in 0..12_u64 {
        lab.start();
        for _ in 0..25 {
            lab.deposit().await;
            tokio::time::sleep(Duration::from_millis(7 * round)).await;
        }
        if round % 3 == 0 {
            lab.behave(|id, _| {
                Some(if id % 5 == 0 {
                    FAILED
                } else {
                    Meaning::Delivered
                })
            });
        } else {
            lab.behave(|_, _| Some(Meaning::Delivered));
        }
        tokio::time::sleep(Duration::from_millis(130 * round)).await;
        lab.kill().await;
    }
    lab.behave(|_, _| Some(Meaning::Delivered));
    lab.start();
    lab.wait_for_taken(300).await;
    lab.check_all_in_order();
    let repeated = lab.messages_count() - 300;
    assert!(repeated > 0, "kills came too late to repeat anything");
    // A clean stop repeats nothing.
    lab.until("kept", |status| status.waiting_count == 0).await;
    let before = lab.messages_count();
    lab.stop().await;
    lab.start();
    tokio::time::sleep(HOUR).await;
    assert_eq!(lab.messages_count(), before);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_three_days_is_a_dead_letter_that_survives_and_can_be_retried() {
    let mut lab = Lab::new().await;
    let poison = lab.deposit().await;
    lab.behave(move |id, _| {
        Some(if id == poison {
            FAILED
        } else {
            Meaning::Delivered
        })
    });
    lab.start();
    for _ in 0..8 {
        lab.deposit().await;
    }
    let begun = Instant::now();
    // Accounts go on, but that of the one that fails.
    lab.wait_for_taken(6).await;
    assert!(begun.elapsed() < HOUR);
    assert!(!lab.taken_first().contains(&(poison + 4)));
    let waiting = lab.deliveries(Some(DeliveryState::Waiting)).await;
    assert_eq!(waiting.len(), 3);
    let (blocked, first) = (&waiting[0], &waiting[2]);
    assert_eq!(blocked.next_try_at, None, "it waits for the one before it");
    assert!(first.next_try_at.is_some() && first.record.tries.count > 0);
    lab.until("dead", |status| status.dead_letters_count == 1)
        .await;
    assert!(begun.elapsed() >= 3 * DAY);
    // At once after that: it is on the disk before its account goes on.
    lab.kill().await;
    lab.start();
    lab.wait_for_taken(8).await;
    let dead = lab.deliveries(Some(DeliveryState::Dead)).await;
    let [dead] = dead.as_slice() else {
        panic!("{dead:?}");
    };
    assert_eq!(dead.record.tries.last.as_ref().unwrap().status, Some(500));
    lab.behave(|_, _| Some(Meaning::Delivered));
    lab.steer(Steering::Retry).await.unwrap();
    lab.wait_for_taken(9).await;
    assert!(lab.taken_first().contains(&poison));
    let status = lab.look().await;
    assert_eq!(status.dead_letters_count, 0);
    assert_eq!(status.state, EndpointState::Active);
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_begins_where_it_is_told_to_and_then_goes_on_from_there() {
    let mut lab = Lab::new().await;
    lab.first_from = FirstFrom::Latest;
    lab.deposit().await;
    lab.start();
    lab.until("open", |status| status.position.is_some()).await;
    // Where it begins is on the disk before anything is sent.
    lab.kill().await;
    let second = lab.deposit().await;
    lab.first_from = FirstFrom::Beginning;
    lab.start();
    lab.wait_for_taken(1).await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(lab.taken_first(), [second]);
}

#[tokio::test(start_paused = true)]
async fn operators_disable_enable_and_replay() {
    let mut lab = Lab::new().await;
    lab.start();
    for _ in 0..4 {
        lab.deposit().await;
    }
    lab.wait_for_taken(4).await;
    let status = lab.steer(Steering::Disable).await.unwrap();
    assert_eq!(status.state, EndpointState::Disabled);
    lab.deposit().await;
    // It stays so over a restart.
    lab.kill().await;
    lab.start();
    tokio::time::sleep(HOUR).await;
    assert_eq!(lab.messages_count(), 4);
    lab.steer(Steering::Enable).await.unwrap();
    lab.wait_for_taken(5).await;
    // From the first event on, once more.
    let before = lab.messages_count();
    lab.steer(Steering::Replay(FeedPlace::Beginning))
        .await
        .unwrap();
    lab.until("replayed", |_| lab.messages_count() == before + 5)
        .await;
    let delivered = lab.deliveries(Some(DeliveryState::Delivered)).await;
    let newest = &delivered[0].record.placed;
    lab.steer(Steering::Replay(newest.after)).await.unwrap();
    lab.until("replayed", |_| lab.messages_count() == before + 6)
        .await;
    let nowhere = FeedPlace::parse(&"7".repeat(48)).unwrap();
    let refused = lab.steer(Steering::Replay(nowhere)).await;
    assert_eq!(refused.unwrap_err(), NotSteered::PositionInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_left_alone_until_an_operator_enables_it() {
    let mut lab = Lab::new().await;
    lab.behave(|_, _| Some(Meaning::Gone));
    lab.start();
    lab.deposit().await;
    let status = lab.until("disabled", |status| status.state == EndpointState::Disabled);
    assert_eq!(
        status.await.reason.unwrap(),
        "its receiver answered 410 Gone"
    );
    lab.kill().await;
    lab.behave(|_, _| Some(Meaning::Delivered));
    lab.start();
    lab.deposit().await;
    tokio::time::sleep(DAY).await;
    assert_eq!(lab.messages_count(), 1);
    lab.steer(Steering::Enable).await.unwrap();
    lab.wait_for_taken(2).await;
    lab.check_all_in_order();
}

#[tokio::test(start_paused = true)]
async fn a_damaged_state_stops_the_endpoint_until_it_is_told_where_to_go_on() {
    let mut lab = Lab::new().await;
    lab.start();
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    lab.stop().await;
    let path = lab.state_folder().join("test.state");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    lab.start();
    lab.deposit().await;
    let status = lab.until("stopped", |status| status.state == EndpointState::Stopped);
    let reason = status.await.reason.unwrap();
    assert!(
        reason.contains("test.state is damaged: it is cut"),
        "{reason}"
    );
    assert!(reason.contains("POST /v1/webhooks/test/replay"), "{reason}");
    for steering in [Steering::Retry, Steering::Enable, Steering::Disable] {
        let refused = lab.steer(steering).await.unwrap_err();
        assert_eq!(refused, NotSteered::Stopped(reason.clone()));
    }
    assert_eq!(lab.messages_count(), 1);
    lab.steer(Steering::Replay(FeedPlace::Beginning))
        .await
        .unwrap();
    lab.wait_for_taken(2).await;
    assert_eq!(lab.messages_count(), 3);
    assert!(lab.state_folder().join("test.state.aside").exists());
}

#[tokio::test(start_paused = true)]
async fn the_state_of_another_ledger_stops_the_endpoint() {
    let mut lab = Lab::new().await;
    lab.start();
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    lab.stop().await;
    lab.engine = Arc::new(ReferenceEngine::new(
        Arc::clone(&lab.clock) as Arc<dyn Clock>
    ));
    lab.start();
    let status = lab.until("stopped", |status| status.state == EndpointState::Stopped);
    let reason = status.await.reason.unwrap();
    assert!(
        reason.contains("does not belong to this ledger"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn while_its_state_cannot_be_written_nothing_is_sent() {
    let mut lab = Lab::new().await;
    lab.start();
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    // Where a file stands in the place of the folder.
    let (folder, away) = (lab.state_folder(), lab.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "").unwrap();
    let status = lab.until("noticed", |status| status.state == EndpointState::Failing);
    assert!(
        status
            .await
            .reason
            .unwrap()
            .starts_with("its state cannot be written")
    );
    for _ in 0..20 {
        lab.deposit().await;
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!(lab.messages_count(), 1);
    mend(&folder, &away);
    lab.wait_for_taken(21).await;
    lab.check_all_in_order();
    assert_eq!(lab.look().await.state, EndpointState::Active);
}

fn mend(folder: &Path, away: &Path) {
    std::fs::remove_file(folder).unwrap();
    std::fs::rename(away, folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_receiver_that_hangs() {
    let mut lab = Lab::new().await;
    lab.behave(|id, _| (id != 2).then_some(Meaning::Delivered));
    lab.start();
    for _ in 0..3 {
        lab.deposit().await;
    }
    lab.wait_for_taken(2).await;
    let begun = Instant::now();
    lab.stop().await;
    assert!(begun.elapsed() <= Duration::from_secs(4));
    lab.behave(|_, _| Some(Meaning::Delivered));
    lab.start();
    lab.wait_for_taken(3).await;
    assert_eq!(
        lab.messages_count(),
        3,
        "what was delivered is not sent again"
    );
}
