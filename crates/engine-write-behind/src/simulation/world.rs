//! The world: what is on its way, what fails when, and who goes on next.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::audit::Audit;
use super::model::{Connection, Database, Kept, No, Redis};
use super::node::{Node, State};
use super::{Bug, Tally};

/// Faults end after this many steps.
const FAULTY_STEPS: usize = 1_500;
/// By then the ledger goes on, or refuses.
const STEPS_MAX: usize = 30_000;
/// How much of what happened is kept.
const STORY_MAX: usize = 40;
/// How many older states of each store may come back.
const SAVED_MAX: usize = 6;

pub(super) type Shared = Rc<RefCell<World>>;
/// A node's life: another one after each start.
pub(super) type Life = u64;

/// Carried out in the world, once.
type Effect = Box<dyn FnOnce(&mut World)>;

pub(super) struct World {
    pub(super) rng: SmallRng,
    pub(super) bug: Option<Bug>,
    /// One in how many steps is a fault.
    faults_every: u32,
    /// Redis syncs once a second, and may come back without its newest writes.
    pub(super) is_everysec: bool,
    pub(super) step: usize,
    pub(super) redis: [Redis; 2],
    /// Where the name of Redis leads.
    pub(super) master: usize,
    /// Nodes that were led to the other one, which is a master too.
    strays: BTreeMap<Life, usize>,
    redis_saved: Vec<Kept>,
    /// Since when Redis is set to keep nothing, if so.
    pub(super) unkept_since: Option<usize>,
    pub(super) database: Database,
    database_saved: Vec<Database>,
    pub(super) database_restarts: u64,
    pub(super) is_away: bool,
    pub(super) repair_lock: Option<Connection>,
    pub(super) writer_lock: Option<Connection>,
    /// Whose connections the database does not give up.
    pub(super) living: BTreeSet<Life>,
    pub(super) paused: BTreeSet<Life>,
    /// What each node knows that ever was.
    pub(super) states: BTreeMap<Life, Rc<RefCell<State>>>,
    /// Those that the database knows, and whose they are.
    pub(super) connections: BTreeMap<Connection, Life>,
    pub(super) names_count: u64,
    in_flight: Vec<Effect>,
    pub(super) audit: Audit,
    /// What happened last.
    story: VecDeque<String>,
    pub(super) tally: Tally,
}

