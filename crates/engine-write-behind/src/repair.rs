//! Start and repair: what [`compare`](crate::compare) asks of the real stores, by one node at a time.
//! Every start does it, and every node that finds Redis or the database changed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease};
use redis::{Cmd, Value};
use stdx::ErrorChain;

use crate::compare::{Agreed, Mark, OnLoss, Stores, compare};
use crate::data_loss::Loss;
use crate::epoch::{History, Newest};
use crate::error::trouble;
use crate::error::{Damaged, WriteBehindOpenError};
use crate::front::Front;
use crate::layout::{MetaRecord, library_name};
use crate::library::LIBRARY;
use crate::link::{Function, bytes, done};
use crate::nodes::{self, Answered};
use crate::pace::BOUND;
use crate::positions::{self, Behind, Role};
use crate::rebuild::rebuild;
use crate::settings::RedisDurability;

/// How long another node may be at it.
const BUSY_BOUND: Duration = Duration::from_secs(600);
const LEAVE_BOUND: Duration = Duration::from_secs(1);

/// Where Redis' state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Kept,
    /// It was rebuilt from the database.
    Rebuilt,
}

/// Compares the stores, and rebuilds Redis where that is what it needs.
pub(crate) async fn repair(front: &Front) -> Result<Agreed, WriteBehindOpenError> {
    front.has_taken.store(false, Ordering::Relaxed);
    go_on_with_none(front).await;
    let lease = lock(front).await?;
    let settings = front.look_at_settings().await?;
    nodes::prepare(&lease).await?;
    if positions::has_payments(&lease).await? {
        return Err(WriteBehindOpenError::Unsafe(
            "the database has payments, and there are none over write-behind yet".to_owned(),
        ));
    }
    if positions::has_reversals(&lease).await? {
        return Err(WriteBehindOpenError::Unsafe(
            "the database has reversals, and there are none over write-behind yet".to_owned(),
        ));
    }
    if positions::has_parts(&lease).await? {
        return Err(WriteBehindOpenError::Unsafe(
            "the database has pending transfers that were posted with \"final\": false, and there are \
             none over write-behind yet"
                .to_owned(),
        ));
    }
    if positions::has_frozen(&lease).await? {
        return Err(WriteBehindOpenError::Unsafe(
            "the database has accounts that are frozen, and write-behind does not know that yet: \
             unfreeze them over --engine postgres first"
                .to_owned(),
        ));
    }
    load_library(front).await?;
    front.look_at_commands().await?;
    let newest = front.newest();
    let stores = RealStores {
        front,
        lease: &lease,
    };
    let on_loss = match (settings.durability, &newest) {
        // Only a start was told to.
        (_, None) if front.options.accepts_data_loss => OnLoss::NameAll,
        (RedisDurability::Everysec, _) => OnLoss::NameTail,
        (RedisDurability::Always, _) => OnLoss::Refuse,
    };
    let report_age = match newest {
        None => nodes::report_age(&lease).await?,
        // A node that ran knows by itself how far Redis was.
        Some(_) => None,
    };
    let agreed = compare(&stores, newest.as_ref(), on_loss).await?;
    // A Redis in use, which has not gone back, is joined: it needs no report.
    if let Some(age) = report_age
        && front.has_taken.load(Ordering::Relaxed)
    {
        tracing::warn!(
            report_age_s = age.as_secs(),
            position = agreed.position,
            "the newest report of how far nodes have answered is {} s old: no node ran since, or PostgreSQL was \
             away. Writes that were answered since and are not in this Redis are not known to be missing: make \
             sure that it is the one that the nodes used last",
            age.as_secs()
        );
    }
    // Before the lock goes: a node that takes it next, with another Redis, finds this one.
    let begins = Newest {
        epoch: agreed.epoch.clone(),
        position: agreed.position,
    };
    nodes::beat(&lease, front.node_id, &front.place(), &begins).await?;
    nodes::forget(&lease, front.node_id).await?;
    // The lock goes with the connection.
    drop(lease);
    Ok(agreed)
}

