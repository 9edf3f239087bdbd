//! Accounts, transfers and entries as the API shows them.

use ledger::{
    Account, AccountId, After, Entry, PendingEnd, PendingState, Standing, Statement, Transfer,
    TransferKind,
};
use serde::{Serialize, Serializer};

use super::notes::{self, MetadataView, NOTES_JSON_BYTES_MAX};
use super::statement::{Range, Window};
use crate::rfc3339::Nanos;

/// An account's longest JSON, and an entry's: the longest ids, numbers and descriptions, of
/// characters of four bytes.
pub(super) const ACCOUNT_BYTES_MAX: usize = 640;
pub(super) const ENTRY_BYTES_MAX: usize = 1024 + NOTES_JSON_BYTES_MAX;

/// A transfer's longest JSON beside its account ids, its description, its reference and its metadata.
pub(super) const TRANSFER_BYTES_MAX: usize = 880;

/// An id that prints as a UUID.
pub(super) fn printed<T: std::fmt::Display, S: Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// An account. Of an account with a limit the balance, the limit, what is pending and what is available are exact in a
/// double. What was posted in an account's life goes up to 2^63 - 1, and the totals of the system's own accounts
/// (`world:`, `processor:`) have 64 bits and wrap around: read those with a parser of integers.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccountView<'a> {
    #[schema(example = "users:42")]
    id: &'a str,
    #[schema(example = "BRL")]
    currency: &'a str,
    /// In minor units; null for the system's accounts, which have no limit.
    credit_limit: Option<u64>,
    debits_posted: u64,
    credits_posted: u64,
    debits_pending: u64,
    credits_pending: u64,
    /// `credits_posted - debits_posted`
    balance: i64,
    /// `credits_posted + credit_limit - debits_posted - debits_pending`; null without a limit.
    available: Option<u64>,
    /// Number of entries in the statement.
    entry_count: u64,
    /// Whether new debits and credits are refused for good.
    closed: bool,
    /// Which new debits and credits an operator has stopped: `none`, `debits`, `credits` or `both`.
    #[schema(example = "none")]
    frozen: &'static str,
    /// When the account was opened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
}

