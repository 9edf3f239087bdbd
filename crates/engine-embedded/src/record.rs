//! A journal record: an event, and where its accounts' previous entries are.
//!
//! The bytes are described in `docs/ledger-records.md`.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use journal::Address;
use ledger::{Command, Event};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod fuzz;
mod links;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use links::Links;

/// The first byte of every record of this layout.
const VERSION: u8 = 1;

/// The most bytes of any record but a resolution's: a settlement holds its payment and its transfer,
/// each with a description and account ids; an atomic batch's own may hold the outcome of a member.
pub(crate) const RECORD_BYTES_MAX: usize = 2_048;

/// The most bytes that the record of this command takes.
pub(crate) fn record_bytes_max(command: &Command) -> usize {
    if command.move_money().is_some() {
        // What the event adds: ids of two sides after it, timestamp, links.
        command.size_bytes() + 320
    } else if let Command::ResolvePayment(resolve) = command {
        // As much as its settlement would, and the resolution.
        RECORD_BYTES_MAX + resolve.texts_bytes() + 96
    } else {
        RECORD_BYTES_MAX
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
    bytes.push(VERSION);
    if transfer::encode(links, event, bytes) {
        return;
    }
    let appended = postcard::serialize_with_flavor(&Recording { links, event }, Appending(bytes));
    assert!(appended.is_ok(), "plain data serializes into memory");
}

/// The record of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Recorded, RecordError> {
    match bytes.split_first() {
        Some((&VERSION, record)) => match postcard::take_from_bytes(record) {
            Ok((recorded, [])) => Ok(recorded),
            _ => Err(RecordError::Malformed),
        },
        Some((&version, _)) => Err(RecordError::UnknownVersion(version)),
        None => Err(RecordError::Malformed),
    }
}

/// Where the record after this one lies, in the same frame.
pub(crate) fn next_address(address: Address, payload_length: usize) -> Option<Address> {
    Address::from_u64(address.to_u64() + (journal::RECORD_HEADER_BYTES + payload_length) as u64)
}

/// Serializes to the end of a buffer that is there already.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
