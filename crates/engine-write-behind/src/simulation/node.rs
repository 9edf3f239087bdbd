//! A node: the keeper, the writer and a client, as in `keeper`, `persist` and `front`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;

use rand::Rng;

use super::Bug;
use super::model::{Connection, No, Write, keeps_epoch};
use super::world::{Life, Shared, World, ask, pause};
use crate::compare::{
    Agreed, Mark, Newest, Stores, Verdict, compare, is_agreed, judge, still_agree,
};
use crate::epoch::History;
use crate::error::WriteBehindOpenError;
use crate::positions::Behind;

/// What a node's tasks share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) life: Life,
    /// The era that runs.
    pub(super) era: Option<Newest>,
    pub(super) last: Option<Newest>,
    /// Up to which position it has reported a loss.
    pub(super) alarmed: Option<u64>,
    /// Whether the stores were found not to agree.
    pub(super) is_refused: bool,
    /// What it has answered, and at which position.
    pub(super) answered: BTreeMap<Write, u64>,
    /// Whether Redis was found to keep what it answers.
    is_kept: bool,
    /// Since when it runs without a pause.
    pub(super) runs_since: usize,
    /// C2, C3: what it has seen is not looked at.
    forgets_positions: bool,
    /// No new writes.
    pub(super) is_draining: bool,
}

impl State {
    fn token(&self) -> Option<(String, usize)> {
        let era = self.era.as_ref()?;
        let seen = if self.forgets_positions {
            0
        } else {
            era.position
        };
        Some((era.epoch.clone(), usize::try_from(seen).ok()?))
    }

    fn note(&mut self, epoch: &str, position: u64) {
        let position = if self.forgets_positions { 0 } else { position };
        for known in [&mut self.era, &mut self.last].into_iter().flatten() {
            if known.epoch == epoch {
                known.position = known.position.max(position);
            }
        }
    }

    /// As `Front::begin`.
    fn begin(&mut self, agreed: &Agreed) {
        if let (Some(_), Some(newest)) = (agreed.lost_after, &self.last) {
            self.alarmed = self.alarmed.max(Some(newest.position));
        }
        let goes_on = self.last.take().filter(|last| last.epoch == agreed.epoch);
        let seen = goes_on.map_or(0, |last| last.position);
        let newest = Newest {
            epoch: agreed.epoch.clone(),
            position: if self.forgets_positions {
                0
            } else {
                agreed.position.max(seen)
            },
        };
        self.era = Some(newest.clone());
        self.last = Some(newest);
        self.is_refused = false;
    }

    fn doubt(&mut self, epoch: &str) -> bool {
        self.era.take_if(|era| era.epoch == epoch).is_some()
    }
}

pub(super) struct Node {
    pub(super) life: Life,
    pub(super) state: Rc<RefCell<State>>,
    pub(super) tasks: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    pub(super) is_paused: bool,
}

impl Node {
    pub(super) fn start(shared: &Shared) -> Self {
        let life = shared.borrow_mut().name();
        shared.borrow_mut().living.insert(life);
        let state = Rc::new(RefCell::new(State {
            life,
            is_draining: shared.borrow().is_draining(),
            forgets_positions: keeps_epoch(shared.borrow().bug),
            runs_since: shared.borrow().step,
            ..State::default()
        }));
        let (world, own) = (|| Rc::clone(shared), || Rc::clone(&state));
        let tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
            Box::pin(keeper(world(), own())),
            Box::pin(writer(world(), own())),
            Box::pin(watcher(world(), own())),
            Box::pin(client(world(), own())),
            Box::pin(client(world(), own())),
        ];
        Self {
            life,
            state,
            tasks,
            is_paused: false,
        }
    }
}

/// The stores over one connection to the database.
struct Simulated<'a> {
    shared: &'a Shared,
    connection: Connection,
    /// C1: what was read too early.
    early: RefCell<Option<Option<Mark>>>,
    /// The database's restarts when it was read last.
    restarts: Cell<u64>,
}

/// As for the real ones: whoever came first, the next comparison finds it.
const fn failed(no: No) -> WriteBehindOpenError {
    match no {
        No::Lost | No::Stale | No::Moved | No::Unpersisted => WriteBehindOpenError::Busy,
    }
}

impl<'a> Simulated<'a> {
    const fn new(shared: &'a Shared, connection: Connection) -> Self {
        Self {
            shared,
            connection,
            early: RefCell::new(None),
            restarts: Cell::new(0),
        }
    }

