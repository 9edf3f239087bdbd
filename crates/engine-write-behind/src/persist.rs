//! The `TransferWriter`: reads the stream in order and persists ids and entries, each time with the
//! position they bring the database to, in one transaction. Then Redis may let go of them. Of all
//! nodes one does it; when it dies, another one goes on from the stored position.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease, write_history};
use ledger::{AccountId, Event, Transfer, TransferKind};
use redis::{Cmd, Value};
use stdx::ErrorChain;

use crate::compare::{Stores, is_agreed};
use crate::error::WriteBehindOpenError;
use crate::error::{Damaged, Trouble};
use crate::filter::Hash;
use crate::front::{Era, Front};
use crate::layout::{batch_key, transfer_key};
use crate::link::{Function, bytes, done, number};
use crate::pace::Pace;
use crate::positions::{self, Logged, Role};
use crate::record::{Record, decode_all};
use crate::repair::RealStores;

/// How long to wait where there is little to do; what gathers meanwhile goes together.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for the lock, or after a failure.
const RETRY: Duration = Duration::from_millis(300);
const BOUND: Duration = Duration::from_secs(5);
/// About how many events are persisted together, and how many bytes of them.
const EVENTS_MAX: u64 = 16_384;
const BYTES_MAX: u64 = 4 << 20;
/// After this number of halvings it is a single call.
const HALVINGS_MAX: u32 = 14;
/// From how many events on there is no waiting for more.
const EVENTS_MANY: usize = 1_000;
/// How many ids Redis is told together that it may forget.
const FORGOTTEN_TOGETHER: usize = 500;

