//! Between the rules' types and the database's.
//!
//! Times and totals are u64 in the rules and bigint in the database: those of limited accounts fit,
//! those of unlimited ones are the same 64 bits, and what is later than a bigint can say is kept as
//! its end.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use ledger::{
    Account, AccountId, BatchId, Currency, Digest, Event, Frozen, Limit, Millis, Note, PaymentId,
    PendingEnd, PendingState, ProcessorName, Resolution, ResolutionKind, Standing, Timestamp,
    Transfer, TransferId, UsedBatch, UsedPayment, UsedTransfer,
};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;

/// The columns of a limited account, by name: a column that a newer version adds does not change what
/// is answered to an older one.
macro_rules! account_columns {
    () => {
        "account.account_id, account.currency, account.credit_limit, account.credit_limit_opened, \
         account.debits_posted, account.credits_posted, account.debits_pending, \
         account.credits_pending, account.entry_count, account.closed, account.opened_at, \
         account.newest_at, account.frozen"
    };
}

/// Likewise, of a stripe of an unlimited one.
macro_rules! stripe_columns {
    () => {
        "account_id, stripe, currency, opened_at, debits_posted, credits_posted, debits_pending, \
         credits_pending"
    };
}

pub(crate) use {account_columns, stripe_columns};

/// Bytes of the journal's own format.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data is serialized into memory without an error")
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Failure> {
    postcard::from_bytes(bytes).map_err(|_| Failure::Damaged("a record"))
}

/// The bytes of an event, and behind them who decided it and why, where that is known. A node of an earlier version reads the
/// event alone.
pub(crate) fn encode_event(event: &Event) -> Vec<u8> {
    let mut bytes = encode(event);
    if let Some(by) = event.by() {
        bytes.extend(encode(by));
    }
    bytes
}

pub(crate) fn decode_event(bytes: &[u8]) -> Result<Event, Failure> {
    let damaged = || Failure::Damaged("a record");
    let (event, rest) = postcard::take_from_bytes::<Event>(bytes).map_err(|_| damaged())?;
    if rest.is_empty() {
        return Ok(event);
    }
    event.decided_by(decode(rest)?).ok_or_else(damaged)
}

pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A total as the same 64 bits.
pub(crate) const fn signed(total: u64) -> i64 {
    total.cast_signed()
}

/// A time as a bigint. One past the year 2262 becomes the last bigint: as a bound it includes the same
/// rows. Times to be stored come from bigints of the database's clock.
pub(crate) fn time(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// Likewise. To be stored they come from nodes, whose messages have no later ones.
pub(crate) fn millis(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

pub(crate) const fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_nanos(at.cast_unsigned())
}

pub(crate) fn total(row: &Row, column: &str) -> Result<u64, Failure> {
    Ok(row.try_get::<_, i64>(column)?.cast_unsigned())
}

pub(crate) fn account_id(row: &Row, column: &str) -> Result<AccountId, Failure> {
    AccountId::new(row.try_get(column)?).map_err(|_| Failure::Damaged("an account's id"))
}

pub(crate) fn currency(row: &Row) -> Result<Currency, Failure> {
    Currency::new(row.try_get("currency")?).map_err(|_| Failure::Damaged("a currency"))
}

/// A limited account's row.
pub(crate) fn limited_account(row: &Row) -> Result<Account, Failure> {
    Ok(Account {
        currency: currency(row)?,
        limit: Limit::Credit(total(row, "credit_limit")?),
        debits_posted: total(row, "debits_posted")?,
        credits_posted: total(row, "credits_posted")?,
        debits_pending: total(row, "debits_pending")?,
        credits_pending: total(row, "credits_pending")?,
        entry_count: total(row, "entry_count")?,
        closed: row.try_get("closed")?,
        frozen: frozen(row.try_get("frozen")?)?,
        timestamp: timestamp(row.try_get("opened_at")?),
    })
}

fn frozen(number: i16) -> Result<Frozen, Failure> {
    let place = usize::try_from(number).ok();
    let frozen = place.and_then(|place| Frozen::ALL.get(place)).copied();
    frozen.ok_or(Failure::Damaged("what of an account is frozen"))
}

/// An unlimited account as the sum of its stripes; `None` without any.
pub(crate) fn unlimited_account<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
) -> Result<Option<Account>, Failure> {
    let mut rows = rows.into_iter().peekable();
    let Some(first) = rows.peek() else {
        return Ok(None);
    };
    let opened_at = timestamp(first.try_get("opened_at")?);
    let mut account = Account::new(currency(first)?, Limit::Unlimited, opened_at);
    for row in rows {
        for (sum, column) in [
            (&mut account.debits_posted, "debits_posted"),
            (&mut account.credits_posted, "credits_posted"),
            (&mut account.debits_pending, "debits_pending"),
            (&mut account.credits_pending, "credits_pending"),
        ] {
            *sum = sum.wrapping_add(total(row, column)?);
        }
    }
    Ok(Some(account))
}

