//! Single fields: ids, currencies, enums, and what is wrong with them.

use compact_str::CompactString;
use ledger::{
    AccountId, BatchId, Currency, EventPosition, Millis, Note, PaymentId, ProcessorName, Timestamp,
    TransferId,
};

/// What a message says and the ledger's types cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The bytes are no message of the definition.
    #[error("the message is not well-formed")]
    Malformed,
    /// A 128-bit id of another length.
    #[error("`{0}` has to be 16 bytes")]
    Id(&'static str),
    /// A position, or a hash, of another length.
    #[error("`{0}` has to be as long as the ledger made it")]
    Length(&'static str),
    /// A text that is no account's id.
    #[error("`{0}` has to be an account's id: 1 to 64 characters of A-Z a-z 0-9 _ . : -")]
    AccountId(&'static str),
    /// A text that is no processor's name.
    #[error("`processor` has to be 1 to 32 characters of A-Z a-z 0-9 _ -")]
    Processor,
    /// A text that is no operator's note.
    #[error("`{0}` has to be 1 to 140 characters, none of them a control character")]
    Note(&'static str),
    /// A text that is no reference.
    #[error("`reference_text` has to be 1 to 128 characters, none of them a control character")]
    ReferenceText,
    /// A reference in both of its fields.
    #[error("`reference` and `reference_text` are two ways to say one thing: give one of them")]
    TwoReferences,
    /// Texts by name that are no metadata.
    #[error(
        "`metadata` has to be at most 1,000 bytes as JSON without blanks; no name may be empty, and \
         nothing may have control characters"
    )]
    Metadata,
    /// A text that is no currency.
    #[error("`currency` has to be a code of ISO 4217 in capitals, such as BRL")]
    Currency,
    /// A message or a choice that has to be given.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An enum's value that this version does not know.
    #[error("`{0}` has a value that is not known")]
    Unknown(&'static str),
    /// A time that no engine can keep.
    #[error("`{0}` has to be at most 9223372036854775807")]
    Time(&'static str),
    /// A batch that is empty or too large.
    #[error("a batch has 1 to 8,190 commands and at most 4 MiB of them")]
    Batch,
    /// More commands than a request may have.
    #[error("a request has at most 65,536 commands")]
    Request,
    /// An answer of another shape than its question.
    #[error("the outcomes do not match the commands")]
    Shape,
}

fn bytes_16(bytes: &[u8], field: &'static str) -> Result<u128, Invalid> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| Invalid::Id(field))?;
    Ok(u128::from_be_bytes(bytes))
}

/// An id of a list, whatever it is a list of.
pub(crate) fn place_id(bytes: &[u8], field: &'static str) -> Result<u128, Invalid> {
    bytes_16(bytes, field)
}

pub(crate) fn batch_id(bytes: &[u8], field: &'static str) -> Result<BatchId, Invalid> {
    bytes_16(bytes, field).map(BatchId::from_u128)
}

pub(crate) fn position(bytes: &[u8], field: &'static str) -> Result<EventPosition, Invalid> {
    let bytes = bytes.try_into().map_err(|_| Invalid::Length(field))?;
    Ok(EventPosition::from_bytes(bytes))
}

/// A time of a command: not later than what a bigint of PostgreSQL holds.
pub(crate) fn millis(at: u64, field: &'static str) -> Result<Millis, Invalid> {
    i64::try_from(at)
        .map(|_| Millis(at))
        .map_err(|_| Invalid::Time(field))
}

pub(crate) fn transfer_id(bytes: &[u8], field: &'static str) -> Result<TransferId, Invalid> {
    bytes_16(bytes, field).map(TransferId::from_u128)
}

pub(crate) fn payment_id(bytes: &[u8], field: &'static str) -> Result<PaymentId, Invalid> {
    bytes_16(bytes, field).map(PaymentId::from_u128)
}

/// Left out where there are no bytes.
pub(crate) fn atomic_id(bytes: &[u8]) -> Result<Option<BatchId>, Invalid> {
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes_16(bytes, "atomic_id").map(|id| Some(BatchId::from_u128(id)))
}

pub(crate) fn account_id(text: &str, field: &'static str) -> Result<AccountId, Invalid> {
    AccountId::try_from(CompactString::new(text)).map_err(|_| Invalid::AccountId(field))
}

/// Left out where the text is empty.
pub(crate) fn payer(text: &str) -> Result<Option<AccountId>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    account_id(text, "account_id").map(Some)
}

pub(crate) fn processor(text: &str) -> Result<ProcessorName, Invalid> {
    ProcessorName::new(text).map_err(|_| Invalid::Processor)
}

pub(crate) fn note(text: String, field: &'static str) -> Result<Note, Invalid> {
    Note::try_from(CompactString::from(text)).map_err(|_| Invalid::Note(field))
}

pub(crate) fn currency(text: &str) -> Result<Currency, Invalid> {
    Currency::new(text).map_err(|_| Invalid::Currency)
}

pub(crate) const fn timestamp(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

pub(crate) fn given<T>(message: Option<T>, field: &'static str) -> Result<T, Invalid> {
    message.ok_or(Invalid::Missing(field))
}
