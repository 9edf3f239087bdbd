//! Protocol buffers' wire format, as far as the write entrance needs it by hand.

use crate::fields::Invalid;

/// The wire types in use.
pub(crate) const VARINT: u64 = 0;
pub(crate) const FIXED_64: u64 = 1;
pub(crate) const LENGTH: u64 = 2;
/// Only in fields that are not known here: this format's third version has no groups.
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED_32: u64 = 5;

/// How deep groups may be in each other: less than the stack, more than anybody sends.
const GROUPS_MAX: u32 = 64;

/// A field's key.
pub(crate) const fn key(field: u64, wire_type: u64) -> u64 {
    field << 3 | wire_type
}

/// How many bytes a varint takes.
pub(crate) const fn varint_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(crate) const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

pub(crate) const fn from_zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "only the lowest byte is meant"
)]
const fn low_byte(value: u64) -> u8 {
    value as u8
}

/// A key of one byte: fields 1 to 15.
pub(crate) fn put_key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    out.push(low_byte(key(field, wire_type)));
}

/// A number, left out where it is 0.
pub(crate) fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_key(out, field, VARINT);
        put_varint(out, value);
    }
}

/// What [`put_number`] takes.
pub(crate) const fn number_size(value: u64) -> usize {
    if value == 0 {
        0
    } else {
        1 + varint_size(value)
    }
}

/// Bytes or a text, left out where they are empty.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_key(out, field, LENGTH);
        put_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

/// What [`put_bytes`] takes.
pub(crate) const fn bytes_size(length: usize) -> usize {
    if length == 0 { 0 } else { message_size(length) }
}

/// What a message of this size takes with its key and its length.
pub(crate) const fn message_size(length: usize) -> usize {
    1 + varint_size(length as u64) + length
}

/// A message's key and length; the message follows.
pub(crate) fn put_message(out: &mut Vec<u8>, field: u64, length: usize) {
    put_key(out, field, LENGTH);
    put_varint(out, length as u64);
}

/// Reads a message field by field.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field's key; `None` at the end.
    pub(crate) fn key(&mut self) -> Result<Option<u64>, Invalid> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.varint().map(Some)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Invalid> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                if index == 9 && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Invalid::Malformed)
    }

    pub(crate) fn fixed_64(&mut self) -> Result<u64, Invalid> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Invalid::Malformed)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Bytes, a text or a message.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Invalid> {
        let length = usize::try_from(self.varint()?).map_err(|_| Invalid::Malformed)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Invalid::Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Invalid> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Invalid::Malformed)
    }

    /// Passes over a field that is not among the known ones, which are those up to `known`. One of
    /// them that comes with another wire type than its own is malformed.
    pub(crate) fn skip(&mut self, key: u64, known: u64) -> Result<(), Invalid> {
        if key >> 3 <= known {
            return Err(Invalid::Malformed);
        }
        self.skip_value(key, GROUPS_MAX)
    }

    fn skip_value(&mut self, key: u64, groups_left: u32) -> Result<(), Invalid> {
        let field = key >> 3;
        if field == 0 || key > u64::from(u32::MAX) {
            return Err(Invalid::Malformed);
        }
        match key & 7 {
            VARINT => self.varint().map(drop),
            FIXED_64 => self.fixed_64().map(drop),
            LENGTH => self.bytes().map(drop),
            FIXED_32 => {
                let (_, rest) = self
                    .rest
                    .split_first_chunk::<4>()
                    .ok_or(Invalid::Malformed)?;
                self.rest = rest;
                Ok(())
            }
            GROUP if groups_left > 0 => loop {
                let inner = self.key()?.ok_or(Invalid::Malformed)?;
                if inner == self::key(field, GROUP_END) {
                    return Ok(());
                }
                self.skip_value(inner, groups_left - 1)?;
            },
            _ => Err(Invalid::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_know_their_size() {
        for value in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, u64::MAX >> bit]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_size(value), "{value}");
            assert_eq!(Reader::new(&out).varint(), Ok(value));
            assert_eq!(
                from_zigzag(zigzag(value.cast_signed())),
                value.cast_signed()
            );
        }
    }

    #[test]
    fn what_is_cut_or_too_long_is_malformed() {
        for bytes in [&[0x80][..], &[0xff; 10], &[0x80; 11], &[]] {
            assert_eq!(Reader::new(bytes).varint(), Err(Invalid::Malformed));
        }
        assert_eq!(Reader::new(&[5, 1]).bytes(), Err(Invalid::Malformed));
        assert_eq!(Reader::new(&[1, 0xff]).text(), Err(Invalid::Malformed));
        let mut number = Reader::new(&[0]);
        assert_eq!(number.skip(key(0, VARINT), 0), Err(Invalid::Malformed));
        assert_eq!(number.skip(1 << 32, 0), Err(Invalid::Malformed));
        assert_eq!(number.skip(key(2, VARINT), 2), Err(Invalid::Malformed));
        assert_eq!(number.skip(key(3, VARINT), 2), Ok(()));
    }

    #[test]
    fn groups_are_passed_over_to_their_own_end() {
        let group = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            reader.skip(key(9, GROUP), 8).map(|()| reader.left())
        };
        // A number inside, another group inside, and one byte behind the end.
        assert_eq!(group(&[0x08, 1, 0x4c, 7]), Ok(1));
        assert_eq!(group(&[0x13, 0x14, 0x4c]), Ok(0));
        assert_eq!(group(&[0x14, 0x4c]), Err(Invalid::Malformed));
        assert_eq!(group(&[0x08, 1]), Err(Invalid::Malformed));
        assert_eq!(group(&[0x13; 1_000]), Err(Invalid::Malformed));
    }
}
