//! The bytes on disk, as `docs/journal-format.md` maps them. All numbers are little endian.

mod frame;
mod record;
mod segment;

use std::fmt;
use std::str::FromStr;

pub use frame::{FRAME_HEADER_BYTES, FrameInfo};
pub(crate) use frame::{FRAME_MAGIC, frame_is_whole};
pub use record::RECORD_HEADER_BYTES;
pub(crate) use record::{RecordAt, payload_length, record_at, seal_record};
pub use segment::SEGMENT_HEADER_BYTES;
pub(crate) use segment::{HeaderFault, SegmentHeader};

/// The version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// A BLAKE3 hash; prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The text is no number of that many hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a number of {digits} hexadecimal digits")]
pub struct NotHexadecimal {
    text: String,
    digits: usize,
}

impl FromStr for Hash {
    type Err = NotHexadecimal;

    fn from_str(text: &str) -> Result<Self, NotHexadecimal> {
        hexadecimal(text).map(Self)
    }
}

impl FromStr for JournalId {
    type Err = NotHexadecimal;

    fn from_str(text: &str) -> Result<Self, NotHexadecimal> {
        hexadecimal(text).map(Self)
    }
}

fn hexadecimal<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], NotHexadecimal> {
    let digits = 2 * BYTES;
    let is_one = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let none = || NotHexadecimal {
        text: text.to_owned(),
        digits,
    };
    let mut bytes = [0; BYTES];
    for (byte, at) in bytes.iter_mut().zip((0..digits).step_by(2)) {
        let pair = is_one.then(|| &text[at..at + 2]).ok_or_else(none)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| none())?;
    }
    Ok(bytes)
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A journal's identity, drawn at its creation; prints as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JournalId(pub [u8; 16]);

impl fmt::Display for JournalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What binds checksums to one journal, so that bytes of another (or of a payload that imitates a
/// frame) never check.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    pub(crate) id: JournalId,
    key: [u8; 32],
    crc_seed: u32,
}

impl Seal {
    pub(crate) fn new(id: JournalId) -> Self {
        let key = blake3::derive_key("lastro journal format 1 frame", &id.0);
        Self {
            id,
            key,
            crc_seed: crc32c::crc32c(&id.0),
        }
    }

    /// CRC32C over the journal's id and then `bytes`.
    pub(crate) fn crc(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.crc_seed, bytes)
    }

    fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.key)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn hash_at(bytes: &[u8], at: usize) -> Hash {
    let mut hash = Hash::default();
    hash.0.copy_from_slice(&bytes[at..at + 32]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_read_what_they_print() {
        let hash = Hash([0xA7; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let id = JournalId([0x0F; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "a7", &"g".repeat(64), &"é".repeat(32), &"+a".repeat(32)] {
            let refused = text.parse::<Hash>().unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("\"{text}\" is not a number of 64 hexadecimal digits")
            );
        }
    }
}
