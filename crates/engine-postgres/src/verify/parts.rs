//! Posts that kept the rest reserved: each beside its pending transfer, and beside its row in the list of
//! them.

use std::collections::HashMap;

use ledger::{Command, Transfer, UsedTransfer};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Auditor, EARLIER, transfer_at};
use crate::codec::{left, signed, used_transfer, uuid};
use crate::error::PostgresOpenError;

const PARTS_COUNT: &str = "
    SELECT count(*) FROM lastro.parts
    JOIN lastro.transfers USING (transfer_id)";

const LISTED: &str = "
    SELECT transfer_id, left_amount
    FROM unnest($1::uuid[], $2::uuid[]) AS wanted (transfer_id, pending_id)
    JOIN lastro.parts USING (pending_id, transfer_id)";

/// How much all parts have posted, and how much all pending transfers say so of themselves.
#[derive(Default)]
pub(super) struct Parts {
    posted: u128,
    told: u128,
    /// Refused ones too.
    count: i64,
}

impl Parts {
    /// Counts a part, and what parts have posted of a pending transfer.
    pub(super) fn count(&mut self, row: &Row) -> Result<(), PostgresOpenError> {
        match used_transfer(row) {
            Ok((_, UsedTransfer::Created(transfer, _))) => {
                if transfer.part().is_some() {
                    self.count += 1;
                    self.posted += u128::from(transfer.amount);
                }
                let left_amount: Option<i64> = row.try_get("left_amount")?;
                if let (Some(_), Ok(left_amount)) = (left_amount, left(&transfer, left_amount)) {
                    self.told += u128::from(transfer.amount - left_amount);
                }
            }
            Ok((_, UsedTransfer::Refused(command, _))) => {
                self.count += i64::from(matches!(command, Command::PostPart { .. }));
            }
            // What cannot be read was told of.
            Ok((_, UsedTransfer::Payment(_))) | Err(_) => {}
        }
        Ok(())
    }
}

impl Auditor<'_> {
    /// What the parts come to, beside what the pending transfers say and what is listed.
    pub(super) async fn check_parts(&mut self, parts: &Parts) -> Result<(), PostgresOpenError> {
        let Parts {
            posted,
            told,
            count,
        } = *parts;
        let listed = self.transaction.query_one(PARTS_COUNT, &[]).await?;
        let listed: i64 = listed.try_get(0)?;
        self.findings.check(listed == count, "parts", || {
            format!("{listed} parts are listed, and there are {count}")
        });
        self.findings.check(posted == told, "transfers", || {
            format!("{posted} were posted by parts, and {told} of pending transfers are so posted")
        });
        Ok(())
    }

    /// Each part, beside the pending transfer that it is of, and what is listed of it.
    pub(super) async fn compare_parts(
        &mut self,
        transfers: &[Transfer],
    ) -> Result<(), PostgresOpenError> {
        let parts = transfers.iter().filter_map(|transfer| {
            let (pending_id, left_amount) = transfer.part()?;
            Some((transfer, uuid(pending_id.to_u128()), left_amount))
        });
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = parts.iter().map(|(_, id, _)| *id).collect();
        let mut found = HashMap::new();
        for row in self.transaction.query(EARLIER, &[&ids]).await? {
            let column: Option<i64> = row.try_get("left_amount")?;
            if let Ok((id, UsedTransfer::Created(pending, _))) = used_transfer(&row)
                && let Ok(left_amount) = left(&pending, column)
            {
                found.insert(uuid(id.to_u128()), (pending, left_amount));
            }
        }
        let own_ids = parts.iter();
        let own_ids: Vec<Uuid> = own_ids.map(|(it, ..)| uuid(it.id.to_u128())).collect();
        let mut listed: HashMap<Uuid, Option<i64>> = HashMap::new();
        for row in self.transaction.query(LISTED, &[&own_ids, &ids]).await? {
            listed.insert(row.try_get("transfer_id")?, row.try_get("left_amount")?);
        }
        for (transfer, pending_id, left_amount) in parts {
            let own_id = uuid(transfer.id.to_u128());
            let place = transfer_at(own_id);
            let is_listed = listed.get(&own_id) == Some(&Some(signed(left_amount)));
            self.findings.check(is_listed, &place, || {
                format!("it is not listed as a part of pending transfer {pending_id}")
            });
            let fits = found.get(&pending_id).is_some_and(|(pending, newest)| {
                // The newest one has left the least.
                *newest <= left_amount && is_part(transfer, left_amount, pending)
            });
            self.findings.check(fits, place, || {
                format!("it is no part of pending transfer {pending_id}")
            });
        }
        Ok(())
    }
}

/// Whether the transfer may have posted a part of this pending one, with so much left after it.
fn is_part(transfer: &Transfer, left_amount: u64, pending: &Transfer) -> bool {
    let same_accounts = transfer.debit_account_id == pending.debit_account_id
        && transfer.credit_account_id == pending.credit_account_id;
    let expires_at = pending.expires_at();
    let in_time = expires_at.is_none_or(|at| transfer.timestamp < at);
    let amounts_fit = transfer
        .amount
        .checked_add(left_amount)
        .is_some_and(|before| before <= pending.amount);
    same_accounts && in_time && amounts_fit
}
