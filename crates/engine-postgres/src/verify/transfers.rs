//! The used ids of transfers: each record by itself, beside the entries it made, the pending
//! transfer it ended and the payment it is about.

use std::collections::{HashMap, HashSet};

use ledger::{
    AMOUNT_MAX, AccountId, Entry, Event, Notes, Payment, PaymentId, PaymentState, PendingState,
    Transfer, TransferId, TransferKind, UsedId, UsedPayment, UsedTransfer, is_kept_description,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::pages::Pages;
use super::parts::Parts;
use super::{Auditor, EARLIER, Totals, transfer_at};
use crate::codec::{
    decode, is_pending, left, pending_state_number, signed, timestamp, used_payment, used_transfer,
    uuid,
};
use crate::error::PostgresOpenError;
use crate::listed::ListRows;
use crate::read::entry;

const TRANSFERS: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount, expired_at
    FROM lastro.transfers
    ORDER BY transfer_id";

const ENTRIES: &str = "
    SELECT entry.*, transfer.record
    FROM unnest($1::text[], $2::bigint[]) AS wanted (account_id, number)
    JOIN lastro.entries entry
        ON entry.account_id = wanted.account_id AND entry.number = wanted.number
    LEFT JOIN lastro.transfers transfer ON transfer.transfer_id = entry.transfer_id";

const REVERSALS_COUNT: &str = "
    SELECT count(*) FROM lastro.reversals
    JOIN lastro.transfers USING (transfer_id)";

const LISTED: &str = "
    SELECT transfer_id FROM unnest($1::uuid[], $2::uuid[]) AS wanted (transfer_id, reverses)
    JOIN lastro.reversals USING (reverses, transfer_id)";

const PAYMENTS: &str = "
    SELECT payment_id, record FROM lastro.payments WHERE payment_id = ANY ($1)";

/// What a page of transfers refers to.
#[derive(Default)]
struct Page {
    transfers: Vec<Transfer>,
    payments: Vec<(Payment, bool)>,
}

/// How often a pending transfer may be ended by what has a record: once.
#[derive(Default)]
struct Ends {
    posted: u64,
    voided: u64,
    states_posted: u64,
    states_voided: u64,
}

/// How much all reversals have moved back, and how much all transfers say so of themselves.
#[derive(Default)]
struct Reversals {
    moved: u128,
    told: u128,
    /// Refused ones too.
    count: i64,
}

impl Auditor<'_> {
    pub(super) async fn transfers(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "transfers", TRANSFERS).await?;
        let mut last: Option<Uuid> = None;
        let mut ends = Ends::default();
        let mut reversals = Reversals::default();
        let mut parts = Parts::default();
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                break;
            }
            let mut page = Page::default();
            for row in &rows {
                let id: Uuid = row.try_get("transfer_id")?;
                self.findings
                    .check(last.is_none_or(|last| last < id), transfer_at(id), || {
                        "its id is there twice".to_owned()
                    });
                last = Some(id);
                self.transfer_row(id, row, &mut page, &mut ends)?;
                Self::count_reversal(row, &mut reversals);
                parts.count(row)?;
            }
            self.compare_entries(&page.transfers).await?;
            self.compare_ends(&page.transfers).await?;
            self.compare_reversals(&page.transfers).await?;
            self.compare_parts(&page.transfers).await?;
            self.compare_payments(&page.payments).await?;
            self.compare_listed(&rows, ListRows::take_in_transfer)
                .await?;
        }
        for (what, records, states) in [
            ("posted", ends.posted, ends.states_posted),
            ("voided", ends.voided, ends.states_voided),
        ] {
            self.findings.check(records == states, "transfers", || {
                format!("{states} pending transfers are {what}, by {records} transfers")
            });
        }
        self.check_parts(&parts).await?;
        let Reversals { moved, told, count } = reversals;
        let listed = self.transaction.query_one(REVERSALS_COUNT, &[]).await?;
        let listed: i64 = listed.try_get(0)?;
        self.findings.check(listed == count, "reversals", || {
            format!("{listed} reversals are listed, and there are {count}")
        });
        self.findings.check(moved == told, "transfers", || {
            format!("{moved} were moved back by reversals, and {told} of transfers are reversed")
        });
        Ok(())
    }

    fn transfer_row(
        &mut self,
        id: Uuid,
        row: &Row,
        page: &mut Page,
        ends: &mut Ends,
    ) -> Result<(), PostgresOpenError> {
        let place = transfer_at(id);
        let state: Option<i16> = row.try_get("pending_state")?;
        let (record, used) = (decode::<Event>(row.try_get("record")?), used_transfer(row));
        let (Ok(record), Ok(_)) = (record, used) else {
            let said = "its record cannot be read, or its other columns cannot be true of it";
            self.findings.add(place, said);
            return Ok(());
        };
        let own = match &record {
            Event::Transfer(transfer) | Event::PaymentSettled { transfer, .. } => transfer.id,
            Event::PaymentAccepted(payment) => TransferId::of_payment(payment.id),
            Event::Refused { command, .. } => match command.used_id() {
                Some(UsedId::Transfer(id)) => id,
                _ => TransferId::from_u128(0),
            },
            _ => TransferId::from_u128(0),
        };
        self.recorded_count += u64::from(!matches!(record, Event::PaymentAccepted(_)));
        let expired_at: Option<i64> = row.try_get("expired_at")?;
        let left_amount: Option<i64> = row.try_get("left_amount")?;
        let is_own = uuid(own.to_u128()) == id;
        self.findings
            .check(is_own, &place, || "its record has another id".to_owned());
        match record {
            Event::Transfer(transfer) => {
                self.form(&place, &transfer);
                self.expiry(&place, &transfer, state, expired_at);
                self.count_ends(&transfer, state, ends);
                self.created(transfer, state, left_amount, page);
            }
            Event::PaymentSettled { payment, transfer } => {
                self.settlement(&place, &payment, &transfer);
                self.created(transfer, state, left_amount, page);
                page.payments.push((*payment, true));
            }
            Event::PaymentAccepted(payment) => page.payments.push((payment, false)),
            _ => self.verified.refusals_count += 1,
        }
        Ok(())
    }

    fn form(&mut self, place: &str, transfer: &Transfer) {
        let has_own_kind = !matches!(
            transfer.kind,
            TransferKind::Expire | TransferKind::Settle { .. }
        );
        let sides = [&transfer.debit_account_id, &transfer.credit_account_id];
        let is_whole = has_own_kind
            && sides[0] != sides[1]
            // What a processor has settled may be reversed.
            && (transfer.reversal().is_some() || !sides.iter().any(|id| id.is_processor()))
            && (1..=AMOUNT_MAX).contains(&transfer.amount)
            && is_kept_description(&transfer.description);
        self.findings
            .check(is_whole, place, || "its record is malformed".to_owned());
    }

    /// Only what has expired says when: not before it was due. What an earlier version expired does
    /// not say it.
    fn expiry(
        &mut self,
        place: &str,
        transfer: &Transfer,
        state: Option<i16>,
        expired_at: Option<i64>,
    ) {
        let Some(expired_at) = expired_at else {
            return;
        };
        let is_expired = state == Some(pending_state_number(PendingState::Expired));
        let expires_at = transfer.expires_at();
        let is_due = expires_at.is_some_and(|at| at <= timestamp(expired_at));
        self.findings.check(is_expired && is_due, place, || {
            "when it expired cannot be: it has not, or not so early".to_owned()
        });
    }

    fn settlement(&mut self, place: &str, payment: &Payment, transfer: &Transfer) {
        let kind = TransferKind::Settle {
            payment_id: payment.id,
            reserved: payment.account_id.is_some(),
        };
        let credited = match &payment.state {
            PaymentState::Settled { processor, .. } => {
                Some(AccountId::processor(processor, payment.currency))
            }
            PaymentState::Accepted | PaymentState::Sent { .. } | PaymentState::Refused { .. } => {
                None
            }
        };
        let belongs = transfer.kind == kind
            && transfer.amount == payment.amount
            && transfer.debit_account_id == payment.payer()
            && credited.as_ref() == Some(&transfer.credit_account_id);
        self.findings.check(belongs, place, || {
            "it is not the settlement of its payment".to_owned()
        });
    }

    fn count_ends(&mut self, transfer: &Transfer, state: Option<i16>, ends: &mut Ends) {
        match transfer.ends().map(|(_, end)| end) {
            Some(PendingState::Posted) => ends.posted += 1,
            Some(PendingState::Voided) => ends.voided += 1,
            // An expiry is counted by the pending transfer's own state; the rest ends nothing.
            Some(PendingState::Expired | PendingState::Pending) | None => {}
        }
        let is = |end| state == Some(pending_state_number(end));
        ends.states_posted += u64::from(is(PendingState::Posted));
        ends.states_voided += u64::from(is(PendingState::Voided));
    }

    /// Counts what a transfer makes: entries, rows of pending ones, unlimited accounts' totals.
    fn created(
        &mut self,
        transfer: Transfer,
        state: Option<i16>,
        left_amount: Option<i64>,
        page: &mut Page,
    ) {
        self.verified.transfers_count += 1;
        let place = transfer_at(uuid(transfer.id.to_u128()));
        let is_pending = is_pending(state);
        let moves = matches!(
            transfer.kind,
            TransferKind::Transfer
                | TransferKind::Post { .. }
                | TransferKind::PostPart { .. }
                | TransferKind::Settle { .. }
                | TransferKind::Reverse { .. }
        );
        for (id, after) in [
            (&transfer.debit_account_id, transfer.debit),
            (&transfer.credit_account_id, transfer.credit),
        ] {
            let has_entry = moves && !id.is_reserved();
            self.findings
                .check(after.is_some() == has_entry, &place, || {
                    format!("what it says of account {id} cannot be")
                });
            self.entries_made += u64::from(after.is_some());
            self.pendings_made += u64::from(is_pending && !id.is_reserved());
        }
        // What cannot be was found when its row was read.
        let left_amount = left(&transfer, left_amount).unwrap_or(transfer.amount);
        self.add_unlimited(&transfer, moves, is_pending, left_amount);
        page.transfers.push(transfer);
    }

    fn add_unlimited(
        &mut self,
        transfer: &Transfer,
        moves: bool,
        is_pending: bool,
        left_amount: u64,
    ) {
        let posted = if moves { transfer.amount } else { 0 };
        let pending = if is_pending { left_amount } else { 0 };
        let mut add = |id: &AccountId, of: fn(&mut Totals) -> (&mut u64, &mut u64)| {
            if id.is_reserved() {
                let (in_posted, in_pending) = of(self.unlimited.entry(id.clone()).or_default());
                *in_posted = in_posted.wrapping_add(posted);
                *in_pending = in_pending.wrapping_add(pending);
            }
        };
        add(&transfer.debit_account_id, |totals| {
            (&mut totals.debits_posted, &mut totals.debits_pending)
        });
        add(&transfer.credit_account_id, |totals| {
            (&mut totals.credits_posted, &mut totals.credits_pending)
        });
    }

    async fn compare_entries(&mut self, transfers: &[Transfer]) -> Result<(), PostgresOpenError> {
        let (mut ids, mut numbers, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for transfer in transfers {
            for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
                if let Some(entry) = transfer.entry(id) {
                    ids.push(id.to_string());
                    numbers.push(signed(entry.number));
                    expected.push(entry);
                }
            }
        }
        let rows = self.transaction.query(ENTRIES, &[&ids, &numbers]).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key: (String, i64) = (row.try_get("account_id")?, row.try_get("number")?);
            found.insert(key, entry(row).ok().flatten());
        }
        for (key, expected) in ids.into_iter().zip(numbers).zip(expected) {
            let place = transfer_at(uuid(expected.transfer_id.to_u128()));
            let (id, number) = &key;
            match found.get(&key) {
                None => self.findings.add(
                    place,
                    format!("its entry {number} of account {id} is missing"),
                ),
                Some(found) => {
                    let same = found
                        .as_ref()
                        .is_some_and(|found| is_same(found, &expected));
                    self.findings.check(same, place, || {
                        format!("entry {number} of account {id} says something else")
                    });
                }
            }
        }
        Ok(())
    }

    /// Each transfer that ended a pending one, beside that.
    async fn compare_ends(&mut self, transfers: &[Transfer]) -> Result<(), PostgresOpenError> {
        let ending = transfers.iter().filter_map(|transfer| {
            let (pending_id, end) = transfer.ends()?;
            Some((transfer, uuid(pending_id.to_u128()), end))
        });
        let ending: Vec<_> = ending.collect();
        let ids: Vec<Uuid> = ending.iter().map(|(_, id, _)| *id).collect();
        let mut found = HashMap::new();
        for row in self.transaction.query(EARLIER, &[&ids]).await? {
            if let Ok((id, used)) = used_transfer(&row) {
                let reserved = reserved(&used, row.try_get("left_amount")?);
                found.insert(uuid(id.to_u128()), (used, reserved));
            }
        }
        for (transfer, pending_id, end) in ending {
            let place = transfer_at(uuid(transfer.id.to_u128()));
            let fits = match found.get(&pending_id) {
                Some((UsedTransfer::Created(pending, standing), reserved)) => {
                    standing.pending_state() == Some(end)
                        && ends_rightly(transfer, pending, *reserved)
                }
                _ => false,
            };
            self.findings.check(fits, place, || {
                format!("pending transfer {pending_id} was not ended by it so")
            });
        }
        Ok(())
    }

    /// Counts a reversal, and what was reversed of a transfer.
    fn count_reversal(row: &Row, reversals: &mut Reversals) {
        match used_transfer(row) {
            Ok((_, UsedTransfer::Created(transfer, standing))) => {
                if transfer.reversal().is_some() {
                    reversals.count += 1;
                    reversals.moved += u128::from(transfer.amount);
                }
                reversals.told += standing.reversed_amount().map_or(0, u128::from);
            }
            Ok((_, UsedTransfer::Refused(command, _))) => {
                reversals.count += i64::from(command.reverses().is_some());
            }
            // What cannot be read was told of.
            Ok((_, UsedTransfer::Payment(_))) | Err(_) => {}
        }
    }

    /// Each reversal, beside the transfer that it reversed, and whether it is listed as one of that.
    async fn compare_reversals(&mut self, transfers: &[Transfer]) -> Result<(), PostgresOpenError> {
        let reversals = transfers.iter().filter_map(|transfer| {
            let (reverses, reversed_amount) = transfer.reversal()?;
            Some((transfer, uuid(reverses.to_u128()), reversed_amount))
        });
        let reversals: Vec<_> = reversals.collect();
        if reversals.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = reversals.iter().map(|(_, id, _)| *id).collect();
        let mut found = HashMap::new();
        for row in self.transaction.query(EARLIER, &[&ids]).await? {
            if let Ok((id, used)) = used_transfer(&row) {
                found.insert(uuid(id.to_u128()), used);
            }
        }
        let own_ids = reversals.iter();
        let own_ids: Vec<Uuid> = own_ids.map(|(it, ..)| uuid(it.id.to_u128())).collect();
        let mut listed = HashSet::new();
        for row in self.transaction.query(LISTED, &[&own_ids, &ids]).await? {
            listed.insert(row.try_get::<_, Uuid>("transfer_id")?);
        }
        for (transfer, reverses, reversed_amount) in reversals {
            let own_id = uuid(transfer.id.to_u128());
            let place = transfer_at(own_id);
            self.findings.check(listed.contains(&own_id), &place, || {
                format!("it is not listed as a reversal of transfer {reverses}")
            });
            let fits = match found.get(&reverses) {
                Some(UsedTransfer::Created(original, standing)) => {
                    let is_swapped = transfer.debit_account_id == original.credit_account_id
                        && transfer.credit_account_id == original.debit_account_id;
                    let is_told = standing
                        .reversed_amount()
                        .is_some_and(|told| reversed_amount <= told);
                    is_swapped && is_told
                }
                Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => false,
            };
            self.findings.check(fits, place, || {
                format!("transfer {reverses} was not reversed by it so")
            });
        }
        Ok(())
    }

    async fn compare_payments(
        &mut self,
        payments: &[(Payment, bool)],
    ) -> Result<(), PostgresOpenError> {
        let ids: Vec<Uuid> = payments
            .iter()
            .map(|(payment, _)| uuid(payment.id.to_u128()))
            .collect();
        let mut found: HashMap<PaymentId, UsedPayment> = HashMap::new();
        for row in self.transaction.query(PAYMENTS, &[&ids]).await? {
            found.extend(used_payment(&row).ok());
        }
        for (payment, is_settled) in payments {
            let place = transfer_at(uuid(TransferId::of_payment(payment.id).to_u128()));
            let fits = match found.get(&payment.id) {
                Some(UsedPayment::Accepted(now)) if *is_settled => now == payment,
                Some(UsedPayment::Accepted(now)) => {
                    let is_settled = matches!(now.state, PaymentState::Settled { .. });
                    !is_settled && now.as_accepted() == *payment
                }
                _ => false,
            };
            self.findings.check(fits, place, || {
                let id = uuid(payment.id.to_u128());
                format!("payment {id} says something else, or is missing")
            });
        }
        Ok(())
    }
}

