//! The names of things: account ids, 128-bit ids and processor names.
//!
//! Every id is a type of its own; a mix-up does not compile. Transfers, payments, batches and
//! accounts are separate id spaces.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::currency::Currency;

/// The longest account id, in characters (all of them ASCII).
pub const ACCOUNT_ID_LENGTH_MAX: usize = 64;
/// The longest processor name, so that `processor:<name>:<CUR>` is an account id.
pub const PROCESSOR_NAME_LENGTH_MAX: usize = 32;

/// Why a text is no id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a well-formed id")
    }
}

impl std::error::Error for InvalidId {}

/// An account's id: 1–64 characters of `[A-Za-z0-9_.:-]`, such as `1` or `users:42`.
///
/// Ids that begin with `world:` or `processor:` are the system's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct AccountId(CompactString);

impl AccountId {
    /// Checks the form and makes the id.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        if is_account_id(text) {
            Ok(Self(CompactString::new(text)))
        } else {
            Err(InvalidId)
        }
    }

    /// The outside of a currency: `world:<CUR>`, from which deposits come and to which
    /// withdrawals go.
    #[must_use]
    pub fn world(currency: Currency) -> Self {
        let mut text = CompactString::new("world:");
        text.push_str(currency.as_str());
        Self(text)
    }

    /// Where money goes that a processor has paid out: `processor:<name>:<CUR>`.
    #[must_use]
    pub fn processor(name: &ProcessorName, currency: Currency) -> Self {
        let mut text = CompactString::new("processor:");
        text.push_str(name.as_str());
        text.push(':');
        text.push_str(currency.as_str());
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the account belongs to the outside (`world:…`).
    #[must_use]
    pub fn is_world(&self) -> bool {
        self.0.starts_with("world:")
    }

    /// Whether only payments may move the account (`processor:…`).
    #[must_use]
    pub fn is_processor(&self) -> bool {
        self.0.starts_with("processor:")
    }

    /// Whether the system alone opens the account.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.is_world() || self.is_processor()
    }
}

fn is_account_id(text: &str) -> bool {
    (1..=ACCOUNT_ID_LENGTH_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

impl TryFrom<CompactString> for AccountId {
    type Error = InvalidId;

    fn try_from(text: CompactString) -> Result<Self, InvalidId> {
        if is_account_id(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidId)
        }
    }
}

impl From<AccountId> for CompactString {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl FromStr for AccountId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a payment processor: 1–32 characters of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct ProcessorName(CompactString);

impl ProcessorName {
    /// Checks the form and makes the name.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        Self::try_from(CompactString::new(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<CompactString> for ProcessorName {
    type Error = InvalidId;

    fn try_from(text: CompactString) -> Result<Self, InvalidId> {
        let length_fits = (1..=PROCESSOR_NAME_LENGTH_MAX).contains(&text.len());
        if length_fits
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        {
            Ok(Self(text))
        } else {
            Err(InvalidId)
        }
    }
}

impl From<ProcessorName> for CompactString {
    fn from(name: ProcessorName) -> Self {
        name.0
    }
}

impl fmt::Display for ProcessorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares a 128-bit id: big-endian bytes on disk and on the wire, a hyphenated UUID in text.
macro_rules! id_128 {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with this number.
            #[must_use]
            pub const fn from_u128(number: u128) -> Self {
                Self(number.to_be_bytes())
            }

            /// The id as a number.
            #[must_use]
            pub const fn to_u128(self) -> u128 {
                u128::from_be_bytes(self.0)
            }

            /// The id's 16 bytes, most significant first.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let number = self.to_u128();
                write!(
                    f,
                    "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                    number >> 96,
                    (number >> 80) & 0xffff,
                    (number >> 64) & 0xffff,
                    (number >> 48) & 0xffff,
                    number & 0xffff_ffff_ffff
                )
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id_128! {
    /// A transfer's id; posts and voids take theirs from the same space.
    TransferId
}
id_128! {
    /// A payment's id.
    PaymentId
}
id_128! {
    /// An atomic batch's id.
    BatchId
}

impl TransferId {
    /// The id of the transfer that settles this payment: a BLAKE3 hash of the payment's id, so
    /// that it is known before the settlement. Acceptance of the payment takes it.
    #[must_use]
    pub fn of_payment(payment_id: PaymentId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("lastro 2026 payment settlement transfer");
        hasher.update(&payment_id.0);
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_keep_their_form() {
        for good in ["1", "users:42", "A_b.c-d:e", &"x".repeat(64)] {
            assert_eq!(AccountId::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "é",
            "a/b",
            "a\n",
            "'; drop",
            &"x".repeat(65),
        ] {
            assert_eq!(AccountId::new(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn system_accounts_are_told_apart() {
        let currency = Currency::new("BRL").unwrap();
        let processor = ProcessorName::new(&"p".repeat(PROCESSOR_NAME_LENGTH_MAX)).unwrap();
        let account = AccountId::processor(&processor, currency);
        assert!(AccountId::new(account.as_str()).is_ok());
        assert!(account.is_processor() && account.is_reserved() && !account.is_world());
        assert_eq!(AccountId::world(currency).as_str(), "world:BRL");
        assert!(AccountId::world(currency).is_reserved());
        assert!(!AccountId::new("worlds:1").unwrap().is_reserved());
    }

    #[test]
    fn ids_print_as_uuids() {
        let id = TransferId::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(TransferId::from_u128(id.to_u128()), id);
    }

    #[test]
    fn a_payments_transfer_id_is_stable() {
        let first = TransferId::of_payment(PaymentId::from_u128(1));
        assert_eq!(first, TransferId::of_payment(PaymentId::from_u128(1)));
        assert_ne!(first, TransferId::of_payment(PaymentId::from_u128(2)));
    }
}