    /// Over the connection to the database.
    async fn query<T: 'static>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, No> + 'static,
    ) -> Result<T, WriteBehindOpenError> {
        // What has arrived before the connection was lost may be carried out after it.
        let restarts = {
            let world = self.shared.borrow();
            if world.is_orphan(self.connection) {
                return Err(failed(No::Lost));
            }
            world.database_restarts
        };
        let asked = ask(self.shared, move |world| {
            if world.is_away || world.database_restarts != restarts {
                return Err(No::Lost);
            }
            effect(world)
        });
        asked.await.map_err(failed)
    }

    async fn call<T: 'static>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, No> + 'static,
    ) -> Result<T, WriteBehindOpenError> {
        ask(self.shared, effect).await.map_err(failed)
    }

    fn bug(&self) -> Option<Bug> {
        self.shared.borrow().bug
    }
}

impl Stores for Simulated<'_> {
    async fn database(&self) -> Result<Option<Behind>, WriteBehindOpenError> {
        if self.bug() == Some(Bug::JudgedUnderWay) && self.early.borrow().is_none() {
            let mark = self
                .call(|world| Ok(world.redis[world.master].look(world.bug)))
                .await?;
            *self.early.borrow_mut() = Some(mark);
        }
        let read = self.query(|world| Ok((world.database.read(), world.database_restarts)));
        let (behind, restarts) = read.await?;
        self.restarts.set(restarts);
        Ok(behind)
    }

    async fn create(&self) -> Result<(), WriteBehindOpenError> {
        self.query(|world| {
            world.database.exists = true;
            Ok(())
        })
        .await
    }

    async fn redis(&self) -> Result<Option<Mark>, WriteBehindOpenError> {
        if let Some(early) = &*self.early.borrow() {
            return Ok(early.clone());
        }
        self.call(|world| Ok(world.redis[world.master].look(world.bug)))
            .await
    }

    /// One Redis at a time is led to here.
    async fn check_alone(&self) -> Result<(), WriteBehindOpenError> {
        Ok(())
    }

    async fn take(&self, above: u64) -> Result<Behind, WriteBehindOpenError> {
        self.query(move |world| {
            if keeps_epoch(world.bug)
                && let Some(taken) = world.database.read()
                && taken.began.is_some()
            {
                let mark = world.redis[world.master].look(world.bug);
                let history = mark.as_ref().map_or(History::WentOn(None), |mark| {
                    world.database.history(&mark.epoch)
                });
                if let Ok(Verdict::Keep(mark)) = judge(&taken, mark.as_ref(), history)
                    && mark.epoch == taken.epoch
                {
                    return Ok(taken);
                }
            }
            let random = world.rng.random();
            let taken = world.database.take(above, random);
            world.tell(|| format!("taken {taken:?}"));
            taken
        })
        .await
    }

    async fn halt(&self, taken: &Behind) -> Result<Option<Mark>, WriteBehindOpenError> {
        if let Some(early) = &*self.early.borrow() {
            return Ok(early.clone());
        }
        let epoch = taken.epoch.clone();
        self.call(move |world| {
            let bug = world.bug;
            let found = world.master().halt(&epoch, bug);
            world.tell(|| format!("halted for {epoch}: {found:?}"));
            found
        })
        .await
    }

    async fn history(&self, epoch: &str) -> Result<History, WriteBehindOpenError> {
        let epoch = epoch.to_owned();
        self.query(move |world| Ok(world.database.history(&epoch)))
            .await
    }

    async fn resume(&self, found: &Mark, epoch: &str) -> Result<(), WriteBehindOpenError> {
        let (from, to, position) = (found.epoch.clone(), epoch.to_owned(), found.position);
        self.call(move |world| {
            let bug = world.bug;
            let done = world.master().resume(&from, &to, position, bug);
            world.tell(|| format!("resumed {from} to {to} at {position}: {done:?}"));
            done
        })
        .await
    }

    async fn rebuild(
        &self,
        found: Option<&Mark>,
        drop: u64,
        epoch: &str,
    ) -> Result<(), WriteBehindOpenError> {
        let epoch = epoch.to_owned();
        let (from, to) = (
            found.map_or_else(String::new, |mark| mark.epoch.clone()),
            epoch.clone(),
        );
        let restarts = self.restarts.get();
        self.call(move |world| {
            let bug = world.bug;
            let done = world.master().rebuild(&to, &from, drop, bug);
            if drop > world.database.position as u64 {
                // An older one that has come back, with calls without which the ledger went on.
                world.excuse();
            }
            if world.database_restarts != restarts {
                // Rolled back after the last look at it: no order of questions is safe from that.
                world.excuse();
            }
            world.tell(|| format!("rebuilding {from} to {to} up to {drop}: {done:?}"));
            done
        })
        .await?;
        let own = epoch.clone();
        let copied = self.query(move |world| {
            if world.database.epoch != own {
                return Err(No::Moved);
            }
            Ok(world.database.history.clone())
        });
        let copied = copied.await?;
        self.call(move |world| {
            let position = copied.len();
            let done = world.master().found(&epoch, copied);
            world.tell(|| format!("founded {epoch} at {position}: {done:?}"));
            done
        })
        .await
    }

    async fn confirm(&self, epoch: &str, began: u64) -> Result<bool, WriteBehindOpenError> {
        let epoch = epoch.to_owned();
        self.query(move |world| {
            let is_confirmed = world.database.confirm(&epoch, began);
            world.tell(|| format!("confirmed {epoch} at {began}: {is_confirmed}"));
            Ok(is_confirmed)
        })
        .await
    }
}