pub(crate) const fn pending_state_number(state: PendingState) -> i16 {
    match state {
        PendingState::Pending => 0,
        PendingState::Posted => 1,
        PendingState::Voided => 2,
        PendingState::Expired => 3,
    }
}

/// Of a pending transfer that parts were posted of: a node that knows no parts does not read it.
pub(crate) const PENDING_IN_PARTS: i16 = 4;

/// Whether the column of its state says that a transfer is pending.
pub(crate) fn is_pending(state: Option<i16>) -> bool {
    matches!(state, Some(0 | PENDING_IN_PARTS))
}

fn pending_state(number: i16) -> Result<PendingState, Failure> {
    match number {
        0 | PENDING_IN_PARTS => Ok(PendingState::Pending),
        1 => Ok(PendingState::Posted),
        2 => Ok(PendingState::Voided),
        3 => Ok(PendingState::Expired),
        _ => Err(Failure::Damaged("a pending transfer's state")),
    }
}

/// A row of used ids of transfers.
pub(crate) fn used_transfer(row: &Row) -> Result<(TransferId, UsedTransfer), Failure> {
    let id = TransferId::from_u128(row.try_get::<_, Uuid>("transfer_id")?.as_u128());
    let number: Option<i16> = row.try_get("pending_state")?;
    let state = number.map(pending_state).transpose()?;
    let reversed_amount: Option<i64> = row.try_get("reversed_amount")?;
    let left_amount: Option<i64> = row.try_get("left_amount")?;
    let damaged = || Failure::Damaged("a transfer");
    let used = match UsedTransfer::by(decode(row.try_get("record")?)?).ok_or_else(damaged)? {
        UsedTransfer::Created(transfer, first) => {
            let standing = match (first, state, reversed_amount) {
                (Standing::Pending { .. }, Some(state), None) => {
                    if !state.is_ended()
                        && left_amount.is_some() != (number == Some(PENDING_IN_PARTS))
                    {
                        return Err(damaged());
                    }
                    let left_amount = left(&transfer, left_amount)?;
                    let left_amount = if state.is_ended() { 0 } else { left_amount };
                    Standing::Pending { state, left_amount }
                }
                (Standing::Posted { .. } | Standing::Final, _, _) if left_amount.is_some() => {
                    return Err(damaged());
                }
                (Standing::Posted { .. }, None, None) | (Standing::Final, None, None) => first,
                (Standing::Posted { .. }, None, Some(reversed)) => {
                    let reversed_amount = u64::try_from(reversed).map_err(|_| damaged())?;
                    if reversed_amount > transfer.amount {
                        return Err(damaged());
                    }
                    Standing::Posted { reversed_amount }
                }
                (Standing::Pending { .. }, _, _)
                | (Standing::Posted { .. }, Some(_), _)
                | (Standing::Final, _, _) => return Err(damaged()),
            };
            UsedTransfer::Created(transfer, standing)
        }
        used @ (UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) => used,
    };
    Ok((id, used))
}

