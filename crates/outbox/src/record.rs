//! The outbox's records: an operation, or a mark up to where they are applied.
//!
//! The bytes are described in `docs/outbox-records.md`.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use ledger::Command;

/// The first byte of every record; the ledger's begin with another.
const MAGIC: u8 = b'O';
const VERSION: u8 = 1;
/// Of an operation with a reference that is no 128-bit id, or with metadata. A build that knows only the
/// version before stops at it, and says why.
const VERSION_2: u8 = 2;
/// Of a post that keeps the rest reserved.
const VERSION_3: u8 = 3;
const OPERATION: u8 = 1;
const APPLIED: u8 = 2;

/// The length of a mark.
pub(crate) const MARK_BYTES: usize = 11;

/// A record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// An accepted operation.
    Operation(Command),
    /// Every operation whose record's number is smaller has its outcome.
    Applied { before: u64 },
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A record of another version of Lastro.
    #[error("the record has version {0}, which this version of Lastro cannot read")]
    UnknownVersion(u8),
    /// The bytes hold no record of an outbox.
    #[error("the record does not belong to an outbox")]
    Malformed,
}

/// The record of an operation.
pub(crate) fn of_operation(command: &Command) -> Vec<u8> {
    let version = if let Command::PostPart { .. } = command {
        VERSION_3
    } else if command.notes().is_none_or_id() {
        VERSION
    } else {
        VERSION_2
    };
    let record = postcard::to_extend(command, vec![MAGIC, version, OPERATION]);
    // Plain data into memory: it cannot fail.
    record.unwrap_or_else(|error| panic!("an operation could not be serialized: {error}"))
}

/// The record of a mark.
pub(crate) fn of_mark(before: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..3].copy_from_slice(&[MAGIC, VERSION, APPLIED]);
    bytes[3..].copy_from_slice(&before.to_le_bytes());
    bytes
}

/// Whether the bytes begin as those of an outbox do.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    bytes.first() == Some(&MAGIC)
}

/// The record of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    match bytes {
        [MAGIC, VERSION..=VERSION_3, OPERATION, command @ ..] => {
            match postcard::take_from_bytes(command) {
                Ok((command, [])) => Ok(Record::Operation(command)),
                _ => Err(RecordError::Malformed),
            }
        }
        [MAGIC, VERSION, APPLIED, before @ ..] => {
            let before = before.try_into().map_err(|_| RecordError::Malformed)?;
            Ok(Record::Applied {
                before: u64::from_le_bytes(before),
            })
        }
        [MAGIC, VERSION..=VERSION_3, ..] => Err(RecordError::Malformed),
        [MAGIC, version, ..] => Err(RecordError::UnknownVersion(*version)),
        _ => Err(RecordError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use ledger::{AccountId, MoveMoney, Notes, Reference, TransferId};

    use super::*;

    #[test]
    fn an_operation_says_the_oldest_version_that_has_all_it_holds() {
        let id = Reference::from_u128(1);
        let text = Reference::new("order 1").unwrap();
        for (reference, version) in [(None, 1), (Some(id), 1), (Some(text), 2)] {
            let account_id = |id| AccountId::new(id).unwrap();
            let command = Command::Transfer(MoveMoney {
                id: TransferId::from_u128(7),
                debit_account_id: account_id("a"),
                credit_account_id: account_id("b"),
                amount: 1,
                description: "x".into(),
                notes: Notes::of_reference(reference),
            });
            let bytes = of_operation(&command);
            assert_eq!(bytes[1], version);
            assert_eq!(decode(&bytes), Ok(Record::Operation(command)));
        }
        let part = Command::PostPart {
            id: TransferId::from_u128(7),
            pending_id: TransferId::from_u128(8),
            amount: 1,
        };
        let bytes = of_operation(&part);
        assert_eq!(bytes[1], 3);
        assert_eq!(decode(&bytes), Ok(Record::Operation(part)));
    }

    #[test]
    fn records_go_round_and_nothing_else_is_one() {
        let command = Command::Void {
            id: TransferId::from_u128(7),
            pending_id: TransferId::from_u128(8),
        };
        let bytes = of_operation(&command);
        assert_eq!(decode(&bytes), Ok(Record::Operation(command)));
        for before in [0, 1, u64::MAX] {
            assert_eq!(decode(&of_mark(before)), Ok(Record::Applied { before }));
        }
        let malformed = Err(RecordError::Malformed);
        let longer = [&bytes[..], &[0]].concat();
        for bytes in [
            &[][..],
            &bytes[1..],
            &longer,
            &of_mark(1)[..10],
            b"O\x01\x03",
        ] {
            assert_eq!(decode(bytes), malformed, "{bytes:?}");
        }
        assert_eq!(decode(b"O\x04\x01"), Err(RecordError::UnknownVersion(4)));
        assert!(is_record(&bytes) && !is_record(&[1, 2, 3]));
    }
}