/// A connection of this node's, and a lock with it.
async fn connect(shared: &Shared, life: Life, lock: Option<Lock>) -> Option<Connection> {
    let connected = ask(shared, move |world| {
        if world.is_away || !world.living.contains(&life) {
            return Err(No::Lost);
        }
        let connection = world.name();
        let held = match lock {
            None => None,
            Some(Lock::Repair) => Some(&mut world.repair_lock),
            Some(Lock::Writer) => Some(&mut world.writer_lock),
        };
        if let Some(held) = held {
            if held.is_some() {
                return Err(No::Moved);
            }
            *held = Some(connection);
        }
        world.connections.insert(connection, life);
        Ok(connection)
    });
    connected.await.ok()
}

#[derive(Debug, Clone, Copy)]
enum Lock {
    Repair,
    Writer,
}

async fn keeper(shared: Shared, state: Rc<RefCell<State>>) {
    let life = state.borrow().life;
    loop {
        pause().await;
        let era = state.borrow().era.clone();
        let lock = era.is_none().then_some(Lock::Repair);
        let Some(connection) = connect(&shared, life, lock).await else {
            continue;
        };
        let stores = Simulated::new(&shared, connection);
        if era.is_none() {
            let last = state.borrow().last.clone();
            match compare(&stores, last.as_ref()).await {
                Ok(agreed) => {
                    state.borrow_mut().begin(&agreed);
                    shared.borrow_mut().note_agreed(&agreed, last.as_ref());
                }
                Err(error) => {
                    let is_refused = matches!(error, WriteBehindOpenError::Disagree(_));
                    state.borrow_mut().is_refused = is_refused;
                    shared.borrow_mut().tally.refused += u64::from(is_refused);
                }
            }
        } else if let Some(newest) = era
            && shared.borrow().bug != Some(Bug::WriterUnjudged)
        {
            let agree = still_agree(&stores, &newest).await;
            if matches!(agree, Ok(false)) && state.borrow_mut().doubt(&newest.epoch) {
                shared.borrow_mut().tally.doubts += 1;
            }
        }
        shared.borrow_mut().end_connection(connection);
    }
}

