//! A node: the keeper, the writer and a client, as in `keeper`, `persist` and `front`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;

use rand::Rng;

use super::Bug;
use super::model::{Connection, No, Write, keeps_epoch};
use super::stores::{Simulated, failed};
use super::world::{Life, Shared, ask, pause};
use crate::compare::{Agreed, OnLoss, Stores, compare, is_agreed, still_agree};
use crate::epoch::Newest;
use crate::error::WriteBehindOpenError;

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
    /// The Redis that it goes on with, or was given, when it looked last.
    pub(super) run: u64,
    /// It was led to another Redis than a node that lived: it joins, and compares no more.
    pub(super) is_elsewhere: bool,
    /// It was started with `--accept-data-loss`.
    accepts_data_loss: bool,
    /// No new writes.
    pub(super) is_draining: bool,
}

impl State {
    /// As in `repair`. In the end an operator starts each node that needs it with `--accept-data-loss`.
    pub(super) const fn on_loss(&self, is_everysec: bool) -> OnLoss {
        let is_told = self.accepts_data_loss && self.last.is_none();
        match is_everysec {
            _ if is_told || self.is_draining => OnLoss::NameAll,
            true => OnLoss::NameTail,
            false => OnLoss::Refuse,
        }
    }

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
        self.is_elsewhere = false;
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
        let accepts_data_loss = shared.borrow_mut().rng.random();
        let state = Rc::new(RefCell::new(State {
            life,
            is_draining: shared.borrow().is_draining(),
            forgets_positions: keeps_epoch(shared.borrow().bug),
            runs_since: shared.borrow().step,
            accepts_data_loss,
            ..State::default()
        }));
        let known = Rc::clone(&state);
        shared.borrow_mut().states.insert(life, known);
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
        let looked = ask(&shared, move |world| Ok(world.redis_of(life).run)).await;
        if let Ok(run) = looked {
            state.borrow_mut().run = run;
        }
        let Some(connection) = connect(&shared, life, era.is_none().then_some(Lock::Repair)).await
        else {
            continue;
        };
        let stores = Simulated::new(&shared, &state, connection);
        match era {
            // What a node finds of Redis before it compares anything is not from before it looked.
            None if looked.is_err() => {}
            None => repair(&shared, &state, &stores).await,
            Some(newest) => watch(&shared, &state, &stores, newest, looked.is_ok()).await,
        }
        shared.borrow_mut().end_connection(connection);
    }
}

/// As `repair`.
async fn repair(shared: &Shared, state: &RefCell<State>, stores: &Simulated<'_>) {
    let (life, last) = {
        let state = state.borrow();
        (state.life, state.last.clone())
    };
    if let Some(newest) = last.clone() {
        // Others find out by themselves where this does not arrive.
        let _ = stores
            .query(move |world| {
                world.database.note_answered(life, newest, true);
                Ok(())
            })
            .await;
    }
    let is_taken = last.is_some() && shared.borrow().bug == Some(Bug::OwnLossTaken);
    let on_loss = match is_taken {
        true => OnLoss::NameAll,
        false => state.borrow().on_loss(shared.borrow().is_everysec),
    };
    let compared = async {
        let agreed = compare(stores, last.as_ref(), on_loss).await?;
        let begins = Newest {
            epoch: agreed.epoch.clone(),
            position: agreed.position,
        };
        let run = state.borrow().run;
        let beat = stores.query(move |world| {
            world.database.beat(life, run, begins);
            Ok(())
        });
        beat.await?;
        Ok(agreed)
    };
    match compared.await {
        Ok(agreed) => {
            state.borrow_mut().begin(&agreed);
            shared.borrow_mut().note_agreed(&agreed, last.as_ref());
        }
        Err(error) => {
            let is_refused = matches!(error, WriteBehindOpenError::Disagree(_));
            let says = error.to_string();
            let (is_behind, is_own) = (says.contains("DATA LOSS"), says.contains("this node has"));
            // These two an operator ends without another database: by the right Redis, or by accepting.
            let is_mended_by_a_start = is_behind || state.borrow().is_elsewhere;
            state.borrow_mut().is_refused = is_refused && !is_mended_by_a_start;
            let tally = &mut shared.borrow_mut().tally;
            tally.refused += u64::from(is_refused);
            tally.behind += u64::from(is_behind);
            tally.behind_own += u64::from(is_own);
        }
    }
}

/// As the keeper while the ledger is open.
async fn watch(
    shared: &Shared,
    state: &RefCell<State>,
    stores: &Simulated<'_>,
    newest: Newest,
    redis_answers: bool,
) {
    let (life, run) = (state.borrow().life, state.borrow().run);
    let reported = newest.clone();
    // It is tried again with the next look.
    let _ = stores
        .query(move |world| {
            match redis_answers {
                true => world.database.beat(life, run, reported),
                false => world.database.note_answered(life, reported, false),
            }
            Ok(())
        })
        .await;
    if shared.borrow().bug == Some(Bug::WriterUnjudged) {
        return;
    }
    let agree = still_agree(stores, &newest).await;
    if matches!(agree, Ok(false)) && state.borrow_mut().doubt(&newest.epoch) {
        shared.borrow_mut().tally.doubts += 1;
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
    let life = state.borrow().life;
    let stores = Simulated::new(shared, state, connection);
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
            let data = world.redis_of(life).called(&asked, bug)?;

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
                let data = world.redis_of(life).called(&asked, bug)?;
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
    let life = state.borrow().life;
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
                    let found = world
                        .redis_of(life)
                        .called(&asked, bug)?
                        .history
                        .contains(&write);
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
            let (position, is_new) = world.redis_of(life).apply(&asked, write, bug)?;
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
