//! Where each event is found.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ledger::{
    Account, BatchDecided, Event, Limit, MemberFailure, Outcome, Payment, PaymentResolved,
    PaymentState, PendingState, RefusedCode, Resolution, Timestamp, Transfer, TransferKind,
    UsedPayment,
};
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::error::EventsError;
use super::sort::{Item, Sorter};
use crate::codec::{
    account_id, currency, decode_event, encode_event, left, pending_state_number, resolution,
    timestamp, total, used_batch, used_payment, uuid,
};
use crate::verify::Progress;
use crate::verify::pages::Pages;

const ACCOUNTS: &str = "
    SELECT account_id, currency, credit_limit_opened, opened_at
    FROM lastro.accounts";

const ACCOUNT_CHANGES: &str = "
    SELECT account_id AS id, record FROM lastro.account_changes";

const TRANSFERS: &str = "
    SELECT transfer_id, record, pending_state, expired_at, left_amount FROM lastro.transfers";

const RESOLUTIONS: &str = "
    SELECT * FROM lastro.resolutions WHERE kind = 'settled' AND payment_id = ANY ($1)";

const PAYMENTS: &str = "SELECT payment_id, record FROM lastro.payments";

const PAYMENT_CHANGES: &str = "
    SELECT payment_id::text AS id, record FROM lastro.payment_changes";

const PURGES: &str = "SELECT purged_at FROM lastro.purges";

const BATCHES: &str = "SELECT batch_id, digest, outcomes, decided_at FROM lastro.batches";

