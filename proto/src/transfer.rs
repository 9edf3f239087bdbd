//! Transfers and statement entries.

use ledger::{
    After, Entry, PaymentId, PendingEnd, PendingState, Standing, Transfer, TransferId, TransferKind,
};

use crate::fields::{self, Invalid, given};
use crate::notes;
use crate::v1;
use crate::v1::transfer::Kind;

impl From<&Transfer> for v1::Transfer {
    fn from(transfer: &Transfer) -> Self {
        let notes = notes::Fields::from(&transfer.notes);
        Self {
            id: transfer.id.to_bytes().to_vec(),
            debit_account_id: transfer.debit_account_id.as_str().to_owned(),
            credit_account_id: transfer.credit_account_id.as_str().to_owned(),
            amount: transfer.amount,
            description: transfer.description.as_str().to_owned(),
            reference: notes.reference,
            timestamp: transfer.timestamp.as_nanos(),
            debit: transfer.debit.map(after_to_message),
            credit: transfer.credit.map(after_to_message),
            kind: Some(kind_to_message(transfer.kind)),
            reference_text: notes.reference_text,
            metadata: notes.metadata,
        }
    }
}

impl TryFrom<v1::Transfer> for Transfer {
    type Error = Invalid;

    fn try_from(transfer: v1::Transfer) -> Result<Self, Invalid> {
        let notes = notes::of_message(
            &transfer.reference,
            &transfer.reference_text,
            &transfer.metadata,
        )?;
        Ok(Self {
            id: fields::transfer_id(&transfer.id, "id")?,
            kind: kind(given(transfer.kind, "kind")?)?,
            debit_account_id: fields::account_id(&transfer.debit_account_id, "debit_account_id")?,
            credit_account_id: fields::account_id(
                &transfer.credit_account_id,
                "credit_account_id",
            )?,
            amount: transfer.amount,
            description: transfer.description.into(),
            notes,
            timestamp: fields::timestamp(transfer.timestamp),
            debit: transfer.debit.map(after),
            credit: transfer.credit.map(after),
        })
    }
}

const fn after_to_message(after: After) -> v1::After {
    v1::After {
        entry_number: after.entry_number,
        balance: after.balance,
        credit_limit: after.credit_limit,
    }
}

pub(crate) const fn after(after: v1::After) -> After {
    After {
        entry_number: after.entry_number,
        balance: after.balance,
        credit_limit: after.credit_limit,
    }
}

/// What the answer to a `transfer` or a `pend` adds to its command.
pub(crate) fn moved(transfer: &Transfer) -> v1::Moved {
    v1::Moved {
        timestamp: transfer.timestamp.as_nanos(),
        debit: transfer.debit.map(after_to_message),
        credit: transfer.credit.map(after_to_message),
    }
}

fn kind_to_message(kind: TransferKind) -> Kind {
    match kind {
        TransferKind::Transfer => Kind::Plain(v1::PlainKind {}),
        TransferKind::Pend { timeout_s } => Kind::Pend(v1::PendKind { timeout_s }),
        TransferKind::Post {
            pending_id,
            pending_amount,
            in_full,
        } => Kind::Post(v1::PostKind {
            pending_id: pending_id.to_bytes().to_vec(),
            pending_amount,
            in_full,
            keeps_rest: false,
        }),
        TransferKind::PostPart {
            pending_id,
            pending_amount,
        } => Kind::Post(v1::PostKind {
            pending_id: pending_id.to_bytes().to_vec(),
            pending_amount,
            in_full: false,
            keeps_rest: true,
        }),
        TransferKind::Void { pending_id } => Kind::Void(v1::VoidKind {
            pending_id: pending_id.to_bytes().to_vec(),
        }),
        TransferKind::Expire => Kind::Expire(v1::ExpireKind {}),
        TransferKind::Settle {
            payment_id,
            reserved,
        } => Kind::Settle(v1::SettleKind {
            payment_id: payment_id.to_bytes().to_vec(),
            reserved,
        }),
        TransferKind::Reverse {
            reverses,
            reversed_before,
            in_full,
        } => Kind::Reverse(v1::ReverseKind {
            reverses: reverses.to_bytes().to_vec(),
            reversed_before,
            in_full,
        }),
    }
}

