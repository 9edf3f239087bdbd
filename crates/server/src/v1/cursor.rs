//! The cursors of statements: opaque to callers, bound to one account.
//!
//! Version (1 byte), the entry number that the next page comes before (8, big-endian), and the
//! first 8 bytes of a BLAKE3 hash over both and the account's id; as lower-case hexadecimal. The
//! hash is no secret: it keeps mangled cursors, and those of other accounts, from being taken.

use ledger::AccountId;

use super::path::hex_digit;

const VERSION: u8 = 1;
const LENGTH: usize = 17;

/// The cursor of the page that comes before entry `before`.
pub(super) fn encode(account_id: &AccountId, before: u64) -> String {
    token(account_id, before)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// What the page comes before; `None` if the cursor does not belong to this account.
pub(super) fn decode(account_id: &AccountId, cursor: &str) -> Option<u64> {
    let digits = cursor.as_bytes();
    let mut bytes = [0; LENGTH];
    if digits.len() != 2 * LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    let before = u64::from_be_bytes(bytes[1..9].try_into().ok()?);
    (bytes == token(account_id, before)).then_some(before)
}

fn token(account_id: &AccountId, before: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(&before.to_be_bytes());
    let mut hasher = blake3::Hasher::new_derive_key("lastro 2026 statement cursor");
    hasher.update(&bytes[..9]);
    hasher.update(account_id.as_str().as_bytes());
    bytes[9..].copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_its_accounts_own() {
        let account = |id| AccountId::new(id).unwrap();
        let cursor = encode(&account("a"), 1001);
        assert_eq!(decode(&account("a"), &cursor), Some(1001));
        assert_eq!(decode(&account("b"), &cursor), None);
        for index in 0..cursor.len() {
            let mut mangled = cursor.clone().into_bytes();
            mangled[index] = if mangled[index] == b'0' { b'1' } else { b'0' };
            let mangled = String::from_utf8(mangled).unwrap();
            assert_eq!(decode(&account("a"), &mangled), None, "{mangled}");
        }
        for other in ["", "1001", &cursor[1..], &format!("{cursor}00"), "é"] {
            assert_eq!(decode(&account("a"), other), None, "{other}");
        }
    }
}