impl World {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let faults_every = [15, 40, 120][rng.random_range(0..3)];
        let is_everysec = rng.random();
        Self {
            rng,
            bug,
            faults_every,
            is_everysec,
            step: 0,
            redis: [0, 1].map(|run| Redis {
                run,
                ..Redis::default()
            }),
            master: 0,
            strays: BTreeMap::new(),
            redis_saved: Vec::new(),
            unkept_since: None,
            database: Database::default(),
            database_saved: Vec::new(),
            database_restarts: 0,
            is_away: false,
            repair_lock: None,
            writer_lock: None,
            living: BTreeSet::new(),
            paused: BTreeSet::new(),
            states: BTreeMap::new(),
            connections: BTreeMap::new(),
            // Those of the two Redis are the first ones.
            names_count: 2,
            in_flight: Vec::new(),
            audit: Audit::default(),
            story: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    pub(super) fn run(seed: u64, bug: Option<Bug>) -> Result<Tally, String> {
        let shared = Rc::new(RefCell::new(Self::new(seed, bug)));
        let count = shared.borrow_mut().rng.random_range(1..=3);
        let mut nodes: Vec<Node> = (0..count).map(|_| Node::start(&shared)).collect();
        while shared.borrow().step < STEPS_MAX {
            let is_faulty = shared.borrow().step < FAULTY_STEPS;
            shared.borrow_mut().step += 1;
            let one_in = shared.borrow().faults_every;
            if is_faulty && shared.borrow_mut().rng.random_range(0..one_in) == 0 {
                fault(&shared, &mut nodes);
            } else {
                go_on(&shared, &mut nodes);
            }
            let mut world = shared.borrow_mut();
            if let Err(broken) = world.check() {
                let story = Vec::from(std::mem::take(&mut world.story)).join("\n");
                return Err(format!("{broken}\n{story}"));
            }
            if world.step == FAULTY_STEPS {
                world.is_away = false;
                world.unkept_since = None;
                world.heal();
                world.paused.clear();
                world.excuse();
                for node in &mut nodes {
                    node.is_paused = false;
                    node.state.borrow_mut().is_draining = true;
                }
            }
            if !is_faulty {
                // A node that was led elsewhere is started again, with the right name.
                for node in &nodes {
                    node.state.borrow_mut().is_elsewhere = false;
                }
            }
            if !is_faulty && world.is_over(&nodes) {
                world.check_end(&nodes)?;
                return Ok(world.tally);
            }
        }
        let world = shared.borrow();
        let story = Vec::from(world.story.clone()).join("\n");
        let state = world.describe(&nodes);
        Err(format!("it never came to an end: {state}\n{story}"))
    }

    /// Notes what happened, to explain a seed that failed.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.story.len() == STORY_MAX {
            self.story.pop_front();
        }
        let line = format!("{}: {}", self.step, what());
        self.story.push_back(line);
    }

    pub(super) fn name(&mut self) -> u64 {
        self.names_count += 1;
        self.names_count
    }

    pub(super) fn end_connection(&mut self, connection: Connection) {
        self.connections.remove(&connection);
        for lock in [&mut self.repair_lock, &mut self.writer_lock] {
            lock.take_if(|holder| *holder == connection);
        }
    }

    /// Whether the node that asked over this connection has lost it.
    pub(super) fn is_orphan(&self, connection: Connection) -> bool {
        !self.connections.contains_key(&connection)
    }

    /// Which Redis a node is led to.
    pub(super) fn led_to(&self, life: Life) -> usize {
        self.strays.get(&life).copied().unwrap_or(self.master)
    }

    pub(super) fn redis_of(&mut self, life: Life) -> &mut Redis {
        &mut self.redis[self.led_to(life)]
    }

    /// Whether both are masters.
    fn is_split(&self) -> bool {
        !self.strays.is_empty()
    }

    /// Each one that is a master.
    pub(super) fn masters(&self) -> impl Iterator<Item = usize> {
        let other = self.is_split().then_some(1 - self.master);
        std::iter::once(self.master).chain(other)
    }

    /// One of the masters: something happens to it.
    fn any_master(&mut self) -> usize {
        let masters: Vec<_> = self.masters().collect();
        masters[self.rng.random_range(0..masters.len())]
    }

    /// A Redis starts with what it has kept.
    fn restart(&mut self, redis: usize, kept: Kept) {
        let run = self.name();
        self.redis[redis] = Redis {
            run,
            kept,
            session: None,
        };
    }

    /// One name leads to one Redis again, for all: the one that the ledger went on with last.
    fn heal(&mut self) {
        let epoch_of = |redis: &Redis| redis.kept.ledger.as_ref().map(|data| data.epoch.clone());
        if epoch_of(&self.redis[1 - self.master]) > epoch_of(&self.redis[self.master])
            && self.is_split()
        {
            self.master = 1 - self.master;
        }
        self.strays.clear();
    }

    /// The replica takes on the state of the other one; what its library has in memory stays.
    fn replicate(&mut self) {
        let kept = self.redis[self.master].kept.clone();
        self.redis[1 - self.master].kept = kept.clone();
        self.redis_saved.push(kept);
        if self.redis_saved.len() > SAVED_MAX {
            self.redis_saved.remove(0);
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.step >= FAULTY_STEPS
    }
}