fn kind(kind: Kind) -> Result<TransferKind, Invalid> {
    let pending_id = |bytes: &[u8]| fields::transfer_id(bytes, "pending_id");
    Ok(match kind {
        Kind::Plain(_) => TransferKind::Transfer,
        Kind::Pend(pend) => TransferKind::Pend {
            timeout_s: pend.timeout_s,
        },
        Kind::Post(post) if post.keeps_rest => TransferKind::PostPart {
            pending_id: pending_id(&post.pending_id)?,
            pending_amount: post.pending_amount,
        },
        Kind::Post(post) => TransferKind::Post {
            pending_id: pending_id(&post.pending_id)?,
            pending_amount: post.pending_amount,
            in_full: post.in_full,
        },
        Kind::Void(void) => TransferKind::Void {
            pending_id: pending_id(&void.pending_id)?,
        },
        Kind::Expire(_) => TransferKind::Expire,
        Kind::Settle(settle) => TransferKind::Settle {
            payment_id: fields::payment_id(&settle.payment_id, "payment_id")?,
            reserved: settle.reserved,
        },
        Kind::Reverse(reverse) => TransferKind::Reverse {
            reverses: fields::transfer_id(&reverse.reverses, "reverses")?,
            reversed_before: reverse.reversed_before,
            in_full: reverse.in_full,
        },
    })
}

/// What came after a transfer, from the fields that say so: a ledger node older than the last one has no parts.
fn standing(
    transfer: &Transfer,
    pending_state: i32,
    reversed_amount: u64,
    posted_amount: u64,
) -> Result<Standing, Invalid> {
    let state = self::pending_state(pending_state)?;
    match (transfer.first_standing(), state) {
        (Standing::Pending { .. }, Some(state)) => {
            let left_amount = match state {
                PendingState::Pending => {
                    let left_amount = transfer.amount.checked_sub(posted_amount);
                    left_amount.ok_or(Invalid::Shape)?
                }
                PendingState::Posted | PendingState::Voided | PendingState::Expired => 0,
            };
            Ok(Standing::Pending { state, left_amount })
        }
        (Standing::Posted { .. }, None) => Ok(Standing::Posted { reversed_amount }),
        (Standing::Final, None) => Ok(Standing::Final),
        (Standing::Pending { .. }, None) | (Standing::Posted { .. } | Standing::Final, Some(_)) => {
            Err(Invalid::Shape)
        }
    }
}

pub(crate) const fn pending_state_to_message(state: Option<PendingState>) -> v1::PendingState {
    match state {
        None => v1::PendingState::Unspecified,
        Some(PendingState::Pending) => v1::PendingState::Pending,
        Some(PendingState::Posted) => v1::PendingState::Posted,
        Some(PendingState::Voided) => v1::PendingState::Voided,
        Some(PendingState::Expired) => v1::PendingState::Expired,
    }
}

/// A transfer, and what came after it.
pub(crate) fn used_to_message(
    transfer: &Transfer,
    standing: Standing,
    end: Option<PendingEnd>,
) -> v1::UsedByTransfer {
    v1::UsedByTransfer {
        transfer: Some(transfer.into()),
        pending_state: pending_state_to_message(standing.pending_state()).into(),
        pending_end: end.map(pending_end_to_message),
        // Of what cannot be reversed nothing is: as of any field that is left out.
        reversed_amount: standing.reversed_amount().unwrap_or(0),
        // Likewise of what parts posted.
        posted_amount: standing.posted_of(transfer.amount).unwrap_or(0),
    }
}

/// The transfer, and how it stands.
pub(crate) fn used(message: v1::UsedByTransfer) -> Result<(Transfer, Standing), Invalid> {
    let transfer: Transfer = given(message.transfer, "transfer")?.try_into()?;
    let standing = standing(
        &transfer,
        message.pending_state,
        message.reversed_amount,
        message.posted_amount,
    )?;
    Ok((transfer, standing))
}

pub(crate) fn pending_end_to_message(end: PendingEnd) -> v1::PendingEnd {
    v1::PendingEnd {
        ended_by: end.by.map_or(Vec::new(), |id| id.to_bytes().to_vec()),
        posted_amount: end.posted_amount,
        ended_at: end.at.as_nanos(),
    }
}

