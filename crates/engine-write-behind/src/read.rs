//! Reads: from Redis, and what it has let go of from the database.
//!
//! Redis lets go only of what is persisted, and entries never change: whatever is missing in the
//! one is in the other, and a number is in one of the two parts only.

use std::time::{Duration, Instant};

use ledger::{
    Account, AccountId, BalanceAt, Entry, Event, PendingEnd, STATEMENT_PAGE_MAX, Statement,
    StatementQuery, Timestamp, TransferId, Unavailable, UsedTransfer,
};
use redis::{Cmd, Value};
use stdx::ErrorChain;

use crate::account::Kept;
use crate::call::transfer_name;
use crate::error::{Damaged, Trouble};
use crate::front::Front;
use crate::link::{Function, Reply, bytes, number};
use crate::moment::Moment;
use crate::record::Record;

/// How long to wait before a read is tried again.
const PAUSE: Duration = Duration::from_millis(20);

impl Front {
    pub(crate) async fn account(
        &self,
        id: &AccountId,
        deadline: Instant,
    ) -> Result<Option<Account>, Unavailable> {
        let ask = |call: &mut Cmd| {
            call.arg(id.as_str());
        };
        let values = self.ask(Function::Account, ask, deadline).await?;
        account(&values).map_err(damaged)
    }

    pub(crate) async fn statement(
        &self,
        query: StatementQuery,
        deadline: Instant,
    ) -> Result<Option<Statement>, Unavailable> {
        let id = &query.account_id;
        let limit = query.limit.min(STATEMENT_PAGE_MAX);
        // No account has as many entries as a double can count.
        let before = query.before.unwrap_or(1 << 53).min(1 << 53);
        let ask = |call: &mut Cmd| {
            call.arg(id.as_str()).arg(before).arg(limit);
        };
        let values = self.ask(Function::Statement, ask, deadline).await?;
        let Some(account) = account(&values).map_err(damaged)? else {
            return Ok(None);
        };
        let mut entries = entries(&values, id).map_err(damaged)?;
        let first_here = number(values.get(1)).map_err(damaged)?;
        let before = before.min(first_here);
        if entries.len() < limit && before > 1 && !id.is_reserved() {
            let more = limit - entries.len();
            let older = self.tables.entries(id, before, more, deadline).await?;
            entries.extend(older);
        }
        check_numbers(&entries, &query, account.entry_count)?;
        Ok(Some(Statement { account, entries }))
    }

