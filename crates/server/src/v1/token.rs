//! The cursors of lists: opaque to callers, and bound to the query that they were given for.
//!
//! Version (1 byte), the place behind which the next page begins, and the first 8 bytes of a BLAKE3 hash
//! over both and over what the list was asked for; as lower-case hexadecimal. The hash is no secret: it keeps
//! mangled cursors, and those of other queries, from being taken.

use super::path::hex_digit;

const VERSION: u8 = 1;
const HASH_LENGTH: usize = 8;

/// The cursor of the page behind this place, of a list of this kind that was asked for so.
pub(super) fn seal(kind: &'static str, place: &[u8], asked: &[&[u8]]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(place);
    let hash = hash(kind, &bytes, asked);
    bytes.extend_from_slice(&hash);
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// The place behind which the page begins; `None` if the cursor was not given for this query.
pub(super) fn unseal(kind: &'static str, cursor: &str, asked: &[&[u8]]) -> Option<Vec<u8>> {
    let digits = cursor.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    let (sealed, given) = bytes.split_at_checked(bytes.len().checked_sub(HASH_LENGTH)?)?;
    let (version, place) = sealed.split_first()?;
    let is_own = *version == VERSION && given == hash(kind, sealed, asked);
    is_own.then(|| place.to_vec())
}

fn hash(kind: &'static str, sealed: &[u8], asked: &[&[u8]]) -> [u8; HASH_LENGTH] {
    let mut hasher = blake3::Hasher::new_derive_key(kind);
    hasher.update(sealed);
    for part in asked {
        // No part of a query is as long as this can say.
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut first = [0; HASH_LENGTH];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..HASH_LENGTH]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "lastro 2026 tests of cursors";

    #[test]
    fn a_cursor_is_its_querys_own() {
        let asked: [&[u8]; 2] = [b"users:", b"BRL"];
        let cursor = seal(KIND, b"users:42", &asked);
        assert_eq!(unseal(KIND, &cursor, &asked), Some(b"users:42".into()));
        let others: [&[&[u8]]; 4] = [&[b"users", b":BRL"], &[b"users:"], &[], &[b"users:", b""]];
        for other in others {
            assert_eq!(unseal(KIND, &cursor, other), None);
        }
        assert_eq!(unseal("lastro 2026 of another kind", &cursor, &asked), None);
        for index in 0..cursor.len() {
            let mut mangled = cursor.clone().into_bytes();
            mangled[index] = if mangled[index] == b'0' { b'1' } else { b'0' };
            let mangled = String::from_utf8(mangled).unwrap();
            assert_eq!(unseal(KIND, &mangled, &asked), None, "{mangled}");
        }
        for other in [
            "",
            "01",
            &cursor[1..],
            &cursor[2..],
            &format!("{cursor}00"),
            "é",
        ] {
            assert_eq!(unseal(KIND, other, &asked), None, "{other}");
        }
        let empty = seal(KIND, b"", &[]);
        assert_eq!(unseal(KIND, &empty, &[]), Some(Vec::new()));
    }
}
