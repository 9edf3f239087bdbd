//! A journal record: an event, and where its accounts' previous entries are.
//!
//! The bytes are described in `docs/ledger-records.md`.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use hashbrown::HashMap;
use journal::Address;
use ledger::{
    Account, Batch, By, Command, Event, Field, Frozen, Notes, PaymentId, Record, Refusal, Transfer,
    TransferKind,
};
use serde::{Deserialize, Serialize};

mod appending;
#[cfg(test)]
mod fuzz;
mod links;
#[cfg(test)]
mod tests;
mod transfer;

use appending::Appending;
pub(crate) use links::Links;

/// The first byte of a record that has nothing which came later.
const VERSION_1: u8 = 1;
/// The first byte of a record with a reference that is no 128-bit id, with metadata, or with a payment's
/// reference. A build that knows only the version before stops at it, and says why.
const VERSION_2: u8 = 2;
/// The first byte of a record about a reversal.
const VERSION_3: u8 = 3;
/// The first byte of a record about a post that keeps the rest reserved, or about what is frozen.
const VERSION_4: u8 = 4;

/// The first byte of a record about a change of an account with who decided it, or why: that stands behind the event.
const VERSION_5: u8 = 5;

/// The most bytes of any record but a resolution's, beside metadata and references: a settlement holds
/// its payment and its transfer, each with a description and account ids; an atomic batch's own may
/// hold the outcome of a member.
pub(crate) const RECORD_BYTES_MAX: usize = 2_048;

/// The most bytes that the records of these commands take, and that of the batch itself.
/// `open_payment_notes` is how large the notes of an open payment are.
pub(crate) fn batch_bytes_max(
    batch: &Batch,
    open_payment_notes: impl Fn(PaymentId) -> usize,
) -> usize {
    let commands = batch.commands();
    let of_commands: usize = commands.iter().map(record_bytes_max).sum();
    // A member that is there already fails an atomic batch: its record has what is there.
    let exists_max = match batch.atomic_id() {
        Some(_) => Notes::SIZE_BYTES_MAX,
        None => 0,
    };
    let of_payments = if batch.has_payments() {
        let mut accepted: HashMap<PaymentId, usize> = HashMap::new();
        for command in commands {
            if let (Some(id), false) = (command.payment_id(), command.notes().is_none()) {
                // Of two with one id the first counts, unless it is refused.
                let bytes = accepted.entry(id).or_default();
                *bytes = (*bytes).max(command.notes().size_bytes());
            }
        }
        let ids = commands.iter().filter_map(Command::payment_id);
        let notes = ids.map(|id| match accepted.get(&id) {
            Some(bytes) => (*bytes).max(open_payment_notes(id)),
            None => open_payment_notes(id),
        });
        // A settlement has them as its payment's, and the reference as its transfer's.
        2 * notes.sum::<usize>()
    } else {
        0
    };
    of_commands + of_payments + RECORD_BYTES_MAX + exists_max
}

/// The most bytes that the record of this command takes, beside the notes of a payment that is there.
pub(crate) fn record_bytes_max(command: &Command) -> usize {
    if command.move_money().is_some() {
        // What the event adds: ids of two sides after it, timestamp, links.
        command.size_bytes() + 320
    } else if let Command::ResolvePayment(resolve) = command {
        // As much as its settlement would, and the resolution.
        RECORD_BYTES_MAX + resolve.texts_bytes() + 96
    } else {
        RECORD_BYTES_MAX + command.notes().size_bytes()
    }
}

/// A record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) links: Links,
    pub(crate) event: Event,
}

#[derive(Serialize)]
struct Recording<'a> {
    links: Links,
    event: &'a Event,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A record of another version of Lastro.
    #[error("a record of version {0}, which this version of Lastro does not know")]
    UnknownVersion(u8),
    /// The bytes hold no event.
    #[error("a record whose bytes are not an event")]
    Malformed,
}

/// Appends the record's bytes.
pub(crate) fn encode(links: Links, event: &Event, bytes: &mut Vec<u8>) {
    bytes.push(version(event));
    if transfer::encode(links, event, bytes) {
        return;
    }
    let appended = postcard::serialize_with_flavor(&Recording { links, event }, Appending(bytes));
    assert!(appended.is_ok(), "plain data serializes into memory");
    if let Some(by) = event.by() {
        let appended = postcard::serialize_with_flavor(by, Appending(bytes));
        assert!(appended.is_ok(), "plain data serializes into memory");
    }
}

/// The oldest version that has all that the event holds.
fn version(event: &Event) -> u8 {
    if event.by().is_some() {
        return VERSION_5;
    }
    match event {
        Event::Transfer(transfer) => version_of_transfer(transfer),
        Event::Refused {
            command, refusal, ..
        } => version_of_command(command).max(version_of_refusal(refusal)),
        Event::Batch(batch) => match &batch.failure {
            Some(failure) => version_of_result(&failure.outcome.result),
            None => VERSION_1,
        },
        Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentResolved(_) => match event.payment() {
            Some(payment) => version_of_payment_notes(&payment.notes),
            None => VERSION_1,
        },
        Event::AccountOpened { account, .. }
        | Event::LimitChanged { account, .. }
        | Event::AccountClosed { account, .. } => version_of_account(account),
        Event::FreezeChanged { .. } => VERSION_4,
        Event::PaymentsPurged { .. } => VERSION_1,
    }
}