/// How much of a pending transfer parts have left.
fn reserved(used: &UsedTransfer, left_amount: Option<i64>) -> u64 {
    match used {
        // What cannot be was found when its row was read.
        UsedTransfer::Created(pending, _) => left(pending, left_amount).unwrap_or(pending.amount),
        UsedTransfer::Refused(..) | UsedTransfer::Payment(_) => 0,
    }
}

/// Whether the transfer may have ended this pending one, of which so much was still reserved.
fn ends_rightly(transfer: &Transfer, pending: &Transfer, reserved: u64) -> bool {
    let same_accounts = transfer.debit_account_id == pending.debit_account_id
        && transfer.credit_account_id == pending.credit_account_id;
    let in_time = pending
        .expires_at()
        .is_none_or(|at| transfer.timestamp < at);
    let amount_fits = match transfer.kind {
        TransferKind::Post { pending_amount, .. } => {
            pending_amount == reserved && transfer.amount <= reserved
        }
        // It is the newest part, which has left nothing: what it was of is compared as of any part.
        TransferKind::PostPart { .. } => reserved == 0,
        _ => transfer.amount == reserved,
    };
    same_accounts && in_time && amount_fits && matches!(pending.kind, TransferKind::Pend { .. })
}

/// Whether the entry is what its transfer made. One from before entries had references has none.
fn is_same(entry: &Entry, made: &Entry) -> bool {
    if entry.notes.is_none() && made.notes.is_none_or_id() {
        let without_notes = Entry {
            notes: Notes::NONE,
            ..made.clone()
        };
        return *entry == without_notes;
    }
    entry == made
}
