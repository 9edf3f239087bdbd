//! Ids of accounts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest id, in characters.
const LENGTH_MAX: usize = 64;

/// An account's id: 1 to 64 characters of `A-Z a-z 0-9 _ . : -`, such as `users:42`; not `.` or `..`.
///
/// Ids that begin with `world:` or `processor:` are the system's. `world:BRL` is the outside of BRL: a deposit
/// debits it, a withdrawal credits it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

/// A text is not an account's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account's id is 1 to 64 characters of A-Z a-z 0-9 _ . : -")]
pub struct AccountIdInvalid;

impl AccountId {
    /// The id that this text is.
    ///
    /// # Errors
    ///
    /// If it has another form.
    pub fn new(text: impl Into<String>) -> Result<Self, AccountIdInvalid> {
        let text = text.into();
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let is_id = (1..=LENGTH_MAX).contains(&text.len())
            && text.bytes().all(is_fine)
            && !matches!(text.as_str(), "." | "..");
        is_id.then_some(Self(text)).ok_or(AccountIdInvalid)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountId {
    type Err = AccountIdInvalid;

    fn from_str(text: &str) -> Result<Self, AccountIdInvalid> {
        Self::new(text)
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdInvalid;

    fn try_from(text: String) -> Result<Self, AccountIdInvalid> {
        Self::new(text)
    }
}

impl TryFrom<&str> for AccountId {
    type Error = AccountIdInvalid;

    fn try_from(text: &str) -> Result<Self, AccountIdInvalid> {
        Self::new(text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_takes_is_an_id() {
        for text in ["1", "users:42", "A_z.0:-", "...", &"x".repeat(64)] {
            assert_eq!(AccountId::new(text).unwrap().as_str(), text);
        }
        for text in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(AccountId::new(text), Err(AccountIdInvalid), "{text}");
        }
    }
}
