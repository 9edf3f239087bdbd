//! The record: an 8-byte header (checksum, length) and its payload.

use super::{Seal, u32_at};
use crate::address::Address;

/// Length of a record's header in bytes.
pub const RECORD_HEADER_BYTES: usize = 8;

/// CRC32C over the journal's id, the record's own address, its length and its payload.
fn checksum(seal: &Seal, address: Address, length_and_payload: &[u8]) -> u32 {
    crc32c::crc32c_append(
        seal.crc(&address.to_u64().to_le_bytes()),
        length_and_payload,
    )
}

/// Fills in the header of `record`, whose payload is in place.
///
/// # Panics
///
/// If the payload is longer than a `u32` can say; frames are bounded far below that.
pub(crate) fn seal_record(seal: &Seal, address: Address, record: &mut [u8]) {
    let length = u32::try_from(record.len() - RECORD_HEADER_BYTES).expect("frames are below 4 GiB");
    record[4..8].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(seal, address, &record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
}

/// The payload's length according to a record's header, in bytes; to be trusted only once the
/// checksum has matched.
pub(crate) fn payload_length(header: &[u8]) -> usize {
    u32_at(header, 4) as usize
}

/// What [`record_at`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecordAt<'a> {
    /// A whole record.
    Whole(&'a [u8]),
    /// The bytes end before the record's own length; it needs this many in all.
    Longer(usize),
    /// The checksum does not match.
    Bad,
}

/// Reads the record that begins with `bytes` and should lie at `address`.
pub(crate) fn record_at<'a>(seal: &Seal, address: Address, bytes: &'a [u8]) -> RecordAt<'a> {
    if bytes.len() < RECORD_HEADER_BYTES {
        return RecordAt::Longer(RECORD_HEADER_BYTES);
    }
    let end = RECORD_HEADER_BYTES + payload_length(bytes);
    if end > bytes.len() {
        return RecordAt::Longer(end);
    }
    if u32_at(bytes, 0) == checksum(seal, address, &bytes[4..end]) {
        RecordAt::Whole(&bytes[RECORD_HEADER_BYTES..end])
    } else {
        RecordAt::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::super::JournalId;
    use super::*;

    #[test]
    fn goes_round_and_knows_its_place() {
        let seal = Seal::new(JournalId([5; 16]));
        let mut record = vec![0; RECORD_HEADER_BYTES];
        record.extend(b"payload");
        seal_record(&seal, Address::at(500), &mut record);
        assert_eq!(
            record_at(&seal, Address::at(500), &record),
            RecordAt::Whole(b"payload")
        );
        assert_eq!(record_at(&seal, Address::at(501), &record), RecordAt::Bad);
        let other = Seal::new(JournalId([6; 16]));
        assert_eq!(record_at(&other, Address::at(500), &record), RecordAt::Bad);
        assert_eq!(
            record_at(&seal, Address::at(500), &record[..9]),
            RecordAt::Longer(15)
        );
        assert_eq!(record_at(&seal, Address::at(500), &[]), RecordAt::Longer(8));
    }

    #[test]
    fn zeros_are_no_record() {
        let seal = Seal::new(JournalId([5; 16]));
        assert_eq!(record_at(&seal, Address::at(500), &[0; 64]), RecordAt::Bad);
    }
}
