//! The whole ledger, page by page: what somebody in front of the tables starts from.

use std::time::{Duration, Instant};

use ledger::{Account, AccountId, BatchId, Limit, Transfer, TransferId, UsedTransfer};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::codec::{account_id, limited_account, total, unlimited_account, used_transfer, uuid};
use crate::error::Failure;
use crate::lease::Lease;
use crate::tables::Tables;

const ACCOUNTS: &str = "
    SELECT * FROM lastro.accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2";

const UNLIMITED: &str = "SELECT * FROM lastro.stripes ORDER BY account_id, stripe";

const NEWEST_TRANSFERS: &str = "
    SELECT entry.account_id, transfer.transfer_id, record, pending_state, reversed_amount,
        left_amount
    FROM unnest($1::text[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT account_id, number, transfer_id FROM lastro.entries
        WHERE account_id = wanted.id ORDER BY number DESC LIMIT $2
    ) entry JOIN lastro.transfers transfer ON transfer.transfer_id = entry.transfer_id
    ORDER BY entry.account_id, entry.number";

const PENDINGS: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount
    FROM lastro.transfers
    WHERE transfer_id IN (
        SELECT DISTINCT transfer_id FROM lastro.pendings WHERE transfer_id >= $1
        ORDER BY transfer_id LIMIT $2)
    ORDER BY transfer_id";

const TRANSFER_IDS: &str = "
    SELECT transfer_id AS id FROM lastro.transfers WHERE transfer_id >= $1
    ORDER BY transfer_id LIMIT $2";

const BATCH_IDS: &str = "
    SELECT batch_id AS id FROM lastro.batches WHERE batch_id >= $1 ORDER BY batch_id LIMIT $2";

/// A limited account, and the limit it was opened with.
pub type LimitedAccount = (AccountId, Account, u64);

impl Tables {
    /// Limited accounts after this one, by id.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn accounts_after(
        &self,
        after: &str,
        limit: i64,
        deadline: Instant,
    ) -> Result<Vec<LimitedAccount>, Failure> {
        let rows = self.rows(ACCOUNTS, &[&after, &limit], deadline).await?;
        rows.iter().map(limited).collect()
    }

    /// Every unlimited account.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn unlimited_accounts(
        &self,
        deadline: Instant,
    ) -> Result<Vec<(AccountId, Account)>, Failure> {
        let rows = self.rows(UNLIMITED, &[], deadline).await?;
        summed(&rows)
    }

    /// The transfers of each of these accounts' newest entries, `count` at most, oldest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn newest_transfers(
        &self,
        ids: &[String],
        count: i64,
        deadline: Instant,
    ) -> Result<Vec<(AccountId, Transfer)>, Failure> {
        let rows = self
            .rows(NEWEST_TRANSFERS, &[&ids, &count], deadline)
            .await?;
        let of_entry = |row: &Row| match used_transfer(row)?.1 {
            UsedTransfer::Created(transfer, _) => Ok((account_id(row, "account_id")?, transfer)),
            _ => Err(Failure::Damaged("the transfer of an entry")),
        };
        rows.iter().map(of_entry).collect()
    }

    /// Transfers that are pending now, from this id on, by id.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn pendings_from(
        &self,
        from: TransferId,
        limit: i64,
        deadline: Instant,
    ) -> Result<Vec<(TransferId, UsedTransfer)>, Failure> {
        let from = uuid(from.to_u128());
        let rows = self.rows(PENDINGS, &[&from, &limit], deadline).await?;
        rows.iter().map(used_transfer).collect()
    }

    /// Used ids of the space of transfers, from this one on.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn transfer_ids_from(
        &self,
        from: TransferId,
        limit: i64,
        deadline: Instant,
    ) -> Result<Vec<TransferId>, Failure> {
        let ids = self.ids(TRANSFER_IDS, from.to_u128(), limit, deadline);
        Ok(ids.await?.into_iter().map(TransferId::from_u128).collect())
    }

    /// Likewise of atomic batches.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn batch_ids_from(
        &self,
        from: BatchId,
        limit: i64,
        deadline: Instant,
    ) -> Result<Vec<BatchId>, Failure> {
        let ids = self.ids(BATCH_IDS, from.to_u128(), limit, deadline);
        Ok(ids.await?.into_iter().map(BatchId::from_u128).collect())
    }

    async fn ids(
        &self,
        statement: &str,
        from: u128,
        limit: i64,
        deadline: Instant,
    ) -> Result<Vec<u128>, Failure> {
        let rows = self
            .rows(statement, &[&uuid(from), &limit], deadline)
            .await?;
        let id = |row: &Row| Ok(row.try_get::<_, Uuid>("id")?.as_u128());
        rows.iter().map(id).collect()
    }

    async fn rows(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
        deadline: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let rows = self.store().rows(statement, parameters, deadline);
        let rows = tokio::time::timeout_at(deadline.into(), rows).await;
        rows.map_err(|_| Failure::Late)?
    }
}

/// Every account, limited ones and others, in the transaction that the connection is in: where that
/// is `REPEATABLE READ`, as they were at one moment.
///
/// # Errors
///
/// When the database does not answer; each page by the bound.
pub async fn every_account(
    lease: &Lease,
    page: i64,
    bound: Duration,
) -> Result<Vec<(AccountId, Account)>, Failure> {
    let client = lease.client();
    let rows = tokio::time::timeout(bound, client.query(UNLIMITED, &[])).await;
    let mut accounts = summed(&rows.map_err(|_| Failure::Late)??)?;
    let mut after = String::new();
    loop {
        let rows = tokio::time::timeout(bound, client.query(ACCOUNTS, &[&after, &page])).await;
        let rows = rows.map_err(|_| Failure::Late)??;
        for row in &rows {
            let (id, account, _) = limited(row)?;
            accounts.push((id, account));
        }
        match accounts.last() {
            Some((last, _)) if !rows.is_empty() => after = last.to_string(),
            _ => return Ok(accounts),
        }
    }
}

fn limited(row: &Row) -> Result<LimitedAccount, Failure> {
    let opened = total(row, "credit_limit_opened")?;
    let id = account_id(row, "account_id")?;
    Ok((id, limited_account(row)?, opened))
}

/// Unlimited accounts from their stripes, by account.
pub(crate) fn summed(rows: &[Row]) -> Result<Vec<(AccountId, Account)>, Failure> {
    let mut accounts: Vec<(AccountId, Account)> = Vec::new();
    for row in rows {
        let id = account_id(row, "account_id")?;
        let Some(stripe) = unlimited_account(std::slice::from_ref(row))? else {
            continue;
        };
        match accounts.last_mut() {
            Some((last, sum)) if *last == id => add(sum, &stripe),
            _ => accounts.push((id, stripe)),
        }
    }
    Ok(accounts)
}

/// Adds a stripe's totals.
fn add(sum: &mut Account, stripe: &Account) {
    debug_assert_eq!(sum.limit, Limit::Unlimited, "only they have stripes");
    sum.debits_posted = sum.debits_posted.wrapping_add(stripe.debits_posted);
    sum.credits_posted = sum.credits_posted.wrapping_add(stripe.credits_posted);
    sum.debits_pending = sum.debits_pending.wrapping_add(stripe.debits_pending);
    sum.credits_pending = sum.credits_pending.wrapping_add(stripe.credits_pending);
}