/// Reads table after table.
pub(super) struct Reading<'a> {
    transaction: Transaction<'a>,
    sorter: Sorter,
    count: u64,
    /// The purges, with how many payments each ended.
    purged: BTreeMap<Timestamp, u64>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        transaction: Transaction<'a>,
        folder: &Path,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Result<Self, EventsError> {
        Ok(Self {
            transaction,
            sorter: Sorter::new(folder)?,
            count: 0,
            purged: BTreeMap::new(),
            progress,
        })
    }

    /// The events, and how many there are.
    pub(super) fn finish(self) -> (Sorter, u64) {
        (self.sorter, self.count)
    }

    pub(super) async fn all(&mut self) -> Result<(), EventsError> {
        self.accounts().await?;
        self.changes("changes of accounts", ACCOUNT_CHANGES).await?;
        self.transfers().await?;
        self.read_purges().await?;
        self.payments().await?;
        self.changes("changes of payments", PAYMENT_CHANGES).await?;
        self.purges()?;
        self.batches().await
    }

    fn add(&mut self, event: &Event) -> Result<(), EventsError> {
        self.count += 1;
        Ok(self.sorter.push(Item {
            time: event.timestamp().as_nanos(),
            bytes: encode_event(event).into(),
        })?)
    }

    async fn accounts(&mut self) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, "accounts", ACCOUNTS).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let event = opened(row).map_err(|_| damaged("an account"))?;
                self.add(&event)?;
            }
        }
    }

    async fn changes(&mut self, what: &'static str, query: &str) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, what, query).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let event: Event = record(row, || {
                    let id: &str = row.try_get("id").unwrap_or("without an id");
                    format!("a change of {id} among the {what}")
                })?;
                self.add(&event)?;
            }
        }
    }

    async fn transfers(&mut self) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, "transfers", TRANSFERS).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut settled = Vec::new();
            for row in &rows {
                let id: Uuid = row.try_get("transfer_id")?;
                let event: Event = record(row, || format!("transfer {id}"))?;
                match event {
                    Event::Transfer(transfer) => self.transfer(transfer, row)?,
                    Event::Refused { .. } => self.add(&event)?,
                    Event::PaymentSettled { payment, transfer } => {
                        settled.push((*payment, transfer));
                    }
                    // The payment's own row has it.
                    Event::PaymentAccepted(_) => {}
                    Event::AccountOpened { .. }
                    | Event::LimitChanged { .. }
                    | Event::AccountClosed { .. }
                    | Event::FreezeChanged { .. }
                    | Event::PaymentSent(_)
                    | Event::PaymentReleased(_)
                    | Event::PaymentRefused(_)
                    | Event::PaymentsPurged { .. }
                    | Event::Batch(_)
                    | Event::PaymentResolved(_) => return Err(damaged(format!("transfer {id}"))),
                }
            }
            self.settled(settled).await?;
        }
    }

    /// A transfer under an id of its own, and if it was pending and has expired, its expiry.
    fn transfer(&mut self, transfer: Transfer, row: &Row) -> Result<(), EventsError> {
        let state: Option<i16> = row.try_get("pending_state")?;
        let expired_at: Option<i64> = row.try_get("expired_at")?;
        self.add(&Event::Transfer(transfer.clone()))?;
        if state != Some(pending_state_number(PendingState::Expired)) {
            return Ok(());
        }
        let at = expired_at.map(timestamp);
        let at = at.ok_or_else(|| damaged(format!("transfer {}", transfer.id)))?;
        let amount = left(&transfer, row.try_get("left_amount")?)
            .map_err(|_| damaged(format!("transfer {}", transfer.id)))?;
        self.add(&Event::Transfer(Transfer {
            kind: TransferKind::Expire,
            amount,
            timestamp: at,
            notes: transfer.notes.said_again(),
            ..transfer
        }))
    }

    /// Settlements, each with the operator's decision where one settled it.
    async fn settled(&mut self, settled: Vec<(Payment, Transfer)>) -> Result<(), EventsError> {
        if settled.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = settled
            .iter()
            .map(|(payment, _)| uuid(payment.id.to_u128()))
            .collect();
        let rows = self.transaction.query(RESOLUTIONS, &[&ids]).await?;
        let mut resolutions: HashMap<Uuid, Resolution> = HashMap::new();
        for row in &rows {
            let id: Uuid = row.try_get("payment_id")?;
            let read = resolution(row);
            let read = read.map_err(|_| damaged(format!("a resolution of payment {id}")))?;
            resolutions.insert(id, read);
        }
        for ((payment, transfer), id) in settled.into_iter().zip(&ids) {
            let event = match resolutions.remove(id) {
                Some(resolution) => Event::PaymentResolved(Box::new(PaymentResolved {
                    payment,
                    transfer: Some(transfer),
                    resolution,
                })),
                None => Event::PaymentSettled {
                    payment: Box::new(payment),
                    transfer,
                },
            };
            self.add(&event)?;
        }
        Ok(())
    }

    async fn payments(&mut self) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, "payments", PAYMENTS).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let id: Uuid = row.try_get("payment_id")?;
                let (_, used) = used_payment(row).map_err(|_| damaged(format!("payment {id}")))?;
                match used {
                    UsedPayment::Accepted(payment) => {
                        self.add(&Event::PaymentAccepted(payment.as_accepted()))?;
                        self.count_purged(&payment);
                    }
                    // The changes of payments have it.
                    UsedPayment::Refused(..) => {}
                }
            }
        }
    }

    /// When payments were purged; how many of them is not known yet.
    async fn read_purges(&mut self) -> Result<(), EventsError> {
        for row in self.transaction.query(PURGES, &[]).await? {
            self.purged.insert(timestamp(row.try_get("purged_at")?), 0);
        }
        Ok(())
    }

    /// Counts a payment that a purge ended. A command may refuse one with the same code, at another time.
    fn count_purged(&mut self, payment: &Payment) {
        let code = RefusedCode::Purged;
        if payment.state == (PaymentState::Refused { code })
            && let Some(count) = self.purged.get_mut(&payment.timestamp)
        {
            *count += 1;
        }
    }

    fn purges(&mut self) -> Result<(), EventsError> {
        for (timestamp, payments_count) in std::mem::take(&mut self.purged) {
            self.add(&Event::PaymentsPurged {
                payments_count,
                timestamp,
            })?;
        }
        Ok(())
    }

    async fn batches(&mut self) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, "batches", BATCHES).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let id: Uuid = row.try_get("batch_id")?;
                self.batch(row, &format!("batch {id}"))?;
            }
        }
    }

    fn batch(&mut self, row: &Row, place: &str) -> Result<(), EventsError> {
        let (id, used) = used_batch(row).map_err(|_| damaged(place))?;
        let members_count = u32::try_from(used.outcomes.len()).map_err(|_| damaged(place))?;
        let decided_at: Option<i64> = row.try_get("decided_at")?;
        let decided_at = decided_at.ok_or_else(|| damaged(place))?;
        self.add(&Event::Batch(BatchDecided {
            id,
            digest: used.digest,
            members_count,
            failure: failure(&used.outcomes),
            timestamp: timestamp(decided_at),
        }))
    }
}

fn opened(row: &Row) -> Result<Event, crate::error::Failure> {
    let limit = Limit::Credit(total(row, "credit_limit_opened")?);
    let at = timestamp(row.try_get("opened_at")?);
    Ok(Event::AccountOpened {
        id: account_id(row, "account_id")?,
        account: Account::new(currency(row)?, limit, at),
    })
}

/// The member that failed the batch: the others were not decided.
fn failure(outcomes: &[Outcome]) -> Option<MemberFailure> {
    let was_created = |outcome: &Outcome| outcome.result.is_ok() && !outcome.replayed;
    if outcomes.iter().all(was_created) {
        return None;
    }
    let not_decided = Outcome::refused(ledger::Refusal::BatchMemberFailed);
    let failed = |outcome: &&Outcome| **outcome != not_decided;
    let (index, outcome) = (0..).zip(outcomes).find(|(_, outcome)| failed(outcome))?;
    Some(MemberFailure {
        index,
        outcome: outcome.clone().into(),
    })
}

fn record(row: &Row, place: impl FnOnce() -> String) -> Result<Event, EventsError> {
    let bytes: &[u8] = row.try_get("record")?;
    decode_event(bytes).map_err(|_| damaged(place()))
}

fn damaged(row: impl Into<String>) -> EventsError {
    EventsError::Damaged { row: row.into() }
}
