//! Where each event is found.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ledger::{
    Account, AccountId, BatchDecided, Event, Limit, MemberFailure, Outcome, Payment,
    PaymentResolved, PaymentState, PendingState, Record, RefusedCode, Resolution, ResolutionKind,
    Timestamp, Transfer, TransferKind, UsedPayment,
};
use serde::de::DeserializeOwned;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::bridge::Standing;
use super::error::{EventsError, NotKept};
use super::group::{item_of_event, item_of_head};
use super::sort::Sorter;
use crate::codec::{
    account_id, currency, decode, pending_state_number, resolution, timestamp, total, used_batch,
    used_payment, uuid,
};
use crate::verify::Progress;
use crate::verify::pages::Pages;

/// Whether an earlier version has made the tables, which kept less.
const IS_OLD: &str = "
    SELECT (SELECT min(applied_at) FROM lastro.migrations)
        < (SELECT applied_at FROM lastro.migrations WHERE number = 9)";

const ACCOUNTS: &str = "
    SELECT account_id, currency, credit_limit_opened, credit_limit, closed, opened_at
    FROM lastro.accounts";

const ACCOUNT_CHANGES: &str = "
    SELECT account_id AS id, record FROM lastro.account_changes";

const TRANSFERS: &str = "
    SELECT transfer_id, record, pending_state, expired_at FROM lastro.transfers";

const RESOLUTIONS: &str = "
    SELECT * FROM lastro.resolutions WHERE kind = 'settled' AND payment_id = ANY ($1)";

/// With the newest of its changes that are kept, or the time of its refused acceptance.
const PAYMENTS: &str = "
    SELECT payment_id, record, greatest(
        (SELECT max(changed_at) FROM lastro.payment_changes change
            WHERE change.payment_id = payment.payment_id),
        (SELECT max(resolved_at) FROM lastro.resolutions resolution
            WHERE resolution.payment_id = payment.payment_id)
    ) AS newest_change
    FROM lastro.payments payment";

/// Decisions of operators that an earlier version kept beside the newest state alone.
const RESOLUTIONS_ALONE: &str = "
    SELECT resolution.*, payment.record FROM lastro.resolutions resolution
    JOIN lastro.payments payment USING (payment_id)
    WHERE kind <> 'settled' AND NOT EXISTS (
        SELECT FROM lastro.payment_changes change
        WHERE change.payment_id = resolution.payment_id AND changed_at = resolved_at)";

const PAYMENT_CHANGES: &str = "
    SELECT payment_id::text AS id, record FROM lastro.payment_changes";

const PURGES: &str = "SELECT purged_at FROM lastro.purges";

const BATCHES: &str = "SELECT batch_id, digest, outcomes, decided_at FROM lastro.batches";

/// What was read.
pub(super) struct Read {
    pub(super) sorter: Sorter,
    pub(super) not_kept: NotKept,
    pub(super) events_count: u64,
    /// How the limited accounts stand, where an earlier version did not keep what led there.
    pub(super) standings: Option<BTreeMap<AccountId, Standing>>,
}

