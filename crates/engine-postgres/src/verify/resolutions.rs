//! What operators decided, each beside the payment that it was decided of.

use ledger::{Payment, Resolution, ResolutionKind, UsedPayment};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Auditor;
use super::pages::Pages;
use crate::codec::{resolution, used_payment};
use crate::error::PostgresOpenError;

const RESOLUTIONS: &str = "
    SELECT resolution.*, coalesce(payment.record, '') AS record
    FROM lastro.resolutions resolution LEFT JOIN lastro.payments payment USING (payment_id)
    ORDER BY payment_id, resolved_at";

impl Auditor<'_> {
    pub(super) async fn resolutions(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "resolutions", RESOLUTIONS).await?;
        let mut last: Option<(Uuid, i64)> = None;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let key = (row.try_get("payment_id")?, row.try_get("resolved_at")?);
                let place = format!("resolution of payment {} at {}", key.0, key.1);
                let is_next = last.is_none_or(|last| last < key);
                self.findings
                    .check(is_next, &place, || "it is there twice".to_owned());
                last = Some(key);
                self.resolution(place, row);
            }
        }
    }

    fn resolution(&mut self, place: String, row: &Row) {
        let Ok(resolution) = resolution(row) else {
            return self.findings.add(place, "its columns cannot be read");
        };
        let Ok((_, UsedPayment::Accepted(payment))) = used_payment(row) else {
            return self.findings.add(place, "there is no such payment");
        };
        self.findings
            .check(may_be_of(&resolution, &payment), place, || {
                "it is not what became of its payment".to_owned()
            });
    }
}

/// Whether the payment, as it is now, may have been resolved so: released, it went on.
fn may_be_of(resolution: &Resolution, payment: &Payment) -> bool {
    let went_on = resolution.kind == ResolutionKind::Release
        && resolution.processor.is_some()
        && resolution.attempt <= payment.attempt
        && resolution.timestamp < payment.timestamp;
    went_on || resolution.made(payment)
}