/// Why the writer stopped.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the database failed")]
    Database(#[from] Failure),
    #[error("Redis failed")]
    Redis(#[from] Trouble),
    /// Another node writes, the stores were compared again, or have to be.
    #[error("Redis or the database has changed since they were compared")]
    Moved,
    #[error("the stores cannot be read")]
    Stores(#[from] WriteBehindOpenError),
}

impl Stop {
    /// Whether less at a time may go better.
    fn is_late(&self) -> bool {
        match self {
            Self::Database(failure) => positions::is_late(failure),
            Self::Redis(trouble) => matches!(trouble, Trouble::Late),
            Self::Moved | Self::Stores(_) => false,
        }
    }
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<Damaged> for Stop {
    fn from(damaged: Damaged) -> Self {
        Self::Redis(damaged.into())
    }
}

/// Writes for ever.
pub(crate) async fn run(front: Arc<Front>) {
    let mut pace = Pace::new(HALVINGS_MAX);
    loop {
        if let Err(stop) = write(&front, &mut pace).await {
            if stop.is_late() {
                pace.late();
            }
            tracing::warn!(error = %ErrorChain(&stop), "answered writes were not persisted: they stay in Redis, and it is tried again");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Writes as long as it holds the lock and all goes well; at once back where somebody else has it.
async fn write(front: &Front, pace: &mut Pace) -> Result<(), Stop> {
    let deadline = Instant::now() + BOUND;
    let locked = positions::try_lock(&front.tables, Role::Transfers, deadline);
    let Some(lease) = locked.await? else {
        return Ok(());
    };
    let Some(era) = front.era_now() else {
        return Ok(());
    };
    // The judgement of a start: also the database may be an older one by now.
    let newest = era.newest();
    let stores = RealStores {
        front,
        lease: &lease,
    };
    let (before, redis) = (stores.database().await?, stores.redis().await?);
    let after = stores.database().await?;
    let (Some(before), Some(mark), Some(after)) = (before, redis, after) else {
        front.doubt(&era.epoch);
        return Err(Stop::Moved);
    };
    if after.epoch != era.epoch || !is_agreed(&before, &mark, &after, Some(&newest)) {
        front.doubt(&era.epoch);
        return Err(Stop::Moved);
    }
    // Redis lets go of nothing that a failover of the database could take back.
    lease.settle().await?;
    let mut writer = Writer {
        front,
        lease,
        era,
        persisted: after.position,
        // What was persisted and not let go of is read again.
        trimmed: mark.trimmed,
    };
    tracing::info!(
        position = writer.persisted,
        "this node persists answered writes"
    );
    loop {
        let events_count = tokio::time::timeout(pace.bound(BOUND * 2), writer.step(pace)).await;
        let events_count = events_count.map_err(|_| Stop::Database(Failure::Late))??;
        pace.in_time();
        if events_count < EVENTS_MANY {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

struct Writer<'a> {
    front: &'a Front,
    lease: Lease,
    era: Arc<Era>,
    /// Where the database is.
    persisted: u64,
    /// What Redis has let go of.
    trimmed: u64,
}

impl Writer<'_> {
    fn call(&self, function: Function) -> Cmd {
        let mut call = function.call();
        call.arg(self.era.token());
        call
    }

    async fn ask(&self, call: &Cmd) -> Result<Vec<Value>, Stop> {
        let reply = self.front.link.call(call, Instant::now() + BOUND).await;
        if matches!(reply, Err(Trouble::Stale)) {
            self.front.doubt(&self.era.epoch);
        }
        Ok(done(reply?)?)
    }

    /// Persists the next calls, and lets Redis let go of them; how many events they were.
    async fn step(&mut self, pace: &Pace) -> Result<usize, Stop> {
        let mut call = self.call(Function::Tail);
        call.arg(self.trimmed);
        call.arg(pace.of(EVENTS_MAX)).arg(pace.of(BYTES_MAX));
        let values = self.ask(&call).await?;
        let calls = values.get(2..).ok_or(Damaged)?;
        if !calls.len().is_multiple_of(2) {
            return Err(Damaged.into());
        }
        let mut let_go = Vec::new();
        let mut position = self.trimmed;
        let (mut payload, mut events, mut fresh) = (Vec::new(), Vec::new(), self.persisted);
        for call in calls.chunks_exact(2) {
            let first = number(call.first())?;
            let bytes = bytes(call.get(1))?.ok_or(Damaged)?;
            let records = decode_all(bytes)?;
            if first != position + 1 {
                tracing::error!(
                    position,
                    first,
                    "calls after position {position} are missing from the stream in Redis: nothing after it \
                     is persisted until Redis and the database are compared again"
                );
                self.front.doubt(&self.era.epoch);
                return Err(Damaged.into());
            }
            position += records.len() as u64;
            if position > self.persisted {
                // Nothing is left out: the first one follows what the database has.
                if first != fresh + 1 {
                    tracing::error!(
                        persisted = fresh,
                        first,
                        "a call in Redis does not continue what is persisted up to position {fresh}: nothing \
                         after it is persisted until Redis and the database are compared again"
                    );
                    self.front.doubt(&self.era.epoch);
                    return Err(Damaged.into());
                }
                payload.extend_from_slice(bytes);
                fresh = position;
                events.extend(records.iter().cloned());
            }
            let_go.extend(records);
        }
        if fresh > self.persisted {
            self.persist(fresh, payload, events, pace).await?;
        }
        if position > self.trimmed {
            self.let_go(position, &let_go).await?;
        }
        Ok(let_go.len())
    }

    async fn persist(
        &mut self,
        to: u64,
        records: Vec<u8>,
        events: Vec<Record>,
        pace: &Pace,
    ) -> Result<(), Stop> {
        let newest = events.iter().map(|record| record.event.timestamp());
        let newest = newest.max().ok_or(Damaged)?;
        let mut batches = Vec::new();
        let mut history = Vec::with_capacity(events.len());
        for record in events {
            batches.extend(record.batch);
            history.push(record.event);
        }
        let lease = &self.lease;
        let client = lease.client();
        positions::begin(lease, pace).await?;
        // The row first: a writer from before a rebuild, or a second one, ends here.
        if !positions::move_ledger(lease, &self.era.epoch, self.persisted, to, newest).await? {
            client.batch_execute("ROLLBACK").await?;
            self.front.doubt(&self.era.epoch);
            return Err(Stop::Moved);
        }
        write_history(lease, &history, batches).await?;
        let logged = Logged {
            position: to,
            records,
        };
        positions::add_to_log(lease, &logged).await?;
        client.batch_execute("COMMIT").await?;
        lease.committed()?;
        self.persisted = to;
        Ok(())
    }

    /// Tells Redis what is persisted: ids go to the filter and may be forgotten after their time,
    /// entries and the stream are cut.
    async fn let_go(&mut self, position: u64, records: &[Record]) -> Result<(), Stop> {
        let ids_kept = self.front.options.ids_kept.as_secs();
        let mut forgotten = Vec::new();
        let mut newest = BTreeMap::new();
        for record in records {
            forget(&record.event, &mut forgotten);
            if let Event::Transfer(transfer) = &record.event {
                note_entries(transfer, &mut newest);
            }
        }
        for together in forgotten.chunks(FORGOTTEN_TOGETHER) {
            let mut call = self.call(Function::Forget);
            call.arg(position).arg(ids_kept);
            for id in together {
                call.arg(&id.key);
                match id.hash {
                    Some(hash) => call.arg(hash.to_bytes().as_slice()),
                    None => call.arg(""),
                };
                call.arg(if id.may_go { "1" } else { "0" });
            }
            self.ask(&call).await?;
        }
        let mut call = self.call(Function::Trim);
        call.arg(position);
        for (account_id, number) in newest {
            call.arg(account_id.as_str()).arg(number);
        }
        self.ask(&call).await?;
        self.trimmed = position;
        if self.front.note(&self.era, position, position) {
            Ok(())
        } else {
            Err(Stop::Moved)
        }
    }
}

/// An id in Redis that the database has.
struct Forgotten {
    key: Vec<u8>,
    /// For the filter; `None` where it has been there.
    hash: Option<Hash>,
    /// Not while a transfer is pending.
    may_go: bool,
}

fn forget(event: &Event, forgotten: &mut Vec<Forgotten>) {
    let mut add = |key: Vec<u8>, hash: Option<Hash>, may_go: bool| {
        forgotten.push(Forgotten { key, hash, may_go });
    };
    match event {
        Event::Transfer(transfer) => {
            if let Some((pending_id, _)) = transfer.ends() {
                add(transfer_key(pending_id), None, true);
            }
            let id = transfer.id;
            let hash = Hash::of_transfer(id);
            match transfer.kind {
                TransferKind::Expire => {}
                TransferKind::Pend { .. } => add(transfer_key(id), Some(hash), false),
                TransferKind::Transfer
                | TransferKind::Post { .. }
                | TransferKind::PostPart { .. }
                | TransferKind::Void { .. }
                | TransferKind::Settle { .. }
                | TransferKind::Reverse { .. } => add(transfer_key(id), Some(hash), true),
            }
        }
        Event::Refused { command, .. } => {
            if let Some(ledger::UsedId::Transfer(id)) = command.used_id() {
                add(transfer_key(id), Some(Hash::of_transfer(id)), true);
            }
        }
        Event::Batch(batch) => {
            add(batch_key(batch.id), Some(Hash::of_batch(batch.id)), true);
        }
        // They use no id. Payments are refused over this engine.
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::PaymentResolved(_) => {}
    }
}

/// The newest entry of each account.
fn note_entries<'a>(transfer: &'a Transfer, newest: &mut BTreeMap<&'a AccountId, u64>) {
    let sides = [
        (&transfer.debit_account_id, transfer.debit),
        (&transfer.credit_account_id, transfer.credit),
    ];
    for (id, after) in sides {
        if let Some(after) = after {
            newest.insert(id, after.entry_number);
        }
    }
}
