//! A journal record: an event, and where its accounts' previous entries are.
//!
//! The bytes are described in `docs/ledger-records.md`.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use hashbrown::HashMap;
use journal::Address;
use ledger::{Batch, Command, Event, Field, Notes, PaymentId, Record, Refusal};
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
}

fn version(event: &Event) -> u8 {
    if is_of_reversal(event) {
        return VERSION_3;
    }
    let is_of_2 = match event {
        Event::Transfer(transfer) => !transfer.notes.is_none_or_id(),
        Event::Refused { command, .. } => match command {
            Command::AcceptPayment(accept) => !accept.notes.is_none(),
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
            | Command::ResolvePayment(_)
            | Command::Reverse(_) => !command.notes().is_none_or_id(),
        },
        Event::Batch(batch) => {
            let failure = batch.failure.as_ref();
            let record = failure.and_then(|failure| failure.outcome.result.as_ref().ok());
            match record {
                Some(Record::Transfer(transfer)) => !transfer.notes.is_none_or_id(),
                Some(Record::Payment(payment)) => !payment.notes.is_none(),
                Some(Record::Account { .. } | Record::Purge { .. }) | None => false,
            }
        }
        Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentResolved(_) => {
            let payment = event.payment();
            payment.is_some_and(|payment| !payment.notes.is_none())
        }
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::PaymentsPurged { .. } => false,
    };
    if is_of_2 { VERSION_2 } else { VERSION_1 }
}

/// Whether the record has a reversal, a refused one, or a refusal that speaks of one.
fn is_of_reversal(event: &Event) -> bool {
    let is_of_result = |result: &Result<Record, Refusal>| match result {
        Ok(Record::Transfer(transfer)) => transfer.reversal().is_some(),
        Ok(Record::Account { .. } | Record::Payment(_) | Record::Purge { .. }) => false,
        Err(refusal) => is_refusal_of_reversal(refusal),
    };
    match event {
        Event::Transfer(transfer) => transfer.reversal().is_some(),
        Event::Refused { command, .. } => command.reverses().is_some(),
        Event::Batch(batch) => {
            let failure = batch.failure.as_ref();
            failure.is_some_and(|failure| is_of_result(&failure.outcome.result))
        }
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::PaymentResolved(_) => false,
    }
}

fn is_refusal_of_reversal(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::TransferNotReversible { .. }
            | Refusal::AmountExceedsReversible { .. }
            | Refusal::ExistsWithDifferent(Field::Reverses)
    )
}

/// The record of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Recorded, RecordError> {
    match bytes.split_first() {
        Some((&(VERSION_1 | VERSION_2 | VERSION_3), record)) => {
            match postcard::take_from_bytes(record) {
                Ok((recorded, [])) => Ok(recorded),
                _ => Err(RecordError::Malformed),
            }
        }
        Some((&version, _)) => Err(RecordError::UnknownVersion(version)),
        None => Err(RecordError::Malformed),
    }
}

/// Where the record after this one lies, in the same frame.
pub(crate) fn next_address(address: Address, payload_length: usize) -> Option<Address> {
    Address::from_u64(address.to_u64() + (journal::RECORD_HEADER_BYTES + payload_length) as u64)
}
