//! What a call's events make, as columns: each statement that writes takes arrays.

use ledger::{
    Account, Command, Event, Limit, Payment, PaymentState, PendingState, Refusal, Resolution,
    ResolutionKind, TransferId, TransferKind, UsedPayment, UsedTransfer,
};
use uuid::Uuid;

use crate::codec::{
    PENDING_IN_PARTS, encode, encode_event, millis, pending_state_number, signed, time, uuid,
};
use crate::listed::ListRows;
use crate::numbers::payment_state;
use crate::snapshot::{Ended, Snapshot};
use crate::sums::SumRows;

/// Columns of accounts, sorted by id.
#[derive(Debug, Default)]
pub(crate) struct AccountRows {
    pub(crate) id: Vec<String>,
    pub(crate) currency: Vec<String>,
    pub(crate) credit_limit: Vec<i64>,
    pub(crate) credit_limit_opened: Vec<i64>,
    pub(crate) debits_posted: Vec<i64>,
    pub(crate) credits_posted: Vec<i64>,
    pub(crate) debits_pending: Vec<i64>,
    pub(crate) credits_pending: Vec<i64>,
    pub(crate) entry_count: Vec<i64>,
    pub(crate) closed: Vec<bool>,
    pub(crate) frozen: Vec<i16>,
    pub(crate) opened_at: Vec<i64>,
}

impl AccountRows {
    fn push(&mut self, id: &str, account: &Account, opened: Option<&Account>) {
        let limit = |account: &Account| match account.limit {
            Limit::Credit(limit) => signed(limit),
            Limit::Unlimited => 0,
        };
        self.id.push(id.to_owned());
        self.currency.push(account.currency.to_string());
        self.credit_limit.push(limit(account));
        self.credit_limit_opened.push(opened.map_or(0, limit));
        self.debits_posted.push(signed(account.debits_posted));
        self.credits_posted.push(signed(account.credits_posted));
        self.debits_pending.push(signed(account.debits_pending));
        self.credits_pending.push(signed(account.credits_pending));
        self.entry_count.push(signed(account.entry_count));
        self.closed.push(account.closed);
        self.frozen.push(account.frozen.number().into());
        self.opened_at.push(time(account.timestamp));
    }
}

/// Columns of used ids of transfers, sorted by id.
#[derive(Debug, Default)]
pub(crate) struct TransferRows {
    pub(crate) id: Vec<Uuid>,
    pub(crate) record: Vec<Vec<u8>>,
    pub(crate) pending_state: Vec<Option<i16>>,
    pub(crate) expired_at: Vec<Option<i64>>,
    pub(crate) reversed_amount: Vec<Option<i64>>,
    pub(crate) left_amount: Vec<Option<i64>>,
}

/// Columns of reversals, refused ones too.
#[derive(Debug, Default)]
pub(crate) struct ReversalRows {
    pub(crate) reverses: Vec<Uuid>,
    pub(crate) transfer_id: Vec<Uuid>,
}

/// Columns of posts that keep the rest reserved, refused ones too.
#[derive(Debug, Default)]
pub(crate) struct PartRows {
    pub(crate) pending_id: Vec<Uuid>,
    pub(crate) transfer_id: Vec<Uuid>,
    pub(crate) left_amount: Vec<Option<i64>>,
}

/// Columns of accounts with pending transfers.
#[derive(Debug, Default)]
pub(crate) struct PendingRows {
    pub(crate) account_id: Vec<String>,
    pub(crate) transfer_id: Vec<Uuid>,
    pub(crate) expires_at: Vec<Option<i64>>,
}

/// Columns of entries.
#[derive(Debug, Default)]
pub(crate) struct EntryRows {
    pub(crate) account_id: Vec<String>,
    pub(crate) number: Vec<i64>,
    pub(crate) transfer_id: Vec<Uuid>,
    pub(crate) kind: Vec<String>,
    pub(crate) debit_account_id: Vec<String>,
    pub(crate) credit_account_id: Vec<String>,
    pub(crate) amount: Vec<i64>,
    pub(crate) description: Vec<String>,
    pub(crate) balance_after: Vec<i64>,
    pub(crate) entered_at: Vec<i64>,
    pub(crate) reference: Vec<Option<String>>,
    pub(crate) metadata: Vec<Option<String>>,
}

/// Columns of used ids of payments, sorted by id.
#[derive(Debug, Default)]
pub(crate) struct PaymentRows {
    pub(crate) id: Vec<Uuid>,
    pub(crate) record: Vec<Vec<u8>>,
    pub(crate) state: Vec<i16>,
    pub(crate) account_id: Vec<Option<String>>,
    pub(crate) amount: Vec<i64>,
    pub(crate) processor: Vec<Option<String>>,
    pub(crate) requested_at_ms: Vec<Option<i64>>,
    pub(crate) accepted_at: Vec<i64>,
}

