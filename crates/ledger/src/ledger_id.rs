//! Which ledger it is.

use std::fmt;
use std::str::FromStr;

/// The identity of a ledger, drawn once when it was begun; prints as 32 hexadecimal digits in lower
/// case, and is read from those, or from a UUID.
///
/// No rule looks at it. It tells a ledger from another one where the two could be mixed up: on a disk
/// that is not mounted, or behind an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerId([u8; 16]);

/// The text is no id of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerIdInvalid;

impl LedgerId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LedgerId {
    type Err = LedgerIdInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = match text.len() {
            32 => text.to_owned(),
            // Only hyphens where a UUID has them: elsewhere one is no digit.
            36 if [8, 13, 18, 23]
                .iter()
                .all(|at| text.as_bytes()[*at] == b'-') =>
            {
                text.replace('-', "")
            }
            _ => return Err(LedgerIdInvalid),
        };
        let is_digits = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| is_digits);
        let number = number.ok_or(LedgerIdInvalid)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for LedgerIdInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a ledger has 32 hexadecimal digits")
    }
}

impl std::error::Error for LedgerIdInvalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_printed() {
        let text = "00ff0123456789abcdef0123456789ab";
        let id: LedgerId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(LedgerId::from_bytes(id.to_bytes()), id);
        assert_eq!("00FF0123-4567-89ab-cdef-0123456789ab".parse(), Ok(id));
        for wrong in [
            "",
            "0",
            "+0ff0123456789abcdef0123456789ab",
            "00ff0123456789abcdef0123456789ag",
            "00ff0123456789abcdef0123456789abc",
            "00FF0123-4567-89ab-cdef+0123456789ab",
            "00FF01234-567-89ab-cdef-0123456789ab",
        ] {
            assert_eq!(wrong.parse::<LedgerId>(), Err(LedgerIdInvalid), "{wrong}");
        }
    }
}