/// How much parts have left of a pending transfer, by the column of its row: all of it where there were none.
pub(crate) fn left(pending: &Transfer, column: Option<i64>) -> Result<u64, Failure> {
    let Some(left_amount) = column else {
        return Ok(pending.amount);
    };
    let left_amount = u64::try_from(left_amount).ok();
    // Each part is of something.
    let left_amount = left_amount.filter(|left_amount| *left_amount < pending.amount);
    left_amount.ok_or(Failure::Damaged("a transfer"))
}

/// How a pending transfer ended, from its row and that of what ended it.
pub(crate) fn pending_end(row: &Row) -> Result<Option<PendingEnd>, Failure> {
    let state: Option<i16> = row.try_get("pending_state")?;
    match state.map(pending_state).transpose()? {
        None | Some(PendingState::Pending) => Ok(None),
        Some(PendingState::Expired) => {
            let expired_at: Option<i64> = row.try_get("expired_at")?;
            let pending = pending_of(row)?;
            let posted_amount = pending.amount - left(&pending, row.try_get("left_amount")?)?;
            Ok(expired_at.map(|at| PendingEnd {
                by: None,
                posted_amount: (posted_amount > 0).then_some(posted_amount),
                at: timestamp(at),
            }))
        }
        Some(PendingState::Posted | PendingState::Voided) => {
            let record: Option<&[u8]> = row.try_get("record")?;
            let damaged = Failure::Damaged("the end of a pending transfer");
            let event = record.map(decode::<Event>).transpose()?;
            let ending = event.as_ref().and_then(Event::transfer);
            let pending = pending_of(row)?;
            let end = ending.and_then(|transfer| transfer.end_of(&pending));
            end.map(Some).ok_or(damaged)
        }
    }
}

/// The pending transfer whose end was asked for.
fn pending_of(row: &Row) -> Result<Transfer, Failure> {
    if let Event::Transfer(pending) = decode(row.try_get("pending")?)? {
        return Ok(pending);
    }
    Err(Failure::Damaged("a pending transfer"))
}

/// A row of used ids of payments.
pub(crate) fn used_payment(row: &Row) -> Result<(PaymentId, UsedPayment), Failure> {
    let id = PaymentId::from_u128(row.try_get::<_, Uuid>("payment_id")?.as_u128());
    let used = UsedPayment::by(decode(row.try_get("record")?)?);
    let used = used.ok_or(Failure::Damaged("a payment"))?;
    Ok((id, used))
}

/// A row of resolutions.
pub(crate) fn resolution(row: &Row) -> Result<Resolution, Failure> {
    let damaged = || Failure::Damaged("a resolution");
    let requested_at: Option<i64> = row.try_get("requested_at_ms")?;
    let kind = match (row.try_get("kind")?, requested_at) {
        ("settled", Some(at)) => ResolutionKind::Settled {
            requested_at: Millis(at.cast_unsigned()),
        },
        ("release", None) => ResolutionKind::Release,
        ("refuse", None) => ResolutionKind::Refuse,
        _ => return Err(damaged()),
    };
    let attempt: i64 = row.try_get("attempt")?;
    let processor: Option<&str> = row.try_get("processor")?;
    let processor = processor.map(ProcessorName::new).transpose();
    Ok(Resolution {
        kind,
        attempt: u32::try_from(attempt).map_err(|_| damaged())?,
        processor: processor.map_err(|_| damaged())?,
        who: Note::kept(row.try_get("who")?).map_err(|_| damaged())?,
        why: Note::kept(row.try_get("why")?).map_err(|_| damaged())?,
        timestamp: timestamp(row.try_get("resolved_at")?),
    })
}

/// A row of used ids of atomic batches.
pub(crate) fn used_batch(row: &Row) -> Result<(BatchId, UsedBatch), Failure> {
    let id = BatchId::from_u128(row.try_get::<_, Uuid>("batch_id")?.as_u128());
    let digest: &[u8] = row.try_get("digest")?;
    let digest = digest
        .try_into()
        .map_err(|_| Failure::Damaged("a batch's digest"))?;
    let used = UsedBatch {
        digest: Digest(digest),
        outcomes: decode(row.try_get("outcomes")?)?,
    };
    Ok((id, used))
}