/// Reads table after table.
pub(super) struct Reading<'a> {
    transaction: Transaction<'a>,
    read: Read,
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
        let read = Read {
            sorter: Sorter::new(folder)?,
            not_kept: NotKept::default(),
            events_count: 0,
            standings: None,
        };
        Ok(Self {
            transaction,
            read,
            purged: BTreeMap::new(),
            progress,
        })
    }

    pub(super) fn finish(self) -> Read {
        self.read
    }

    pub(super) async fn all(&mut self) -> Result<(), EventsError> {
        if self.transaction.query_one(IS_OLD, &[]).await?.try_get(0)? {
            self.read.standings = Some(BTreeMap::new());
        }
        self.accounts().await?;
        self.changes("changes of accounts", ACCOUNT_CHANGES).await?;
        self.transfers().await?;
        self.read_purges().await?;
        self.payments().await?;
        self.changes("changes of payments", PAYMENT_CHANGES).await?;
        self.resolutions_alone().await?;
        self.purges()?;
        self.batches().await
    }

    fn add(&mut self, event: &Event) -> Result<(), EventsError> {
        self.read.events_count += 1;
        Ok(self.read.sorter.push(item_of_event(event))?)
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
                if self.read.standings.is_some() {
                    self.note_standing(row)?;
                }
                self.add(&event)?;
            }
        }
    }

    /// Keeps how the account stands: the events may not lead there.
    fn note_standing(&mut self, row: &Row) -> Result<(), EventsError> {
        let read = || {
            let limit = Limit::Credit(total(row, "credit_limit")?);
            let standing = (limit, row.try_get("closed")?);
            Ok::<_, crate::error::Failure>((account_id(row, "account_id")?, standing))
        };
        let (id, standing) = read().map_err(|_| damaged("an account"))?;
        if let Some(standings) = &mut self.read.standings {
            standings.insert(id, standing);
        }
        Ok(())
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
        let at = match (expired_at, transfer.expires_at()) {
            (Some(at), Some(_)) => timestamp(at),
            // Whatever was decided from then on upon its accounts was decided after its expiry.
            (None, Some(due)) => {
                self.read.not_kept.expiries += 1;
                due
            }
            (_, None) => return Err(damaged(format!("transfer {}", transfer.id))),
        };
        self.add(&Event::Transfer(Transfer {
            kind: TransferKind::Expire,
            timestamp: at,
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
                        let newest: Option<i64> = row.try_get("newest_change")?;
                        let newest = newest.map(timestamp);
                        let is_purged =
                            newest != Some(payment.timestamp) && self.count_purged(&payment);
                        if let Some(event) = newest_state(payment, newest, is_purged) {
                            self.read.not_kept.changes += 1;
                            self.add(&event)?;
                        }
                    }
                    UsedPayment::Refused(..)
                        if row.try_get::<_, Option<i64>>("newest_change")?.is_some() => {}
                    UsedPayment::Refused(command, refusal) => {
                        self.read.not_kept.undated += 1;
                        self.add(&Event::Refused {
                            command,
                            refusal,
                            timestamp: Timestamp::default(),
                        })?;
                    }
                }
            }
        }
    }

    async fn resolutions_alone(&mut self) -> Result<(), EventsError> {
        let mut pages = Pages::open(&self.transaction, "resolutions", RESOLUTIONS_ALONE).await?;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let read = (resolution(row), used_payment(row));
                let (Ok(resolution), Ok((_, UsedPayment::Accepted(payment)))) = read else {
                    return Err(damaged("a resolution"));
                };
                let state = match resolution.kind {
                    ResolutionKind::Release => PaymentState::Accepted,
                    ResolutionKind::Refuse => PaymentState::Refused {
                        code: RefusedCode::OperatorRefused,
                    },
                    ResolutionKind::Settled { .. } => return Err(damaged("a resolution")),
                };
                let payment = Payment {
                    state,
                    attempt: resolution.attempt,
                    timestamp: resolution.timestamp,
                    ..payment
                };
                self.read.not_kept.changes += 1;
                self.add(&Event::PaymentResolved(Box::new(PaymentResolved {
                    payment,
                    transfer: None,
                    resolution,
                })))?;
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

    /// Counts a payment that a purge ended. A command may refuse one with the same code.
    fn count_purged(&mut self, payment: &Payment) -> bool {
        let code = RefusedCode::Purged;
        if payment.state != (PaymentState::Refused { code }) {
            return false;
        }
        match self.purged.get_mut(&payment.timestamp) {
            Some(count) => {
                *count += 1;
                true
            }
            None => false,
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
        let failure = failure(&used.outcomes);
        let decided = |at| BatchDecided {
            id,
            digest: used.digest,
            members_count,
            failure: failure.clone(),
            timestamp: at,
        };
        match (decided_at.map(timestamp), &failure) {
            (Some(at), Some(_)) => self.add(&Event::Batch(decided(at))),
            (None, Some(_)) => {
                self.read.not_kept.undated += 1;
                self.add(&Event::Batch(decided(Timestamp::default())))
            }
            (at, None) => {
                let at = at.or_else(|| decided_by_members(&used.outcomes));
                let at = at.ok_or_else(|| not_kept(&format!("atomic batch {id}")))?;
                self.read.events_count += 1;
                let head = item_of_head(&decided(at), &used.outcomes);
                Ok(self.read.sorter.push(head)?)
            }
        }
    }
}

/// The event that left a payment as it is, where no table has that event because an earlier version
/// decided it. `newest` is the time of the newest event that a table has.
fn newest_state(payment: Payment, newest: Option<Timestamp>, is_purged: bool) -> Option<Event> {
    if payment.attempt == 0 && payment.state == PaymentState::Accepted {
        return None;
    }
    if newest.is_some_and(|newest| newest >= payment.timestamp) {
        return None;
    }
    if is_purged {
        // The purge is its newest event; before it, the payment was released.
        let before = payment.timestamp.as_nanos().saturating_sub(1);
        let released = Payment {
            state: PaymentState::Accepted,
            timestamp: Timestamp::from_nanos(before),
            ..payment
        };
        let is_kept = newest.is_some() || released.attempt == 0;
        return (!is_kept).then_some(Event::PaymentReleased(released));
    }
    match &payment.state {
        PaymentState::Accepted => Some(Event::PaymentReleased(payment)),
        PaymentState::Sent { .. } => Some(Event::PaymentSent(payment)),
        // Its transfer has it.
        PaymentState::Settled { .. } => None,
        PaymentState::Refused { .. } => Some(Event::PaymentRefused(payment)),
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

/// When an applied batch was decided, by a member that says when it was itself: they took a nanosecond
/// each.
fn decided_by_members(outcomes: &[Outcome]) -> Option<Timestamp> {
    let behind = (0..outcomes.len() as u64).rev();
    outcomes.iter().zip(behind).find_map(|(outcome, behind)| {
        let at = match outcome.result.as_ref().ok()? {
            Record::Transfer(transfer) => transfer.timestamp,
            Record::Payment(payment) => payment.timestamp,
            Record::Purge { timestamp, .. } => *timestamp,
            // A change does not say when it was; an opening cannot be told from one.
            Record::Account { .. } => return None,
        };
        Some(Timestamp::from_nanos(at.as_nanos() + behind + 1))
    })
}

/// An earlier version kept the newest state alone, and what came before cannot be told from it.
fn not_kept(what: &str) -> EventsError {
    EventsError::NotKept {
        what: format!(
            "the database does not have the history of {what}: an earlier version decided it, which kept \
             the newest state only. This ledger cannot be copied"
        ),
    }
}

fn record<T: DeserializeOwned>(
    row: &Row,
    place: impl FnOnce() -> String,
) -> Result<T, EventsError> {
    let bytes: &[u8] = row.try_get("record")?;
    decode(bytes).map_err(|_| damaged(place()))
}

fn damaged(row: impl Into<String>) -> EventsError {
    EventsError::Damaged { row: row.into() }
}
