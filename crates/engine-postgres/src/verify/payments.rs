//! Payments: each record beside its columns and the transfer's id it took; then the sums that
//! summaries add up.

use std::collections::BTreeSet;

use ledger::{AMOUNT_MAX, TransferId, UsedPayment, is_kept_description};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Auditor;
use super::pages::Pages;
use crate::codec::{used_payment, uuid};
use crate::error::PostgresOpenError;
use crate::listed::ListRows;
use crate::numbers::payment_is_settled;
use crate::rows::PaymentRows;
use crate::sums::WIDTHS_MS;

const PAYMENTS: &str = "SELECT * FROM lastro.payments ORDER BY payment_id";

const TAKEN: &str = "SELECT transfer_id FROM lastro.transfers WHERE transfer_id = ANY ($1)";

/// The buckets that are not what the payments make them, the first few.
const SUMS: &str = concat!(
    "
    WITH widths AS (SELECT * FROM unnest($1::smallint[], $2::bigint[]) AS w (level, width_ms)),
    expected AS (
        SELECT level, requested_at_ms / width_ms AS bucket, processor,
            count(*) AS payments_count, sum(amount) AS amount
        FROM lastro.payments, widths
        WHERE ",
    payment_is_settled!(),
    "
            AND accepted_at > coalesce((SELECT max(purged_at) FROM lastro.purges), -1)
        GROUP BY level, requested_at_ms / width_ms, processor
    ),
    found AS (
        SELECT level, bucket, processor, sum(payments_count) AS payments_count,
            sum(amount) AS amount
        FROM lastro.payment_sums GROUP BY level, bucket, processor
    )
    SELECT level, bucket, processor,
        coalesce(found.payments_count, 0)::text || ' payments of ' || coalesce(found.amount, 0)
            AS found,
        coalesce(expected.payments_count, 0)::text || ' payments of '
            || coalesce(expected.amount, 0) AS expected
    FROM expected FULL JOIN found USING (level, bucket, processor)
    WHERE (expected.payments_count, expected.amount)
        IS DISTINCT FROM (found.payments_count, found.amount)
    ORDER BY level, bucket, processor LIMIT 1000"
);

impl Auditor<'_> {
    pub(super) async fn payments(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "payments", PAYMENTS).await?;
        let mut last: Option<Uuid> = None;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut taken = Vec::new();
            for row in &rows {
                let id: Uuid = row.try_get("payment_id")?;
                self.findings
                    .check(last.is_none_or(|last| last < id), payment_at(id), || {
                        "its id is there twice".to_owned()
                    });
                last = Some(id);
                taken.extend(self.payment(id, row)?);
            }
            self.compare_taken(&taken).await?;
            self.compare_listed(&rows, ListRows::take_in_payment)
                .await?;
        }
    }

    /// Checks a payment; gives the transfer's id that it took, with its own.
    fn payment(&mut self, id: Uuid, row: &Row) -> Result<Option<(Uuid, Uuid)>, PostgresOpenError> {
        let place = payment_at(id);
        let Ok((own, used)) = used_payment(row) else {
            self.findings.add(place, "its record cannot be read");
            return Ok(None);
        };
        let mut columns = PaymentRows::default();
        columns.push(id, &used);
        let same = columns.state == [row.try_get::<_, i16>("state")?]
            && columns.account_id == [row.try_get::<_, Option<String>>("account_id")?]
            && columns.amount == [row.try_get::<_, i64>("amount")?]
            && columns.processor == [row.try_get::<_, Option<String>>("processor")?]
            && columns.requested_at_ms == [row.try_get::<_, Option<i64>>("requested_at_ms")?]
            && columns.accepted_at == [row.try_get::<_, i64>("accepted_at")?];
        self.findings.check(same, &place, || {
            "its columns are not what its record says".to_owned()
        });
        let UsedPayment::Accepted(payment) = used else {
            self.verified.refusals_count += 1;
            return Ok(None);
        };
        self.verified.payments_count += 1;
        let is_whole = payment.id == own
            && (1..=AMOUNT_MAX).contains(&payment.amount)
            && is_kept_description(&payment.description);
        self.findings.check(is_whole, &place, || {
            "its record is malformed, or has another id".to_owned()
        });
        let transfer_id = TransferId::of_payment(own).to_u128();
        Ok(Some((uuid(transfer_id), id)))
    }

    async fn compare_taken(&mut self, taken: &[(Uuid, Uuid)]) -> Result<(), PostgresOpenError> {
        let ids: Vec<Uuid> = taken.iter().map(|(transfer_id, _)| *transfer_id).collect();
        let rows = self.transaction.query(TAKEN, &[&ids]).await?;
        let found = rows.iter().map(|row| row.try_get("transfer_id"));
        let found: BTreeSet<Uuid> = found.collect::<Result<_, _>>()?;
        for (transfer_id, id) in taken {
            let is_taken = found.contains(transfer_id);
            self.findings.check(is_taken, payment_at(*id), || {
                format!("the transfer's id it takes, {transfer_id}, is not used")
            });
        }
        Ok(())
    }

    pub(super) async fn sums(&mut self) -> Result<(), PostgresOpenError> {
        let levels: Vec<i16> = (0..).take(WIDTHS_MS.len()).collect();
        let widths: Vec<i64> = WIDTHS_MS.iter().map(|width| width.cast_signed()).collect();
        for row in self.transaction.query(SUMS, &[&levels, &widths]).await? {
            let (level, bucket): (i16, i64) = (row.try_get("level")?, row.try_get("bucket")?);
            let processor: &str = row.try_get("processor")?;
            let (found, expected): (&str, &str) = (row.try_get("found")?, row.try_get("expected")?);
            let place = format!("payment_sums {level}/{bucket}/{processor}");
            let what = format!("there are {found}, and by the payments {expected}");
            self.findings.add(place, what);
        }
        Ok(())
    }
}

fn payment_at(id: Uuid) -> String {
    format!("payment {id}")
}
