//! Amounts, limits and currencies. Integers only: no floating point touches money.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest amount and the largest total of a limited account, in minor units: 2^53 - 1, so
/// that every such number is exact in JSON, in Lua and in a bigint.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// An ISO 4217 currency code, such as `BRL`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Currency([u8; 3]);

/// The text is no currency code of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCurrency;

impl fmt::Display for InvalidCurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a currency code of ISO 4217")
    }
}

impl std::error::Error for InvalidCurrency {}

impl Currency {
    /// The currency of this three-letter code, in capitals.
    pub fn new(code: &str) -> Result<Self, InvalidCurrency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        let known = iso_currency::Currency::from_code(code).is_some();
        if known && bytes.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(bytes))
        } else {
            Err(InvalidCurrency)
        }
    }

    /// How many decimals an amount has in text: 2 for BRL, 0 for JPY.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        iso_currency::Currency::from_code(self.as_str())
            .and_then(iso_currency::Currency::exponent)
            .map_or(0, u32::from)
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an account's balance may go below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// By this many minor units at the most, `0 ..= AMOUNT_MAX`.
    Credit(u64),
    /// Without end: the system's own accounts.
    Unlimited,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_those_of_iso_4217() {
        for (code, decimals) in [("BRL", 2), ("JPY", 0), ("BHD", 3)] {
            assert_eq!(Currency::new(code).unwrap().decimals(), decimals, "{code}");
        }
    }

    #[test]
    fn currencies_are_iso_4217_in_capitals() {
        for good in ["BRL", "USD", "EUR", "JPY"] {
            assert_eq!(Currency::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "brl", "Brl", "ZZZ", "BR", "BRLX", "B€"] {
            assert_eq!(Currency::new(bad), Err(InvalidCurrency), "{bad}");
        }
    }
}
