//! Redis made anew from the database, under a new epoch.
//!
//! The database has taken the new epoch before: nobody persists what was applied under an old one.
//! The accounts are brought to the position of the entries, and all is copied. Only the very end
//! founds Redis, and only the epoch's confirmation in the database makes nodes use it; a node that fails
//! before leaves it for the next one.

use std::time::{Duration, Instant};

use engine_postgres::Lease;
use ledger::{BatchId, Limit, TransferId, UsedTransfer};
use redis::{Cmd, Pipeline, Value};

use crate::account::Kept;
use crate::balances;
use crate::error::trouble;
use crate::error::{Damaged, WriteBehindOpenError};
use crate::filter::{Filters, Hash};
use crate::front::Front;
use crate::layout::{
    ENTRIES_KEPT, EXPIRIES, KEYS, REBUILD, account_key, entries_key, filter_key, transfer_key,
};
use crate::link::{Function, done, understand};
use crate::moment::Moment;
use crate::pace::BOUND;
use crate::positions;
use crate::record::{encode_transfer, encode_used};

const ACCOUNTS_PAGE: i64 = 500;
const PENDINGS_PAGE: i64 = 500;
const IDS_PAGE: i64 = 20_000;
/// How many commands go together.
const TOGETHER: usize = 500;
/// How often it is said how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// Copies what the database has, under the epoch that it has taken. Redis has begun its rebuild.
pub(crate) async fn rebuild(
    front: &Front,
    lease: &Lease,
    epoch: &str,
) -> Result<(), WriteBehindOpenError> {
    balances::finish(lease).await?;
    let behind = positions::read(lease).await?.ok_or(Damaged)?;
    if behind.epoch != epoch {
        return Err(WriteBehindOpenError::Busy);
    }
    let mut filling = Filling {
        front,
        epoch,
        waiting: Vec::new(),
        copied: 0,
        said: Instant::now(),
    };
    filling.wipe().await?;
    filling.accounts().await?;
    filling.pendings().await?;
    let filters = filling.ids().await?;
    filling.flush().await?;
    let newest = Moment::from(behind.newest);
    let mut found = Function::Found.call();
    found.arg(epoch).arg(behind.ledger_id.as_bytes());
    found.arg(behind.position).arg(newest.us).arg(newest.ns);
    found.arg(filters.count()).arg(filters.used());
    let founded = front.link.call(&found, Instant::now() + BOUND).await;
    founded.and_then(done).map_err(trouble)?;
    Ok(())
}

/// A rebuild under way.
struct Filling<'a> {
    front: &'a Front,
    epoch: &'a str,
    waiting: Vec<Cmd>,
    copied: u64,
    said: Instant,
}