/// What is frozen stands in a byte that was `false` or `true` before.
fn version_of_account(account: &Account) -> u8 {
    match account.frozen {
        Frozen::None => VERSION_1,
        Frozen::Debits | Frozen::Credits | Frozen::Both => VERSION_4,
    }
}

fn version_of_transfer(transfer: &Transfer) -> u8 {
    match transfer.kind {
        TransferKind::PostPart { .. } => VERSION_4,
        TransferKind::Reverse { .. } => VERSION_3,
        TransferKind::Transfer
        | TransferKind::Pend { .. }
        | TransferKind::Post { .. }
        | TransferKind::Void { .. }
        | TransferKind::Expire
        | TransferKind::Settle { .. } => version_of_notes(&transfer.notes),
    }
}

fn version_of_command(command: &Command) -> u8 {
    match command {
        Command::PostPart { .. } | Command::ChangeFreeze { .. } => VERSION_4,
        Command::Reverse(_) => VERSION_3,
        Command::AcceptPayment(accept) => version_of_payment_notes(&accept.notes),
        Command::Transfer(_)
        | Command::Pend { .. }
        | Command::Post { .. }
        | Command::Void { .. }
        | Command::Expire { .. }
        | Command::OpenAccount(_)
        | Command::ChangeLimit { .. }
        | Command::CloseAccount { .. }
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::PurgePayments { .. }
        | Command::ResolvePayment(_) => version_of_notes(command.notes()),
    }
}

fn version_of_result(result: &Result<Record, Refusal>) -> u8 {
    match result {
        Ok(Record::Transfer(transfer)) => version_of_transfer(transfer),
        Ok(Record::Payment(payment)) => version_of_payment_notes(&payment.notes),
        Ok(Record::Account { account, .. }) => version_of_account(account),
        Ok(Record::Purge { .. }) => VERSION_1,
        Err(refusal) => version_of_refusal(refusal),
    }
}

fn version_of_notes(notes: &Notes) -> u8 {
    if notes.is_none_or_id() {
        VERSION_1
    } else {
        VERSION_2
    }
}

/// In version 1 a payment had none.
fn version_of_payment_notes(notes: &Notes) -> u8 {
    if notes.is_none() {
        VERSION_1
    } else {
        VERSION_2
    }
}

fn version_of_refusal(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::ExistsWithDifferent(Field::Final) | Refusal::AccountFrozen { .. } => VERSION_4,
        Refusal::TransferNotReversible { .. }
        | Refusal::AmountExceedsReversible { .. }
        | Refusal::ExistsWithDifferent(Field::Reverses) => VERSION_3,
        Refusal::ExistsWithDifferent(
            Field::Kind
            | Field::Currency
            | Field::CreditLimit
            | Field::DebitAccountId
            | Field::CreditAccountId
            | Field::Amount
            | Field::Description
            | Field::Reference
            | Field::TimeoutS
            | Field::PendingId
            | Field::AccountId
            | Field::Members
            | Field::Metadata,
        )
        | Refusal::AccountNotFound { .. }
        | Refusal::AccountClosed { .. }
        | Refusal::AccountInUse { .. }
        | Refusal::AccountReserved { .. }
        | Refusal::InsufficientFunds { .. }
        | Refusal::CurrencyMismatch
        | Refusal::AccountsMustDiffer
        | Refusal::AmountOutOfRange { .. }
        | Refusal::DescriptionInvalid
        | Refusal::PendingNotFound { .. }
        | Refusal::PendingAlreadyPosted { .. }
        | Refusal::PendingAlreadyVoided { .. }
        | Refusal::PendingExpired { .. }
        | Refusal::AmountExceedsPending { .. }
        | Refusal::BatchMemberFailed
        | Refusal::BalanceOverflow { .. }
        | Refusal::PaymentNotFound { .. }
        | Refusal::PaymentInOtherState { .. }
        | Refusal::PaymentUnderWay { .. }
        | Refusal::CurrencyNotCurrent { .. }
        | Refusal::AccountInOtherState { .. }
        | Refusal::PaymentsInOtherState { .. } => VERSION_1,
    }
}

/// The record of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Recorded, RecordError> {
    match bytes.split_first() {
        Some((&(VERSION_1..=VERSION_4), record)) => match postcard::take_from_bytes(record) {
            Ok((recorded, [])) => Ok(recorded),
            _ => Err(RecordError::Malformed),
        },
        Some((&VERSION_5, record)) => decided_by(record).ok_or(RecordError::Malformed),
        Some((&version, _)) => Err(RecordError::UnknownVersion(version)),
        None => Err(RecordError::Malformed),
    }
}

/// A record with who decided, and why, behind the event.
fn decided_by(record: &[u8]) -> Option<Recorded> {
    let (recorded, rest) = postcard::take_from_bytes::<Recorded>(record).ok()?;
    let (by, []) = postcard::take_from_bytes::<By>(rest).ok()? else {
        return None;
    };
    // One with neither has another version.
    let event = recorded
        .event
        .decided_by(by)
        .filter(|event| event.by().is_some_and(|by| by.texts().next().is_some()))?;
    Some(Recorded {
        links: recorded.links,
        event,
    })
}

/// Where the record after this one lies, in the same frame.
pub(crate) fn next_address(address: Address, payload_length: usize) -> Option<Address> {
    Address::from_u64(address.to_u64() + (journal::RECORD_HEADER_BYTES + payload_length) as u64)
}