impl PaymentRows {
    pub(crate) fn push(&mut self, id: Uuid, used: &UsedPayment) {
        match used {
            UsedPayment::Accepted(payment) => self.push_accepted(id, payment),
            UsedPayment::Refused(command, refusal) => self.push_refused(id, command, refusal),
        }
    }

    fn push_accepted(&mut self, id: Uuid, payment: &Payment) {
        let (state, sent) = match &payment.state {
            PaymentState::Accepted => (payment_state!(accepted), None),
            PaymentState::Sent {
                processor,
                requested_at,
            } => (payment_state!(sent), Some((processor, requested_at))),
            PaymentState::Settled {
                processor,
                requested_at,
            } => (payment_state!(settled), Some((processor, requested_at))),
            PaymentState::Refused { .. } => (payment_state!(refused), None),
        };
        self.id.push(id);
        self.record
            .push(encode(&Event::PaymentAccepted(payment.clone())));
        self.state.push(state);
        let account_id = payment.account_id.as_ref();
        self.account_id.push(account_id.map(ToString::to_string));
        self.amount.push(signed(payment.amount));
        self.processor
            .push(sent.map(|(processor, _)| processor.to_string()));
        self.requested_at_ms.push(sent.map(|(_, at)| millis(*at)));
        self.accepted_at.push(time(payment.accepted_at));
    }

    fn push_refused(&mut self, id: Uuid, command: &Command, refusal: &Refusal) {
        self.id.push(id);
        self.record.push(encode(&Event::Refused {
            command: command.clone(),
            refusal: refusal.clone(),
            timestamp: ledger::Timestamp::default(),
        }));
        self.state.push(payment_state!(acceptance_refused));
        self.account_id.push(None);
        self.amount.push(0);
        self.processor.push(None);
        self.requested_at_ms.push(None);
        self.accepted_at.push(0);
    }
}

/// Columns of resolutions, in the order in which they were decided.
#[derive(Debug, Default)]
pub(crate) struct ResolutionRows {
    pub(crate) payment_id: Vec<Uuid>,
    pub(crate) resolved_at: Vec<i64>,
    pub(crate) kind: Vec<&'static str>,
    pub(crate) requested_at_ms: Vec<Option<i64>>,
    pub(crate) attempt: Vec<i64>,
    pub(crate) processor: Vec<Option<String>>,
    pub(crate) who: Vec<String>,
    pub(crate) why: Vec<String>,
}

impl ResolutionRows {
    fn push(&mut self, id: Uuid, resolution: &Resolution) {
        let requested_at = match resolution.kind {
            ResolutionKind::Settled { requested_at } => Some(requested_at),
            ResolutionKind::Release | ResolutionKind::Refuse => None,
        };
        self.payment_id.push(id);
        self.resolved_at.push(time(resolution.timestamp));
        self.kind.push(resolution.kind.as_str());
        self.requested_at_ms
            .push(requested_at.map(|at| signed(at.0)));
        self.attempt.push(resolution.attempt.into());
        let processor = resolution.processor.as_ref();
        self.processor.push(processor.map(ToString::to_string));
        self.who.push(resolution.who.to_string());
        self.why.push(resolution.why.to_string());
    }
}

/// Columns of atomic batches, sorted by id.
#[derive(Debug, Default)]
pub(crate) struct BatchRows {
    pub(crate) id: Vec<Uuid>,
    pub(crate) digest: Vec<Vec<u8>>,
    pub(crate) outcomes: Vec<Vec<u8>>,
    pub(crate) decided_at: Vec<Option<i64>>,
}

/// Columns of changes that no other table keeps, in the order in which they were decided.
#[derive(Debug, Default)]
pub(crate) struct ChangeRows<Id> {
    pub(crate) id: Vec<Id>,
    pub(crate) changed_at: Vec<i64>,
    pub(crate) record: Vec<Vec<u8>>,
}

impl<Id> ChangeRows<Id> {
    fn push(&mut self, id: Id, event: &Event) {
        self.id.push(id);
        self.changed_at.push(time(event.timestamp()));
        self.record.push(encode_event(event));
    }
}

/// All that a call writes. What the snapshot says was changed is in the snapshot: where it were not,
/// the call would stop here.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) transfers_new: TransferRows,
    pub(crate) transfers_settled: TransferRows,
    pub(crate) ended: TransferRows,
    pub(crate) reversed: TransferRows,
    pub(crate) reversals: ReversalRows,
    pub(crate) left: TransferRows,
    pub(crate) parts: PartRows,
    pub(crate) pendings_new: PendingRows,
    pub(crate) entries: EntryRows,
    pub(crate) payments_new: PaymentRows,
    pub(crate) payments_changed: PaymentRows,
    pub(crate) resolutions: ResolutionRows,
    pub(crate) account_changes: ChangeRows<String>,
    pub(crate) payment_changes: ChangeRows<Uuid>,
    pub(crate) batches: BatchRows,
    pub(crate) limited_new: AccountRows,
    pub(crate) limited_changed: AccountRows,
    pub(crate) unlimited_new: AccountRows,
    pub(crate) unlimited_changed: AccountRows,
    pub(crate) purged_at: Vec<i64>,
    pub(crate) sums: SumRows,
    pub(crate) lists: ListRows,
    /// The records of all events, in order, some in each row.
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) newest_at: i64,
}