    pub(crate) async fn balance_at(
        &self,
        id: &AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, Unavailable> {
        if id.is_reserved() {
            // Neither Redis nor the database has what an unlimited account was in the past.
            return Err(Unavailable::NotSupported);
        }
        let moment = Moment::from(at);
        let ask = |call: &mut Cmd| {
            call.arg(id.as_str()).arg(moment.us).arg(moment.ns);
        };
        let values = self.ask(Function::BalanceAt, ask, deadline).await?;
        if account(&values).map_err(damaged)?.is_none() {
            return Ok(None);
        }
        let nothing = BalanceAt {
            balance: 0,
            entry_number: 0,
        };
        if let Some(record) = bytes(values.get(2)).map_err(damaged)? {
            let entry = entry(record, id).map_err(damaged)?;
            return Ok(Some(BalanceAt {
                balance: entry.balance_after,
                entry_number: entry.number,
            }));
        }
        if number(values.get(1)).map_err(damaged)? <= 1 {
            return Ok(Some(nothing));
        }
        let found = self.tables.entry_at(id, at, deadline).await?;
        Ok(Some(found.unwrap_or(nothing)))
    }

    pub(crate) async fn transfer(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<UsedTransfer>, Unavailable> {
        let ask = |call: &mut Cmd| {
            call.arg(transfer_name(id));
        };
        let values = match self.reply(Function::Transfer, ask, deadline).await? {
            Reply::Done(values) => values,
            Reply::Check(_) | Reply::Again => return self.tables.transfer(id, deadline).await,
        };
        let used = |record| Record::decode(record)?.into_used();
        let record = bytes(values.first()).map_err(damaged)?;
        record.map(used).transpose().map_err(damaged)
    }

    pub(crate) async fn pending_end(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<PendingEnd>, Unavailable> {
        let ask = |call: &mut Cmd| {
            call.arg(transfer_name(id));
        };
        let values = match self.reply(Function::Transfer, ask, deadline).await? {
            Reply::Done(values) => values,
            Reply::Check(_) | Reply::Again => return self.tables.pending_end(id, deadline).await,
        };
        let record = bytes(values.first()).map_err(damaged)?;
        let record = record.map(Record::decode).transpose().map_err(damaged)?;
        Ok(record.and_then(|record| record.pending_end))
    }

    pub(crate) async fn ask(
        &self,
        function: Function,
        add: impl Fn(&mut Cmd),
        deadline: Instant,
    ) -> Result<Vec<Value>, Unavailable> {
        match self.reply(function, add, deadline).await? {
            Reply::Done(values) => Ok(values),
            Reply::Check(_) | Reply::Again => Err(Unavailable::StorageDamaged),
        }
    }

    /// Asks one function until Redis answers or the deadline passes.
    async fn reply(
        &self,
        function: Function,
        add: impl Fn(&mut Cmd),
        deadline: Instant,
    ) -> Result<Reply, Unavailable> {
        loop {
            let era = self.era(deadline).await?;
            let mut call = function.call();
            call.arg(era.token());
            add(&mut call);
            let trouble = match self.link.read(&call, deadline).await {
                Ok(reply) if self.is_now(&era) => return Ok(reply),
                // From a Redis that the ledger may not have gone on with.
                Ok(_) => continue,
                Err(Trouble::Stale) => {
                    self.doubt(&era.epoch);
                    continue;
                }
                Err(trouble) => trouble,
            };
            if !trouble.is_passing() || Instant::now() + PAUSE >= deadline {
                tracing::warn!(error = %ErrorChain(&trouble), "a read was not answered");
                return Err(trouble.unavailable());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

pub(crate) fn damaged(_: Damaged) -> Unavailable {
    tracing::error!("{Damaged}");
    Unavailable::StorageDamaged
}

fn account(values: &[Value]) -> Result<Option<Account>, Damaged> {
    let text = bytes(values.first())?;
    Ok(text.map(Kept::decode).transpose()?.map(|kept| kept.account))
}

fn entry(record: &[u8], id: &AccountId) -> Result<Entry, Damaged> {
    match Record::decode(record)?.event {
        Event::Transfer(transfer) => transfer.entry(id).ok_or(Damaged),
        _ => Err(Damaged),
    }
}

/// The entries that Redis gave, newest first.
fn entries(values: &[Value], id: &AccountId) -> Result<Vec<Entry>, Damaged> {
    let records = values.iter().skip(2);
    let of_value = |value| entry(bytes(Some(value))?.ok_or(Damaged)?, id);
    records.map(of_value).collect()
}

/// The numbers go down by one, from the newest that was asked for, and as far as was asked for.
fn check_numbers(
    entries: &[Entry],
    query: &StatementQuery,
    entry_count: u64,
) -> Result<(), Unavailable> {
    let newest = query.before.map_or(entry_count, |before| {
        before.saturating_sub(1).min(entry_count)
    });
    let limit = query.limit.min(STATEMENT_PAGE_MAX) as u64;
    let expected = (0..newest.min(limit)).map(|back| newest - back);
    if entries.iter().map(|entry| entry.number).eq(expected) {
        return Ok(());
    }
    tracing::error!(
        account = %query.account_id, entry_count,
        "a statement lacks entries that neither Redis nor the database has"
    );
    Err(Unavailable::StorageDamaged)
}
