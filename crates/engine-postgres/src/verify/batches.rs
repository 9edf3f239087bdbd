//! Atomic batches: their digests and outcomes.

use ledger::{BATCH_COMMANDS_MAX, Outcome};
use uuid::Uuid;

use super::Auditor;
use super::pages::Pages;
use crate::codec::decode;
use crate::error::PostgresOpenError;

const BATCHES: &str = "SELECT batch_id, digest, outcomes FROM lastro.batches ORDER BY batch_id";

impl Auditor<'_> {
    pub(super) async fn batches(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "batches", BATCHES).await?;
        let mut last: Option<Uuid> = None;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let id: Uuid = row.try_get("batch_id")?;
                let place = format!("batch {id}");
                let digest: &[u8] = row.try_get("digest")?;
                let outcomes = decode::<Vec<Outcome>>(row.try_get("outcomes")?);
                let findings = &mut self.findings;
                findings.check(last.is_none_or(|last| last < id), &place, || {
                    "its id is there twice".to_owned()
                });
                last = Some(id);
                findings.check(digest.len() == 32, &place, || {
                    "its digest cannot be read".to_owned()
                });
                let sized = outcomes
                    .as_ref()
                    .is_ok_and(|outcomes| (1..=BATCH_COMMANDS_MAX).contains(&outcomes.len()));
                findings.check(sized, &place, || "its outcomes cannot be read".to_owned());
                // One refused, none created.
                let whole = outcomes.is_ok_and(|outcomes| {
                    let created = outcomes
                        .iter()
                        .filter(|it| it.result.is_ok() && !it.replayed);
                    [0, outcomes.len()].contains(&created.count())
                });
                findings.check(whole, &place, || {
                    "a part of it was applied, and a part was not".to_owned()
                });
                self.verified.batches_count += 1;
            }
        }
    }
}