/// Nobody has to wait until it is clear that this node goes on with no Redis meanwhile. Where that
/// cannot be said, others find out by themselves, later.
async fn go_on_with_none(front: &Front) {
    let Some(newest) = front.newest() else {
        return;
    };
    let left = async {
        let lease = front.tables.lease(Instant::now() + LEAVE_BOUND).await?;
        nodes::leave(&lease, front.node_id, &newest).await?;
        lease.done();
        Ok::<(), Failure>(())
    };
    match tokio::time::timeout(LEAVE_BOUND, left).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(error = %ErrorChain(&error), "the other nodes could not be told that this one stopped");
        }
        Err(_) => {
            tracing::debug!("the other nodes could not be told in time that this one stopped");
        }
    }
}

async fn lock(front: &Front) -> Result<Lease, WriteBehindOpenError> {
    let until = Instant::now() + BUSY_BOUND;
    let mut has_said = false;
    while Instant::now() < until {
        let deadline = Instant::now() + BOUND;
        if let Some(lease) = positions::try_lock(&front.tables, Role::Repair, deadline).await? {
            return Ok(lease);
        }
        if !std::mem::replace(&mut has_said, true) {
            tracing::info!("another node compares the stores or rebuilds Redis: waiting for it");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(WriteBehindOpenError::Busy)
}

async fn load_library(front: &Front) -> Result<(), WriteBehindOpenError> {
    let deadline = Instant::now() + BOUND;
    let mut list = redis::cmd("FUNCTION");
    list.arg("LIST").arg("LIBRARYNAME").arg(library_name!());
    list.arg("WITHCODE");
    let known = front.link.ask(&list, deadline).await.map_err(trouble)?;
    if holds(&known, LIBRARY.as_bytes()) {
        return Ok(());
    }
    if matches!(&known, Value::Array(libraries) if !libraries.is_empty()) {
        return Err(WriteBehindOpenError::Unsafe(format!(
            "the functions {name} in Redis are not those of this version: \
             `FUNCTION DELETE {name}` once no other version runs",
            name = library_name!()
        )));
    }
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg(LIBRARY.as_str());
    front.link.ask(&load, deadline).await.map_err(trouble)?;
    Ok(())
}

/// Whether these bytes are somewhere in the answer.
fn holds(value: &Value, wanted: &[u8]) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == wanted,
        Value::VerbatimString { text, .. } => text.as_bytes() == wanted,
        Value::Array(values) => values.iter().any(|value| holds(value, wanted)),
        Value::Map(pairs) => pairs.iter().any(|(_, value)| holds(value, wanted)),
        _ => false,
    }
}

/// Redis, and the database over one connection.
pub(crate) struct RealStores<'a> {
    pub(crate) front: &'a Front,
    pub(crate) lease: &'a Lease,
}

impl RealStores<'_> {
    async fn call(&self, call: &Cmd) -> Result<Vec<Value>, WriteBehindOpenError> {
        let reply = self.front.link.call(call, Instant::now() + BOUND).await;
        reply.and_then(done).map_err(trouble)
    }

    async fn mark(&self, call: &Cmd) -> Result<Option<Mark>, WriteBehindOpenError> {
        let values = self.call(call).await?;
        let Some(meta) = bytes(values.first())? else {
            return Ok(None);
        };
        let mut mark = mark_of(meta)?;
        let begin = bytes(values.get(1))?.ok_or(Damaged)?;
        if !begin.is_empty() {
            let begin = std::str::from_utf8(begin).map_err(|_| Damaged)?;
            mark.stream_begin = Some(begin.parse().map_err(|_| Damaged)?);
        }
        mark.is_in_session = bytes(values.get(2))?.ok_or(Damaged)? == b"1";
        Ok(Some(mark))
    }
}