impl Rows {
    /// Takes the records of the events out of the snapshot.
    pub(crate) fn of(snapshot: &mut Snapshot) -> Self {
        let mut rows = Self {
            newest_at: time(snapshot.newest),
            records: feed_rows(std::mem::take(&mut snapshot.changed.records)),
            lists: std::mem::take(&mut snapshot.changed.lists),
            ..Self::default()
        };
        rows.take_accounts(snapshot);
        rows.take_transfers(snapshot);
        rows.take_entries(snapshot);
        rows.take_payments(snapshot);
        let purges = &snapshot.changed.purged_at;
        rows.purged_at = purges.iter().map(|at| time(*at)).collect();
        for id in &snapshot.changed.batches_new {
            let used = &snapshot.batches[id];
            rows.batches.id.push(uuid(id.to_u128()));
            rows.batches.digest.push(used.digest.0.to_vec());
            rows.batches.outcomes.push(encode(&used.outcomes));
            let decided_at = snapshot.changed.batches_decided.get(id);
            rows.batches.decided_at.push(decided_at.copied().map(time));
        }
        for (id, event) in &snapshot.changed.account_changes {
            rows.account_changes.push(id.to_string(), event);
        }
        for (id, event) in &snapshot.changed.payment_changes {
            rows.payment_changes.push(uuid(id.to_u128()), event);
        }
        rows
    }

    /// Only what became of the accounts.
    pub(crate) fn of_accounts(snapshot: &Snapshot) -> Self {
        let mut rows = Self {
            newest_at: time(snapshot.newest),
            ..Self::default()
        };
        rows.take_accounts(snapshot);
        rows
    }

    fn take_accounts(&mut self, snapshot: &Snapshot) {
        for id in &snapshot.changed.accounts {
            let account = &snapshot.accounts[id];
            let is_new = snapshot.changed.accounts_new.contains(id);
            let opened = snapshot.opened.get(id);
            if id.is_reserved() {
                if is_new {
                    self.unlimited_new.push(id.as_str(), account, None);
                }
                self.unlimited_changed.push(id.as_str(), account, None);
            } else if is_new {
                self.limited_new.push(id.as_str(), account, opened);
            } else {
                self.limited_changed.push(id.as_str(), account, opened);
            }
        }
    }

    fn take_transfers(&mut self, snapshot: &Snapshot) {
        let changed = &snapshot.changed;
        for (id, event) in &changed.transfers_new {
            let state = match snapshot.transfers.get(id) {
                Some(UsedTransfer::Created(_, standing)) => standing.pending_state(),
                _ => None,
            };
            self.transfers_new.id.push(uuid(id.to_u128()));
            self.transfers_new.record.push(encode(event));
            let number = match (state, changed.left.get(id)) {
                (Some(PendingState::Pending), Some(_)) => Some(PENDING_IN_PARTS),
                (state, _) => state.map(pending_state_number),
            };
            self.transfers_new.pending_state.push(number);
            let expired_at = changed.ended.get(id).and_then(Ended::expired_at);
            self.transfers_new.expired_at.push(expired_at.map(time));
            let reversed_amount = changed.reversed.get(id).copied();
            let reversed_amount = reversed_amount.map(signed);
            self.transfers_new.reversed_amount.push(reversed_amount);
            let left_amount = changed.left.get(id).copied();
            self.transfers_new.left_amount.push(left_amount.map(signed));
            if !changed.ended.contains_key(id) {
                self.take_pending(event);
            }
            if let Some(reverses) = reverses(event) {
                self.reversals.reverses.push(uuid(reverses.to_u128()));
                self.reversals.transfer_id.push(uuid(id.to_u128()));
            }
            if let Some((pending_id, left_amount)) = part(event) {
                self.parts.pending_id.push(uuid(pending_id.to_u128()));
                self.parts.transfer_id.push(uuid(id.to_u128()));
                self.parts.left_amount.push(left_amount.map(signed));
            }
        }
        for (id, event) in &changed.transfers_settled {
            self.transfers_settled.id.push(uuid(id.to_u128()));
            self.transfers_settled.record.push(encode(event));
        }
        for (id, reversed_amount) in &changed.reversed {
            if !changed.transfers_new.contains_key(id) {
                self.reversed.id.push(uuid(id.to_u128()));
                let reversed_amount = Some(signed(*reversed_amount));
                self.reversed.reversed_amount.push(reversed_amount);
            }
        }
        for (id, left_amount) in &changed.left {
            if !changed.transfers_new.contains_key(id) {
                self.left.id.push(uuid(id.to_u128()));
                self.left.left_amount.push(Some(signed(*left_amount)));
                self.left.pending_state.push(Some(PENDING_IN_PARTS));
            }
        }
        for (id, ended) in &changed.ended {
            if !changed.transfers_new.contains_key(id) {
                self.ended.id.push(uuid(id.to_u128()));
                let number = pending_state_number(ended.state);
                self.ended.pending_state.push(Some(number));
                self.ended.expired_at.push(ended.expired_at().map(time));
            }
        }
    }

