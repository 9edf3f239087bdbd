//! The cursors of statements: opaque to callers, bound to one account and one window of its entries.
//!
//! Version (1 byte), the number of the entry beside which the next page begins (8, big-endian), of a window
//! also that of its last entry (8), and the first 8 bytes of a BLAKE3 hash over all of it, the account's id
//! and the window; as lower-case hexadecimal. The hash is no secret: it keeps mangled cursors, and those of
//! other accounts and windows, from being taken.

use ledger::AccountId;

use super::path::hex_digit;
use super::statement::{Order, Window};

/// Of all entries, the newest first: what is newer than the first page does not matter.
const WHOLE_VERSION: u8 = 1;
const WHOLE_LENGTH: usize = 17;
const WINDOW_VERSION: u8 = 2;
const WINDOW_LENGTH: usize = 25;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    /// The last entry of the page before: this one comes after it.
    pub(crate) beside: u64,
    /// The window's last entry, as the first page found it; `None` where no window was asked for.
    pub(crate) last: Option<u64>,
}

/// The cursor of the page that begins there.
pub(super) fn encode(account_id: &AccountId, window: &Window, next: Next) -> String {
    token(account_id, window, next)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// Where the page begins; `None` if the cursor does not belong to this window of this account.
pub(super) fn decode(account_id: &AccountId, window: &Window, cursor: &str) -> Option<Next> {
    let digits = cursor.as_bytes().chunks_exact(2);
    let is_whole = *window == Window::WHOLE;
    let length = if is_whole {
        WHOLE_LENGTH
    } else {
        WINDOW_LENGTH
    };
    if cursor.len() != 2 * length {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?))
        .collect();
    let bytes = bytes?;
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let next = Next {
        beside: number(1)?,
        last: if is_whole { None } else { Some(number(9)?) },
    };
    (bytes == token(account_id, window, next)).then_some(next)
}

fn token(account_id: &AccountId, window: &Window, next: Next) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(WINDOW_LENGTH);
    bytes.push(match next.last {
        None => WHOLE_VERSION,
        Some(_) => WINDOW_VERSION,
    });
    bytes.extend_from_slice(&next.beside.to_be_bytes());
    let mut hasher = blake3::Hasher::new_derive_key("lastro 2026 statement cursor");
    if let Some(last) = next.last {
        bytes.extend_from_slice(&last.to_be_bytes());
        hasher.update(&bytes);
        for bound in [window.from, window.to] {
            hasher.update(&[u8::from(bound.is_some())]);
            hasher.update(&bound.map_or(0, ledger::Timestamp::as_nanos).to_be_bytes());
        }
        hasher.update(&[u8::from(window.order == Order::Ascending)]);
    } else {
        hasher.update(&bytes);
    }
    hasher.update(account_id.as_str().as_bytes());
    bytes.extend_from_slice(&hasher.finalize().as_bytes()[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;

    use super::*;

    const WINDOW: Window = Window {
        from: Some(Timestamp::from_nanos(1)),
        to: None,
        order: Order::Ascending,
    };

    #[test]
    fn a_cursor_is_its_accounts_and_its_windows_own() {
        let account = |id| AccountId::new(id).unwrap();
        for (window, last) in [(Window::WHOLE, None), (WINDOW, Some(2000))] {
            let next = Next { beside: 1001, last };
            let cursor = encode(&account("a"), &window, next);
            assert_eq!(decode(&account("a"), &window, &cursor), Some(next));
            assert_eq!(decode(&account("b"), &window, &cursor), None);
            let others = [
                Window {
                    from: None,
                    ..WINDOW
                },
                Window {
                    to: Some(Timestamp::from_nanos(1)),
                    ..WINDOW
                },
                Window {
                    order: Order::Descending,
                    ..WINDOW
                },
                Window {
                    from: Some(Timestamp::from_nanos(0)),
                    ..WINDOW
                },
            ];
            for other in others {
                assert_eq!(decode(&account("a"), &other, &cursor), None, "{other:?}");
            }
            for index in 0..cursor.len() {
                let mut mangled = cursor.clone().into_bytes();
                mangled[index] = if mangled[index] == b'0' { b'1' } else { b'0' };
                let mangled = String::from_utf8(mangled).unwrap();
                assert_eq!(decode(&account("a"), &window, &mangled), None, "{mangled}");
            }
            for other in ["", "1001", &cursor[1..], &format!("{cursor}00"), "é"] {
                assert_eq!(decode(&account("a"), &window, other), None, "{other}");
            }
        }
    }

    /// Cursors that were given before there were windows go on.
    #[test]
    fn a_cursor_of_the_whole_statement_is_as_it_was() {
        let next = Next {
            beside: 1001,
            last: None,
        };
        let cursor = encode(&AccountId::new("a").unwrap(), &Window::WHOLE, next);
        assert_eq!(cursor, "0100000000000003e90b51f2efaff6e910");
    }
}