impl<'a> AccountView<'a> {
    pub(super) fn new(id: &'a AccountId, account: &'a Account) -> Self {
        Self {
            id: id.as_str(),
            currency: account.currency.as_str(),
            credit_limit: account.credit_limit(),
            debits_posted: account.debits_posted,
            credits_posted: account.credits_posted,
            debits_pending: account.debits_pending,
            credits_pending: account.credits_pending,
            balance: account.balance(),
            available: account.available(),
            entry_count: account.entry_count,
            closed: account.closed,
            frozen: account.frozen.as_str(),
            timestamp: Nanos(account.timestamp),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TransferView<'a> {
    #[serde(serialize_with = "printed")]
    #[schema(value_type = String, format = "uuid")]
    id: ledger::TransferId,
    /// `transfer`, `pend`, `post`, `void`, `settle` or `reverse`; in an event also `expire`.
    #[schema(example = "transfer")]
    kind: &'static str,
    /// Of a `pend` that is read after it was made: `pending`, `posted`, `voided` or `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_state: Option<&'static str>,
    /// Of a `pend`, in minor units: how much of its `amount` was posted, by all its posts together. Absent where
    /// nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 550)]
    posted_amount: Option<u64>,
    /// Of a `pend` that was posted or voided: the id of the `post` or `void`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    ended_by: Option<String>,
    /// Of a `pend` that was posted or voided or has expired: when. Absent if it expired in a
    /// PostgreSQL that did not keep the time yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Nanos>,
    /// Of a `pend`: how many seconds after `timestamp` it expires; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_s: Option<u32>,
    /// Of a `pend` with a timeout: from when on it is expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Nanos>,
    /// Of a `post` that kept the rest reserved: `false`.
    #[serde(skip_serializing_if = "Option::is_none", rename = "final")]
    #[schema(example = false)]
    is_final: Option<bool>,
    /// Of a `post` or `void`: the pending transfer that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pending_id: Option<String>,
    /// Of a `settle`: the payment that it settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    payment_id: Option<String>,
    /// Of a `reverse`: the transfer that it reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    reverses: Option<String>,
    #[schema(example = "world:BRL")]
    debit_account_id: &'a str,
    #[schema(example = "users:42")]
    credit_account_id: &'a str,
    /// In minor units.
    #[schema(example = 1000)]
    amount: u64,
    /// Of a `transfer`, `post` or `settle` that is read after it was made: how much of it was reversed, in
    /// minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0)]
    reversed_amount: Option<u64>,
    #[schema(example = "top-up")]
    description: &'a str,
    /// The caller's own text for it. A `post`, a `void` and a `settle` have the reference of what they
    /// end, and no metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "order 1017")]
    reference: Option<&'a str>,
    /// The caller's own texts by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<MetadataView<'a>>,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
    /// The debit account right after the transfer, if it has a limit and its balance changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    debit: Option<AfterView>,
    /// The credit account right after the transfer, if it has a limit and its balance changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<AfterView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AfterView {
    /// The number of the entry that the transfer made in the account's statement.
    entry_number: u64,
    /// In minor units.
    balance_after: i64,
}

impl From<After> for AfterView {
    fn from(after: After) -> Self {
        Self {
            entry_number: after.entry_number,
            balance_after: after.balance,
        }
    }
}

impl<'a> TransferView<'a> {
    /// The transfer as it was made.
    pub(super) fn new(transfer: &'a Transfer) -> Self {
        let (reference, metadata) = notes::shown(&transfer.notes);
        let mut view = Self {
            id: transfer.id,
            kind: transfer.kind.as_str(),
            pending_state: None,
            posted_amount: None,
            ended_by: None,
            ended_at: None,
            timeout_s: None,
            expires_at: transfer.expires_at().map(Nanos),
            is_final: None,
            pending_id: None,
            payment_id: None,
            reverses: None,
            debit_account_id: transfer.debit_account_id.as_str(),
            credit_account_id: transfer.credit_account_id.as_str(),
            amount: transfer.amount,
            reversed_amount: None,
            description: &transfer.description,
            reference,
            metadata,
            timestamp: Nanos(transfer.timestamp),
            debit: transfer.debit.map(AfterView::from),
            credit: transfer.credit.map(AfterView::from),
        };
        match transfer.kind {
            TransferKind::Transfer | TransferKind::Expire => {}
            TransferKind::Pend { timeout_s } => {
                view.timeout_s = Some(timeout_s);
            }
            TransferKind::Post { pending_id, .. } | TransferKind::Void { pending_id } => {
                view.pending_id = Some(pending_id.to_string());
            }
            TransferKind::PostPart { pending_id, .. } => {
                view.pending_id = Some(pending_id.to_string());
                view.is_final = Some(false);
            }
            TransferKind::Settle { payment_id, .. } => {
                view.payment_id = Some(payment_id.to_string());
            }
            TransferKind::Reverse { reverses, .. } => {
                view.reverses = Some(reverses.to_string());
            }
        }
        view
    }

    /// Likewise, with what came after it, and how it ended where it was pending.
    pub(super) fn standing_so(self, standing: Standing, end: Option<PendingEnd>) -> Self {
        let posted_so_far = standing.posted_of(self.amount);
        Self {
            pending_state: standing.pending_state().map(PendingState::as_str),
            reversed_amount: standing.reversed_amount(),
            posted_amount: end.map_or(posted_so_far, |end| end.posted_amount),
            ended_by: end.and_then(|end| end.by).map(|id| id.to_string()),
            ended_at: end.map(|end| Nanos(end.at)),
            ..self
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct StatementView<'a> {
    account: AccountView<'a>,
    /// What was asked for, and its balances; absent where all entries were asked for, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowView>,
    /// Newest first, unless `order=asc` was asked for.
    entries: Vec<EntryView<'a>>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WindowView {
    /// Entries from this time on; null: from the first on.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Nanos>,
    /// Entries before this time; null: up to the newest when the first page was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Nanos>,
    /// `desc` or `asc`.
    #[schema(example = "asc")]
    order: &'static str,
    /// The balance before the window's first entry, in minor units; absent for the system's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    opening_balance: Option<i64>,
    /// The balance after the window's last entry, in minor units: the opening balance, and what all its entries
    /// changed; absent for the system's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    closing_balance: Option<i64>,
    /// How many entries the window has, on all its pages; absent for the system's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_count: Option<u64>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EntryView<'a> {
    /// The account's own 1, 2, 3 … without gaps. The entries of the system's accounts have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    #[serde(serialize_with = "printed")]
    #[schema(value_type = String, format = "uuid")]
    pub(super) transfer_id: ledger::TransferId,
    /// `transfer`, `post`, `settle` or `reverse`.
    #[schema(example = "transfer")]
    pub(super) kind: &'static str,
    /// Of a `post`: the pending transfer that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) pending_id: Option<String>,
    /// Of a `settle`: the payment that it settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) payment_id: Option<String>,
    /// Of a `reverse`: the transfer that it reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) reverses: Option<String>,
    pub(super) debit_account_id: &'a str,
    pub(super) credit_account_id: &'a str,
    /// In minor units.
    pub(super) amount: u64,
    pub(super) description: &'a str,
    /// The transfer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a str>,
    /// The transfer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(super) metadata: Option<MetadataView<'a>>,
    /// In minor units. The entries of the system's accounts have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) balance_after: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    pub(super) timestamp: Nanos,
}

fn text_of(id: Option<impl std::fmt::Display>) -> Option<String> {
    id.map(|id| id.to_string())
}

impl WindowView {
    fn new(window: &Window, range: Option<&Range>) -> Self {
        Self {
            from: window.from.map(Nanos),
            to: window.to.map(Nanos),
            order: window.order.as_str(),
            opening_balance: range.map(|range| range.opening_balance),
            closing_balance: range.map(|range| range.closing_balance),
            entries_count: range.map(Range::entries_count),
        }
    }
}

impl<'a> StatementView<'a> {
    pub(super) fn new(
        id: &'a AccountId,
        statement: &'a Statement,
        next_cursor: Option<String>,
    ) -> Self {
        Self {
            account: AccountView::new(id, &statement.account),
            window: None,
            entries: statement.entries.iter().map(EntryView::from).collect(),
            next_cursor,
        }
    }

    /// A page of one of the system's accounts.
    pub(super) fn of_transfers(
        id: &'a AccountId,
        account: &'a Account,
        transfers: impl Iterator<Item = &'a Transfer>,
        window: &Window,
        next_cursor: Option<String>,
    ) -> Self {
        Self {
            account: AccountView::new(id, account),
            window: (*window != Window::WHOLE).then(|| WindowView::new(window, None)),
            entries: transfers.map(EntryView::of_transfer).collect(),
            next_cursor,
        }
    }

    /// With the window that the page is of.
    pub(super) fn of_window(self, window: &Window, range: &Range) -> Self {
        let window = WindowView::new(window, Some(range));
        Self {
            window: Some(window),
            ..self
        }
    }
}

impl<'a> EntryView<'a> {
    /// The entry that a transfer made in the statement of one of the system's accounts.
    pub(super) fn of_transfer(transfer: &'a Transfer) -> Self {
        let (reference, metadata) = notes::shown(&transfer.notes);
        Self {
            number: None,
            transfer_id: transfer.id,
            kind: transfer.kind.as_str(),
            pending_id: text_of(transfer.kind.pending_id()),
            payment_id: text_of(transfer.kind.payment_id()),
            reverses: text_of(transfer.kind.reverses()),
            debit_account_id: transfer.debit_account_id.as_str(),
            credit_account_id: transfer.credit_account_id.as_str(),
            amount: transfer.amount,
            description: &transfer.description,
            reference,
            metadata,
            balance_after: None,
            timestamp: Nanos(transfer.timestamp),
        }
    }
}

impl<'a> From<&'a Entry> for EntryView<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (reference, metadata) = notes::shown(&entry.notes);
        Self {
            number: Some(entry.number),
            transfer_id: entry.transfer_id,
            kind: entry.kind,
            pending_id: text_of(entry.pending_id),
            payment_id: text_of(entry.payment_id),
            reverses: text_of(entry.reverses),
            debit_account_id: entry.debit_account_id.as_str(),
            credit_account_id: entry.credit_account_id.as_str(),
            amount: entry.amount,
            description: &entry.description,
            reference,
            metadata,
            balance_after: Some(entry.balance_after),
            timestamp: Nanos(entry.timestamp),
        }
    }
}