    fn take_pending(&mut self, event: &Event) {
        let Event::Transfer(transfer) = event else {
            return;
        };
        if !matches!(transfer.kind, TransferKind::Pend { .. }) {
            return;
        }
        for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
            if !id.is_reserved() {
                let rows = &mut self.pendings_new;
                rows.account_id.push(id.to_string());
                rows.transfer_id.push(uuid(transfer.id.to_u128()));
                rows.expires_at.push(transfer.expires_at().map(time));
            }
        }
    }

    fn take_entries(&mut self, snapshot: &Snapshot) {
        for transfer in &snapshot.changed.entered {
            for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
                let Some(entry) = transfer.entry(id) else {
                    continue;
                };
                let rows = &mut self.entries;
                rows.account_id.push(id.to_string());
                rows.number.push(signed(entry.number));
                rows.transfer_id.push(uuid(entry.transfer_id.to_u128()));
                rows.kind.push(entry.kind.to_owned());
                rows.debit_account_id
                    .push(entry.debit_account_id.to_string());
                rows.credit_account_id
                    .push(entry.credit_account_id.to_string());
                rows.amount.push(signed(entry.amount));
                rows.description.push(entry.description.to_string());
                rows.balance_after.push(entry.balance_after);
                rows.entered_at.push(time(entry.timestamp));
                let reference = entry.notes.reference();
                rows.reference.push(reference.map(ToString::to_string));
                let metadata = entry.notes.metadata();
                let metadata = (!metadata.is_empty()).then(|| metadata.to_json());
                rows.metadata.push(metadata);
            }
        }
    }

    fn take_payments(&mut self, snapshot: &Snapshot) {
        for id in &snapshot.changed.payments {
            let used = &snapshot.payments[id];
            let rows = if snapshot.changed.payments_new.contains(id) {
                &mut self.payments_new
            } else {
                &mut self.payments_changed
            };
            rows.push(uuid(id.to_u128()), used);
        }
        for (id, resolution) in &snapshot.changed.resolutions {
            self.resolutions.push(uuid(id.to_u128()), resolution);
        }
        // A settled payment never changes again: each was settled by this call.
        let purged_at = snapshot.changed.purged_at.last();
        let purged_at = purged_at.copied().unwrap_or(snapshot.purged_at);
        let changed = snapshot.changed.payments.iter();
        let changed = changed.filter_map(|id| match &snapshot.payments[id] {
            UsedPayment::Accepted(payment) => Some(payment),
            UsedPayment::Refused(..) => None,
        });
        self.sums = SumRows::of(changed.filter(|payment| payment.accepted_at > purged_at));
    }
}

/// About how many bytes of records a row of the feed has: so many are kept in the row itself (a longer row would be cut
/// into pieces of another table), and a row for each event costs several times as much.
const FEED_ROW_BYTES: usize = 1_500;

/// The records of events as rows of the feed.
fn feed_rows(records: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    let mut row: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        if bytes + record.len() > FEED_ROW_BYTES && !row.is_empty() {
            rows.push(encode(&std::mem::take(&mut row)));
            bytes = 0;
        }
        bytes += record.len();
        row.push(record);
    }
    if !row.is_empty() {
        rows.push(encode(&row));
    }
    rows
}

/// The transfer that the event reverses, or would have reversed.
pub(crate) fn reverses(event: &Event) -> Option<TransferId> {
    if let Event::Refused { command, .. } = event {
        return command.reverses();
    }
    let (reverses, _) = event.transfer()?.reversal()?;
    Some(reverses)
}

/// The pending transfer that the event posts a part of, or would have, and how much it has left of it.
pub(crate) fn part(event: &Event) -> Option<(TransferId, Option<u64>)> {
    if let Event::Refused {
        command: Command::PostPart { pending_id, .. },
        ..
    } = event
    {
        return Some((*pending_id, None));
    }
    let (pending_id, left_amount) = event.transfer()?.part()?;
    Some((pending_id, Some(left_amount)))
}