impl Stores for RealStores<'_> {
    async fn database(&self) -> Result<Option<Behind>, WriteBehindOpenError> {
        match positions::read(self.lease).await {
            // It is one from before these tables: nothing in it is behind this Redis.
            Err(failure) if positions::is_undefined(&failure) => Ok(None),
            read => Ok(read?),
        }
    }

    async fn create(&self) -> Result<(), WriteBehindOpenError> {
        // It was there when this node began: it is not made anew behind an operator's back.
        if self.front.newest().is_some() {
            return Err(WriteBehindOpenError::Unsafe(
                "the database was detached from Redis (`lastro migrate --detach`): stop this node, \
                 or start it again to put Redis in front once more"
                    .to_owned(),
            ));
        }
        positions::create(self.lease).await
    }

    async fn redis(&self) -> Result<Option<Mark>, WriteBehindOpenError> {
        self.mark(&Function::Look.call()).await
    }

    async fn check_alone(&self) -> Result<(), WriteBehindOpenError> {
        // Once refused, this node takes no Redis that it finds without the others: while theirs is
        // started again they look as if they were dead.
        if let Some(why) = self.front.elsewhere.lock().clone() {
            return Err(WriteBehindOpenError::Disagree(why));
        }
        // The name may lead to another one by now than when this comparison began.
        self.front.look_at_settings().await?;
        let checked = nodes::check(self.lease, self.front.node_id, &self.front.place()).await;
        if let Err(WriteBehindOpenError::Disagree(why)) = &checked {
            *self.front.elsewhere.lock() = Some(why.clone());
        }
        checked
    }

    async fn answered(&self) -> Result<Option<Answered>, WriteBehindOpenError> {
        Ok(nodes::answered(self.lease, self.front.node_id).await?)
    }

    async fn take(&self, above: u64) -> Result<Behind, WriteBehindOpenError> {
        self.front.has_taken.store(true, Ordering::Relaxed);
        positions::take_epoch(self.lease, above).await
    }

    async fn halt(&self, taken: &Behind) -> Result<Option<Mark>, WriteBehindOpenError> {
        let mut call = Function::Halt.call();
        call.arg(&taken.epoch)
            .arg(taken.ledger_id.as_bytes().as_slice());
        let found = self.mark(&call).await?;
        let checked = self.front.place();
        self.front.look_at_settings().await?;
        if self.front.place() != checked {
            // Whether another node goes on with another Redis than this one was not looked at.
            return Err(WriteBehindOpenError::OtherRedis);
        }
        Ok(found)
    }

    async fn history(&self, epoch: &str) -> Result<History, WriteBehindOpenError> {
        Ok(positions::history(self.lease, epoch).await?)
    }

    fn name(&self, loss: Loss, persisted: u64) {
        self.front.name(loss, persisted);
    }

    async fn resume(&self, found: &Mark, epoch: &str) -> Result<(), WriteBehindOpenError> {
        positions::fence(self.lease).await?;
        let mut call = Function::Resume.call();
        call.arg(&found.epoch).arg(epoch).arg(found.position);
        self.call(&call).await.map(drop)
    }

    async fn rebuild(
        &self,
        found: Option<&Mark>,
        drop: u64,
        epoch: &str,
    ) -> Result<(), WriteBehindOpenError> {
        positions::fence(self.lease).await?;
        let mut begin = Function::Rebuild.call();
        begin.arg(epoch);
        begin.arg(found.map_or("", |mark| mark.epoch.as_str()));
        begin.arg(drop);
        self.call(&begin).await?;
        rebuild(self.front, self.lease, epoch).await
    }

    async fn confirm(&self, epoch: &str, began: u64) -> Result<bool, WriteBehindOpenError> {
        Ok(positions::confirm_epoch(self.lease, epoch, began).await?)
    }
}

fn mark_of(record: &[u8]) -> Result<Mark, WriteBehindOpenError> {
    let meta = MetaRecord::decode(record)?;
    Ok(Mark {
        epoch: meta.epoch,
        ledger: meta.ledger,
        position: meta.position,
        trimmed: meta.trimmed,
        let_go: meta.let_go,
        stream_begin: None,
        is_in_session: false,
        is_old_format: meta.is_old_format,
    })
}