/// Asks a store: the effect is on its way, is carried out at any moment or never, and its answer may
/// be lost.
pub(super) async fn ask<T: 'static>(
    shared: &Shared,
    effect: impl FnOnce(&mut World) -> Result<T, No> + 'static,
) -> Result<T, No> {
    let slot: Rc<RefCell<Option<Result<T, No>>>> = Rc::default();
    let answer = Rc::clone(&slot);
    shared.borrow_mut().in_flight.push(Box::new(move |world| {
        let done = effect(world);
        *answer.borrow_mut() = Some(done);
    }));
    std::future::poll_fn(move |_| {
        // What was dropped on the way is answered too: the connection is lost.
        match slot.borrow_mut().take() {
            Some(done) => Poll::Ready(done),
            None if Rc::strong_count(&slot) == 1 => Poll::Ready(Err(No::Lost)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Lets others go first.
pub(super) async fn pause() {
    let mut was_polled = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut was_polled, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// One effect, or one task of one node.
fn go_on(shared: &Shared, nodes: &mut [Node]) {
    let (effect, is_lost) = {
        let mut world = shared.borrow_mut();
        let count = world.in_flight.len();
        if count > 0 && world.rng.random_range(0..2) == 0 {
            let at = world.rng.random_range(0..count);
            let is_lost = !world.is_draining() && world.rng.random_range(0..40) == 0;
            (Some(world.in_flight.swap_remove(at)), is_lost)
        } else {
            (None, false)
        }
    };
    if let Some(effect) = effect {
        if !is_lost {
            effect(&mut shared.borrow_mut());
        }
        return;
    }
    let (node, task) = {
        let mut world = shared.borrow_mut();
        let node = world.rng.random_range(0..nodes.len());
        (node, world.rng.random_range(0..nodes[node].tasks.len()))
    };
    if nodes[node].is_paused {
        return;
    }
    let mut context = Context::from_waker(Waker::noop());
    let task: &mut Pin<Box<dyn Future<Output = ()>>> = &mut nodes[node].tasks[task];
    let _ = task.as_mut().poll(&mut context);
}

/// Something breaks, or is mended.
fn fault(shared: &Shared, nodes: &mut [Node]) {
    let mut guard = shared.borrow_mut();
    let world = &mut *guard;
    world.tally.faults += 1;
    let fault = world.rng.random_range(0..27);
    world.tell(|| format!("fault {fault}"));
    match fault {
        // Of two masters none takes on the other one's state.
        0..4 | 6..10 if world.is_split() => {}
        0..4 => world.replicate(),
        4 => {
            let redis = world.any_master();
            let kept = world.redis[redis].kept.clone();
            world.restart(redis, kept);
        }
        5 if !world.redis_saved.is_empty() => {
            let at = world.rng.random_range(0..world.redis_saved.len());
            let kept = world.redis_saved[at].clone();
            let redis = world.any_master();
            world.restart(redis, kept);
        }
        6..9 => {
            // Planned: the old one takes on the new one's state by a partial resync.
            world.replicate();
            world.master = 1 - world.master;
            world.tally.partial += 1;
        }
        9 => {
            // The old one comes back as an empty process.
            world.restart(world.master, Kept::default());
            world.master = 1 - world.master;
        }
        10 => {
            let redis = world.any_master();
            world.redis[redis].kept = Kept::default();
        }
        11..13 => {
            world.database_saved.push(world.database.clone());
            if world.database_saved.len() > SAVED_MAX {
                world.database_saved.remove(0);
            }
        }
        13 if !world.database_saved.is_empty() => {
            let at = world.rng.random_range(0..world.database_saved.len());
            world.database = world.database_saved[at].clone();
            // No later state than this one comes back.
            world.database_saved.truncate(at + 1);
            world.database_restarts += 1;
            world.connections.clear();
            world.repair_lock = None;
            world.writer_lock = None;
            world.audit.was_rolled_back = true;
        }
        14 => world.is_away = !world.is_away,
        15 => {
            let connections: BTreeSet<_> = world.connections.keys().copied().collect();
            if !connections.is_empty() {
                let at = world.rng.random_range(0..connections.len());
                let connection = connections.into_iter().nth(at);
                if let Some(connection) = connection {
                    world.end_connection(connection);
                }
            }
        }
        16 => {
            let node = world.rng.random_range(0..nodes.len());
            let life = nodes[node].life;
            // The database notices a dead node's connections.
            world.living.remove(&life);
            let ended: Vec<_> = world
                .connections
                .iter()
                .filter(|(_, of)| **of == life)
                .collect();
            let ended: Vec<_> = ended
                .into_iter()
                .map(|(connection, _)| *connection)
                .collect();
            for connection in ended {
                world.end_connection(connection);
            }
            drop(guard);
            nodes[node] = Node::start(shared);
            let mut world = shared.borrow_mut();
            world.excuse();
            return;
        }
        17..20 => {
            let node = world.rng.random_range(0..nodes.len());
            nodes[node].is_paused = !nodes[node].is_paused;
            let life = nodes[node].life;
            match nodes[node].is_paused {
                true => world.paused.insert(life),
                false => world.paused.remove(&life),
            };
            nodes[node].state.borrow_mut().runs_since = world.step;
        }
        20 => {
            world.unkept_since = match world.unkept_since {
                None => Some(world.step),
                Some(_) => None,
            };
        }
        21 | 22 if world.unkept_since.is_some() => {
            // A restart: what it had when it still kept something.
            let kept = match world.redis_saved.first() {
                Some(kept) => kept.clone(),
                None => Kept::default(),
            };
            let redis = world.any_master();
            world.restart(redis, kept);
            world.tally.unkept += 1;
        }
        23 | 24 if !world.is_split() && nodes.len() > 1 => {
            // The replica is promoted, and the old master lives: some nodes have seen it.
            let other = 1 - world.master;
            for node in nodes.iter() {
                if world.rng.random() {
                    world.strays.insert(node.life, other);
                }
            }
            // Where the name leads now: nodes that start follow it.
            if world.rng.random() {
                let led: Vec<_> = nodes
                    .iter()
                    .map(|node| (node.life, world.led_to(node.life)))
                    .collect();
                world.master = 1 - world.master;
                world.strays = led
                    .into_iter()
                    .filter(|(_, at)| *at != world.master)
                    .collect();
            }
            world.tally.split += u64::from(world.is_split());
        }
        25 | 26 if world.is_split() => world.heal(),
        _ => {}
    }
    world.excuse();
}