/// Looks at what Redis is set to.
async fn watcher(shared: Shared, state: Rc<RefCell<State>>) {
    loop {
        pause().await;
        let looked = ask(&shared, |world| Ok(world.unkept_since.is_none())).await;
        if let Ok(is_kept) = looked {
            state.borrow_mut().is_kept = is_kept;
            if shared.borrow().bug == Some(Bug::SettingsOnce) {
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn writer(shared: Shared, state: Rc<RefCell<State>>) {
    let life = state.borrow().life;
    loop {
        pause().await;
        if state.borrow().era.is_none() {
            continue;
        }
        let Some(connection) = connect(&shared, life, Some(Lock::Writer)).await else {
            continue;
        };
        let _ = write(&shared, &state, connection).await;
        shared.borrow_mut().end_connection(connection);
    }
}

/// As the `TransferWriter`.
async fn write(
    shared: &Shared,
    state: &Rc<RefCell<State>>,
    connection: Connection,
) -> Result<(), WriteBehindOpenError> {
    let Some(era) = state.borrow().era.clone() else {
        return Ok(());
    };
    let stores = Simulated::new(shared, connection);
    let (before, redis) = (stores.database().await?, stores.redis().await?);
    let after = stores.database().await?;
    let (Some(before), Some(mark), Some(after)) = (before, redis, after) else {
        state.borrow_mut().doubt(&era.epoch);
        return Ok(());
    };
    let is_unjudged = stores.bug() == Some(Bug::WriterUnjudged);
    let agree = after.epoch == era.epoch && is_agreed(&before, &mark, &after, Some(&era));
    if !agree && !is_unjudged {
        state.borrow_mut().doubt(&era.epoch);
        return Ok(());
    }
    let narrow = |position: u64| usize::try_from(position).map_err(|_| WriteBehindOpenError::Busy);
    let (mut persisted, mut trimmed) = (narrow(after.position)?, narrow(mark.trimmed)?);
    loop {
        pause().await;
        let Some(token) = state.borrow().token().filter(|token| token.0 == era.epoch) else {
            return Ok(());
        };
        let from = trimmed;
        let asked = token.clone();
        let tail = ask(shared, move |world| {
            let bug = world.bug;
            let data = world.master().called(&asked, bug)?;

            let begin = data.trimmed.max(from);
            let until = data.history.len().min(begin + 3);
            Ok((
                begin,
                data.history.get(begin..until).unwrap_or_default().to_vec(),
            ))
        });
        let (begin, tail) = unless_stale(tail.await, state, &era)?;
        if tail.is_empty() {
            continue;
        }
        if begin != trimmed {
            state.borrow_mut().doubt(&era.epoch);
            return Ok(());
        }
        let to = trimmed + tail.len();
        if to > persisted {
            let fresh = tail
                .get(persisted.saturating_sub(trimmed)..)
                .unwrap_or_default();
            if persisted < trimmed && !is_unjudged {
                state.borrow_mut().doubt(&era.epoch);
                return Ok(());
            }
            let (epoch, at, fresh) = (era.epoch.clone(), persisted, fresh.to_vec());
            let done = stores.query(move |world| {
                world.tally.persisted += fresh.len() as u64;
                world.tally.late += u64::from(world.is_orphan(connection));
                let done = world.database.persist(&epoch, at, to, &fresh);
                world.tell(|| format!("persisted {fresh:?} from {at} to {to}: {done:?}"));
                done
            });
            if let Err(error) = done.await {
                // Moved: somebody else took an epoch or persists.
                state.borrow_mut().doubt(&era.epoch);
                return Err(error);
            }
            persisted = to;
        }
        // It may forget, then it may trim.
        for is_trim in [false, true] {
            let asked = token.clone();
            let told = ask(shared, move |world| {
                let bug = world.bug;
                let data = world.master().called(&asked, bug)?;
                data.let_go = data.let_go.max(to);
                if is_trim {
                    data.trimmed = data.trimmed.max(to);
                }
                Ok(())
            });
            unless_stale(told.await, state, &era)?;
        }
        trimmed = to;
    }
}

fn unless_stale<T>(
    answer: Result<T, No>,
    state: &Rc<RefCell<State>>,
    era: &Newest,
) -> Result<T, WriteBehindOpenError> {
    answer.map_err(|no| {
        if no == No::Stale {
            state.borrow_mut().doubt(&era.epoch);
        }
        failed(no)
    })
}

/// Writes, repeats what was not answered, and reads what was.
async fn client(shared: Shared, state: Rc<RefCell<State>>) {
    let mut unanswered: Option<Write> = None;
    loop {
        pause().await;
        let Some(token) = state.borrow().token() else {
            continue;
        };
        let is_read = shared.borrow_mut().rng.random_range(0..4) == 0;
        if is_read {
            let answered = state.borrow().answered.clone();
            let count = answered.len();
            if count > 0 {
                let at = shared.borrow_mut().rng.random_range(0..count);
                let write = answered.keys().nth(at).copied().unwrap_or(0);
                let asked = token.clone();
                let read = ask(&shared, move |world| {
                    let bug = world.bug;
                    let found = world.master().called(&asked, bug)?.history.contains(&write);
                    world.check_read(write, found);
                    Ok(())
                });
                if matches!(read.await, Err(No::Stale)) {
                    state.borrow_mut().doubt(&token.0);
                }
            }
            continue;
        }
        if unanswered.is_none() && state.borrow().is_draining || !state.borrow().is_kept {
            continue;
        }
        let sent_at = shared.borrow().step;
        let write = unanswered.unwrap_or_else(|| shared.borrow_mut().name());
        unanswered = Some(write);
        let asked = token.clone();
        let applied = ask(&shared, move |world| {
            let bug = world.bug;
            let (position, is_new) = world.master().apply(&asked, write, bug)?;
            if is_new {
                world.audit.applied(write);
                world.tell(|| format!("applied {write} at {position}"));
            }
            Ok(position as u64)
        });
        match applied.await {
            // The era is over: given again.
            Ok(_) if state.borrow().token().is_none_or(|now| now.0 != token.0) => {}
            Ok(position) => {
                let mut state = state.borrow_mut();
                state.note(&token.0, position);
                state.answered.insert(write, position);
                shared.borrow_mut().check_answer(sent_at, state.runs_since);
                unanswered = None;
            }
            Err(No::Stale) => {
                state.borrow_mut().doubt(&token.0);
            }
            Err(No::Lost | No::Moved | No::Unpersisted) => {}
        }
    }
}