pub(crate) fn pending_end(message: &v1::PendingEnd) -> Result<PendingEnd, Invalid> {
    let by = match message.ended_by.is_empty() {
        true => None,
        false => Some(fields::transfer_id(&message.ended_by, "ended_by")?),
    };
    Ok(PendingEnd {
        by,
        posted_amount: message.posted_amount,
        at: fields::timestamp(message.ended_at),
    })
}

fn pending_state(value: i32) -> Result<Option<PendingState>, Invalid> {
    Ok(match v1::PendingState::try_from(value) {
        Ok(v1::PendingState::Unspecified) => None,
        Ok(v1::PendingState::Pending) => Some(PendingState::Pending),
        Ok(v1::PendingState::Posted) => Some(PendingState::Posted),
        Ok(v1::PendingState::Voided) => Some(PendingState::Voided),
        Ok(v1::PendingState::Expired) => Some(PendingState::Expired),
        Err(_) => return Err(Invalid::Unknown("pending_state")),
    })
}

/// The kinds of transfers that make entries, with their names.
const ENTRY_KINDS: [(v1::EntryKind, &str); 4] = [
    (v1::EntryKind::Transfer, TransferKind::Transfer.as_str()),
    (v1::EntryKind::Post, "post"),
    (v1::EntryKind::Settle, "settle"),
    (v1::EntryKind::Reverse, "reverse"),
];

impl From<&Entry> for v1::Entry {
    fn from(entry: &Entry) -> Self {
        let kind = ENTRY_KINDS.iter().find(|(_, name)| *name == entry.kind);
        let notes = notes::Fields::from(&entry.notes);
        Self {
            number: entry.number,
            transfer_id: entry.transfer_id.to_bytes().to_vec(),
            kind: kind
                .map_or(v1::EntryKind::Unspecified, |(kind, _)| *kind)
                .into(),
            debit_account_id: entry.debit_account_id.as_str().to_owned(),
            credit_account_id: entry.credit_account_id.as_str().to_owned(),
            amount: entry.amount,
            description: entry.description.as_str().to_owned(),
            balance_after: entry.balance_after,
            timestamp: entry.timestamp.as_nanos(),
            reference: notes.reference,
            reference_text: notes.reference_text,
            metadata: notes.metadata,
            pending_id: bytes_of(entry.pending_id.map(TransferId::to_bytes)),
            payment_id: bytes_of(entry.payment_id.map(PaymentId::to_bytes)),
            reverses: bytes_of(entry.reverses.map(TransferId::to_bytes)),
        }
    }
}

/// An id that may be left out.
fn bytes_of(id: Option<[u8; 16]>) -> Vec<u8> {
    match id {
        Some(id) => id.to_vec(),
        None => Vec::new(),
    }
}

/// Likewise, as it is read.
fn id_of<T>(
    bytes: &[u8],
    name: &'static str,
    read: impl FnOnce(&[u8], &'static str) -> Result<T, Invalid>,
) -> Result<Option<T>, Invalid> {
    match bytes {
        [] => Ok(None),
        bytes => read(bytes, name).map(Some),
    }
}

impl TryFrom<v1::Entry> for Entry {
    type Error = Invalid;

    fn try_from(entry: v1::Entry) -> Result<Self, Invalid> {
        let notes = notes::of_message(&entry.reference, &entry.reference_text, &entry.metadata)?;
        let value = entry.kind();
        let kind = ENTRY_KINDS.iter().find(|(kind, _)| *kind == value);
        Ok(Self {
            number: entry.number,
            transfer_id: fields::transfer_id(&entry.transfer_id, "transfer_id")?,
            kind: kind.ok_or(Invalid::Unknown("kind"))?.1,
            pending_id: id_of(&entry.pending_id, "pending_id", fields::transfer_id)?,
            payment_id: id_of(&entry.payment_id, "payment_id", fields::payment_id)?,
            reverses: id_of(&entry.reverses, "reverses", fields::transfer_id)?,
            debit_account_id: fields::account_id(&entry.debit_account_id, "debit_account_id")?,
            credit_account_id: fields::account_id(&entry.credit_account_id, "credit_account_id")?,
            amount: entry.amount,
            description: entry.description.into(),
            balance_after: entry.balance_after,
            timestamp: fields::timestamp(entry.timestamp),
            notes,
        })
    }
}