impl Filling<'_> {
    /// Whatever an older ledger left is removed.
    async fn wipe(&mut self) -> Result<(), WriteBehindOpenError> {
        let mut cursor = Vec::from(*b"0");
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(KEYS);
            scan.arg("COUNT").arg(1_000);
            let page = self.front.link.ask(&scan, Instant::now() + BOUND).await;
            let Value::Array(mut page) = page.map_err(trouble)? else {
                return Err(Damaged.into());
            };
            let (Some(Value::Array(keys)), Some(Value::BulkString(next))) =
                (page.pop(), page.pop())
            else {
                return Err(Damaged.into());
            };
            for key in keys {
                if let Value::BulkString(key) = key
                    && key != REBUILD.as_bytes()
                {
                    self.fill("UNLINK", &[&key]).await?;
                }
            }
            if next == b"0" {
                return self.flush().await;
            }
            cursor = next;
        }
    }

    async fn accounts(&mut self) -> Result<(), WriteBehindOpenError> {
        let tables = &self.front.tables;
        for (id, account) in tables.unlimited_accounts(Instant::now() + BOUND).await? {
            let limit_opened = 0;
            let kept = Kept {
                account,
                limit_opened,
            };
            self.set(&account_key(&id), &kept.encode()).await?;
        }
        let mut after = String::new();
        loop {
            let deadline = Instant::now() + BOUND;
            let page = tables.accounts_after(&after, ACCOUNTS_PAGE, deadline);
            let page = page.await?;
            let Some((last, ..)) = page.last() else {
                return Ok(());
            };
            after = last.to_string();
            let ids: Vec<String> = page.iter().map(|(id, ..)| id.to_string()).collect();
            for (id, account, limit_opened) in page {
                debug_assert_ne!(
                    account.limit,
                    Limit::Unlimited,
                    "only limited ones are paged"
                );
                let kept = Kept {
                    account,
                    limit_opened,
                };
                self.set(&account_key(&id), &kept.encode()).await?;
                self.progress("accounts");
            }
            let entries =
                tables.newest_transfers(&ids, ENTRIES_KEPT.into(), Instant::now() + BOUND);
            for (id, transfer) in entries.await? {
                let record = encode_transfer(&transfer, None)?;
                let key = entries_key(&id);
                self.fill("RPUSH", &[&key, &record]).await?;
            }
        }
    }

    async fn pendings(&mut self) -> Result<(), WriteBehindOpenError> {
        let mut from = TransferId::from_u128(0);
        loop {
            let deadline = Instant::now() + BOUND;
            let page = self
                .front
                .tables
                .pendings_from(from, PENDINGS_PAGE, deadline);
            let page = page.await?;
            for (id, used) in &page {
                let record = encode_used(used)?;
                self.set(&transfer_key(*id), &record).await?;
                let UsedTransfer::Created(transfer, _) = used else {
                    return Err(Damaged.into());
                };
                if let Some(expires_at) = transfer.expires_at() {
                    let at = Moment::from(expires_at);
                    let score = (at.us + u64::from(at.ns > 0)).to_string();
                    let key = EXPIRIES.as_bytes();
                    let id = id.to_bytes();
                    self.fill("ZADD", &[key, score.as_bytes(), &id]).await?;
                }
                self.progress("pending transfers");
            }
            match page.last().map(|(id, _)| id.to_u128().checked_add(1)) {
                Some(Some(next)) => from = TransferId::from_u128(next),
                _ => return Ok(()),
            }
        }
    }

    /// Every used id goes into the filters.
    async fn ids(&mut self) -> Result<Filters, WriteBehindOpenError> {
        let tables = &self.front.tables;
        let mut filters = Filters::default();
        let mut from = TransferId::from_u128(0);
        loop {
            let page = tables.transfer_ids_from(from, IDS_PAGE, Instant::now() + BOUND);
            let page = page.await?;
            for id in &page {
                filters.add(Hash::of_transfer(*id));
                self.progress("ids");
            }
            match page.last().map(|id| id.to_u128().checked_add(1)) {
                Some(Some(next)) => from = TransferId::from_u128(next),
                _ => break,
            }
        }
        let mut from = BatchId::from_u128(0);
        loop {
            let page = tables.batch_ids_from(from, IDS_PAGE, Instant::now() + BOUND);
            let page = page.await?;
            for id in &page {
                filters.add(Hash::of_batch(*id));
            }
            match page.last().map(|id| id.to_u128().checked_add(1)) {
                Some(Some(next)) => from = BatchId::from_u128(next),
                _ => break,
            }
        }
        for (number, at, part) in filters.parts() {
            let key = filter_key(number);
            let at = at.to_string();
            self.fill("SETRANGE", &[&key, at.as_bytes(), &part]).await?;
        }
        Ok(filters)
    }

    async fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteBehindOpenError> {
        self.fill("SET", &[key, value]).await
    }

    /// Has a command run in Redis while this rebuild is the newest one.
    async fn fill(
        &mut self,
        command: &str,
        arguments: &[&[u8]],
    ) -> Result<(), WriteBehindOpenError> {
        let mut call = Function::Fill.call();
        call.arg(self.epoch).arg(command);
        for argument in arguments {
            call.arg(*argument);
        }
        self.waiting.push(call);
        if self.waiting.len() >= TOGETHER {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), WriteBehindOpenError> {
        let commands = std::mem::take(&mut self.waiting);
        if commands.is_empty() {
            return Ok(());
        }
        let count = commands.len();
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        let deadline = Instant::now() + BOUND;
        let answers = self.front.link.ask_all(&pipeline, count, deadline).await;
        for answer in answers.map_err(trouble)? {
            understand(answer).and_then(done).map_err(trouble)?;
        }
        Ok(())
    }

    fn progress(&mut self, what: &str) {
        self.copied += 1;
        if self.said.elapsed() >= PROGRESS {
            self.said = Instant::now();
            tracing::info!(copied_count = self.copied, now = what, "rebuilding Redis");
        }
    }
}
