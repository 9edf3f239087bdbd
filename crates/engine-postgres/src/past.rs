//! What was: an unlimited account's balance at a time, and up to which time everything is decided.
//!
//! An unlimited account's rows have what it is now. What it was is that, less what every transfer since has changed: they are
//! read, of one instant with its rows, at most [`SINCE_MAX`] of them.
//!
//! A transaction takes its time when it has locked what it depends upon, and commits later. So a time is safe if every
//! transaction that holds such a lock began after it, and every other one takes its locks, and then its time, later:
//!
//! 1. the clock is read;
//! 2. then those are looked at who hold a lock that every call which changes a balance takes before its time.

use std::time::Instant;

use ledger::{AccountId, BalanceAt, Timestamp, Unavailable, UsedTransfer};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::clock::NOW;
use crate::codec::{stripe_columns, time, timestamp, unlimited_account, used_transfer};
use crate::error::Failure;
use crate::lease::Lease;
use crate::listed::text;

/// How many transfers since a time are read at most.
const SINCE_MAX: i64 = 50_000;

/// The account's rows, and beside the first of them every transfer since.
const UNLIMITED_AT: &str = concat!(
    "SELECT NULL::uuid AS transfer_id, NULL::bytea AS record, NULL::smallint AS pending_state,
        NULL::bigint AS reversed_amount, NULL::bigint AS left_amount, ",
    stripe_columns!(),
    " FROM lastro.stripes WHERE account_id = $1
    UNION ALL
    SELECT since.id, transfer.record, transfer.pending_state, transfer.reversed_amount,
        transfer.left_amount, '', 0, '', 0, 0, 0, 0, 0
    FROM (
        SELECT id FROM lastro.listed WHERE list = $2 AND listed_at > $3
        ORDER BY listed_at, id LIMIT $4
    ) AS since
    LEFT JOIN lastro.transfers transfer ON transfer.transfer_id = since.id"
);

/// When the oldest transaction began that may have taken its time and can still commit. One of another role, or one that
/// was prepared for later, does not show when it began.
const OLDEST_WRITER: &str = "
    SELECT (extract(epoch FROM min(session.xact_start)) * 1000000)::bigint * 1000 AS began_ns,
        coalesce(bool_or(session.xact_start IS NULL), false) AS is_hidden
    FROM pg_locks AS held LEFT JOIN pg_stat_activity AS session USING (pid)
    WHERE held.locktype = 'relation' AND held.granted
        AND held.relation IN ('lastro.accounts'::regclass, 'lastro.payments'::regclass,
            'lastro.transfers'::regclass)
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND held.mode IN ('RowShareLock', 'RowExclusiveLock')";

/// The one that walks along a key.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 1] = [UNLIMITED_AT];

impl Store {
    pub(crate) async fn unlimited_balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, Unavailable> {
        let turn = tokio::time::timeout_at(deadline.into(), self.past.acquire());
        let _turn = turn.await.map_err(|_| Unavailable::Timeout)?;
        let list = text(ledger::ListName::TransfersOf(&id));
        let parameters: [&(dyn ToSql + Sync); 4] =
            [&id.as_str(), &list, &time(at), &(SINCE_MAX + 1)];
        let found = self.ask(UNLIMITED_AT, &parameters, deadline, |rows| {
            balance_before(&id, rows)
        });
        match found.await? {
            Found::Balance(balance) => Ok(Some(BalanceAt {
                balance,
                entry_number: 0,
            })),
            Found::NoAccount => Ok(None),
            Found::TooMany => Err(Unavailable::Timeout),
        }
    }

    pub(crate) async fn safe_time(&self, deadline: Instant) -> Result<Timestamp, Unavailable> {
        self.until(deadline, || self.look_for_safe_time(deadline))
            .await
    }

    async fn look_for_safe_time(&self, deadline: Instant) -> Result<Timestamp, Failure> {
        let lease = Lease::take(&self.pool, deadline).await?;
        let client = lease.client();
        let (now, oldest) = (
            client.prepare_cached(NOW).await?,
            client.prepare_cached(OLDEST_WRITER).await?,
        );
        let now: i64 = client.query_one(&now, &[]).await?.try_get("now_ns")?;
        let oldest = client.query_one(&oldest, &[]).await?;
        let began: Option<i64> = oldest.try_get("began_ns")?;
        let is_hidden: bool = oldest.try_get("is_hidden")?;
        lease.done();
        if is_hidden {
            // It is looked at again: a writer does not last.
            return Err(Failure::Late);
        }
        // The clock shows whole microseconds: what is decided in this one may not have begun.
        let safe = began.map_or(now, |began| now.min(began)) - 1;
        Ok(timestamp(safe))
    }
}

enum Found {
    Balance(i64),
    NoAccount,
    TooMany,
}

/// The balance of the rows, less what the transfers have changed.
fn balance_before(id: &AccountId, rows: &[Row]) -> Result<Found, Failure> {
    let (mut stripes, mut since) = (Vec::new(), Vec::new());
    for row in rows {
        match row.try_get::<_, &str>("account_id")? {
            "" => since.push(row),
            _ => stripes.push(row),
        }
    }
    let Some(account) = unlimited_account(stripes)? else {
        return Ok(Found::NoAccount);
    };
    if since.len() as u64 > SINCE_MAX.cast_unsigned() {
        return Ok(Found::TooMany);
    }
    let mut balance = account.balance();
    for row in since {
        let damaged = || Failure::Damaged("a list of transfers");
        row.try_get::<_, Option<&[u8]>>("record")?
            .ok_or_else(damaged)?;
        let UsedTransfer::Created(transfer, _) = used_transfer(row)?.1 else {
            return Err(damaged());
        };
        balance = balance.wrapping_sub(transfer.balance_change(id));
    }
    Ok(Found::Balance(balance))
}
