//! Two nodes over one store: one of them sends.

use super::*;
use crate::store::{Claim, StoreError, Stored, Written};

const LASTS: Duration = Duration::from_secs(10);

/// A store that several nodes share.
#[derive(Default)]
struct Shared(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    state: Option<Vec<u8>>,
    /// The node that has the claim, and until when.
    holder: Option<(&'static str, Instant)>,
    /// Nodes that the store does not answer.
    cut_off: BTreeSet<&'static str>,
}

/// The way of one node to it.
struct Way {
    node: &'static str,
    shared: Arc<Shared>,
}

impl Way {
    fn with<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> Stored<'static, T>
    where
        T: Send + 'static,
    {
        let mut inside = self.shared.0.lock();
        if inside.cut_off.contains(self.node) {
            return Box::pin(async { Err(StoreError::new("the store does not answer")) });
        }
        let done = work(&mut inside);
        Box::pin(async { Ok(done) })
    }
}

impl EndpointStore for Way {
    fn claim<'a>(&'a self, _: &'a str) -> Stored<'a, Claim> {
        self.with(|inside| match inside.holder {
            Some((by, until)) if by != self.node && Instant::now() < until => {
                Claim::Elsewhere { by: by.to_owned() }
            }
            Some(_) | None => {
                inside.holder = Some((self.node, Instant::now() + LASTS));
                Claim::Held { lasts: Some(LASTS) }
            }
        })
    }

    fn renew<'a>(&'a self, _: &'a str) -> Stored<'a, Claim> {
        self.with(|inside| match inside.holder {
            Some((by, _)) if by == self.node => {
                inside.holder = Some((self.node, Instant::now() + LASTS));
                Claim::Held { lasts: Some(LASTS) }
            }
            holder => Claim::Elsewhere {
                by: holder.map_or("nobody", |(by, _)| by).to_owned(),
            },
        })
    }

    fn release<'a>(&'a self, _: &'a str) -> Stored<'a, ()> {
        self.with(|inside| inside.holder = inside.holder.filter(|(by, _)| *by != self.node))
    }

    fn read<'a>(&'a self, _: &'a str) -> Stored<'a, Option<Vec<u8>>> {
        self.with(|inside| inside.state.clone())
    }

    fn write<'a>(&'a self, _: &'a str, state: Vec<u8>) -> Stored<'a, Written> {
        self.with(|inside| match inside.holder {
            Some((by, _)) if by == self.node => {
                inside.state = Some(state);
                Written::Done
            }
            Some(_) | None => Written::ClaimLost,
        })
    }

    fn put_aside<'a>(&'a self, _: &'a str) -> Stored<'a, Option<String>> {
        self.with(|inside| inside.state.take().map(|_| "aside".to_owned()))
    }

    fn place(&self, endpoint: &str) -> String {
        format!("the row of {endpoint}")
    }
}

impl Lab {
    fn node_of(&self, node: &'static str, shared: &Arc<Shared>) -> Node {
        let shared = Arc::clone(shared);
        self.node_over(Arc::new(Way { node, shared }))
    }
}

async fn look(node: &Node) -> EndpointStatus {
    node.ask(Order::Look).await
}

async fn until(node: &Node, state: EndpointState) -> EndpointStatus {
    let bound = Instant::now() + DAY;
    loop {
        let status = look(node).await;
        if status.state == state {
            return status;
        }
        assert!(Instant::now() < bound, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_sends_and_another_goes_on_at_once_where_it_stops() {
    let mut lab = Lab::new().await;
    let shared = Arc::default();
    let one = lab.node_of("one", &shared);
    until(&one, EndpointState::Active).await;
    let other = lab.node_of("other", &shared);
    for _ in 0..40 {
        lab.deposit().await;
    }
    lab.wait_for_taken(40).await;
    // What the other shows is what the first has kept, a second later at most.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (shown, own) = (look(&other).await, look(&one).await);
    assert_eq!(shown.state, EndpointState::Standby);
    let reason = "it is sent to by another node: one";
    assert_eq!(shown.reason.as_deref(), Some(reason));
    assert_eq!(shown.position, own.position);
    for steering in [Steering::Retry, Steering::Enable, Steering::Disable] {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let steered = other
            .ask(|answer| Order::Steer(steering, deadline, answer))
            .await;
        let elsewhere = NotSteered::Elsewhere("one".to_owned());
        assert_eq!(steered.unwrap(), Err(elsewhere));
    }
    one.stop().await;
    let stopped_at = Instant::now();
    until(&other, EndpointState::Active).await;
    assert!(
        stopped_at.elapsed() < LASTS / 2,
        "{:?}",
        stopped_at.elapsed()
    );
    for _ in 0..40 {
        lab.deposit().await;
    }
    lab.wait_for_taken(80).await;
    lab.check_all_in_order();
    assert_eq!(lab.messages_count(), 80, "nothing was sent twice");
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_killed_is_followed_by_another_and_nothing_is_lost() {
    let mut lab = Lab::new().await;
    let shared = Arc::default();
    let mut sending = lab.node_of("one", &shared);
    until(&sending, EndpointState::Active).await;
    let mut standing_by = lab.node_of("other", &shared);
    for round in 0..6_u64 {
        for _ in 0..30 {
            lab.deposit().await;
            tokio::time::sleep(Duration::from_millis(11 * round)).await;
        }
        sending.kill().await;
        let killed_at = Instant::now();
        until(&standing_by, EndpointState::Active).await;
        assert!(killed_at.elapsed() <= LASTS + Duration::from_secs(2));
        sending = standing_by;
        standing_by = lab.node_of(if round % 2 == 0 { "one" } else { "other" }, &shared);
    }
    lab.wait_for_taken(180).await;
    lab.check_all_in_order();
}

/// The store answers one of them no more: it stops before the other begins, and does not begin again beside it.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_stops_before_another_begins() {
    let mut lab = Lab::new().await;
    let shared: Arc<Shared> = Arc::default();
    let one = lab.node_of("one", &shared);
    until(&one, EndpointState::Active).await;
    let other = lab.node_of("other", &shared);
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    // Until that is kept.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Never answered: what is sent from now on is under way until somebody gives it up.
    lab.behave(|_, _| None);
    shared.0.lock().cut_off.insert("one");
    let cut_off_at = Instant::now();
    for _ in 0..8 {
        lab.deposit().await;
    }
    let status = until(&one, EndpointState::Standby).await;
    assert!(cut_off_at.elapsed() < LASTS, "{:?}", cut_off_at.elapsed());
    assert_eq!(status.requests_count, 0);
    let holder = shared.0.lock().holder.map(|(by, _)| by);
    assert_eq!(holder, Some("one"), "the other has not begun");
    lab.behave(|_, _| Some(Meaning::Delivered));
    until(&other, EndpointState::Active).await;
    lab.wait_for_taken(9).await;
    shared.0.lock().cut_off.clear();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(look(&one).await.state, EndpointState::Standby);
    assert_eq!(look(&other).await.state, EndpointState::Active);
    lab.check_all_in_order();
    assert_eq!(lab.messages_count(), 9, "each was answered once");
}

/// Another node had the endpoint, changed its state and is gone, all while this one stood still: what it still has in
/// memory is not what is kept.
#[tokio::test(start_paused = true)]
async fn a_claim_that_another_node_had_meanwhile_is_not_renewed() {
    let mut lab = Lab::new().await;
    let shared: Arc<Shared> = Arc::default();
    let one = lab.node_of("one", &shared);
    until(&one, EndpointState::Active).await;
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // As a node that disabled the endpoint and stopped has left it.
    {
        let mut inside = shared.0.lock();
        let mut saved = crate::state::parse(inside.state.as_ref().unwrap()).unwrap();
        saved.disabled = Some(crate::queue::Disabled::ByOperator);
        inside.state = Some(crate::state::written(&saved));
        inside.holder = None;
    }
    until(&one, EndpointState::Disabled).await;
    lab.deposit().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(lab.messages_count(), 1);
}

/// A node whose clock stood still while its claim ran out finds that out by its first write, and writes nothing.
#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_lost_claim_is_not_written() {
    let mut lab = Lab::new().await;
    let shared: Arc<Shared> = Arc::default();
    let one = lab.node_of("one", &shared);
    until(&one, EndpointState::Active).await;
    lab.deposit().await;
    lab.wait_for_taken(1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let kept = {
        let mut inside = shared.0.lock();
        inside.holder = Some(("other", Instant::now() + LASTS));
        inside.state.clone()
    };
    lab.deposit().await;
    until(&one, EndpointState::Standby).await;
    assert_eq!(shared.0.lock().state, kept);
}
