//! Which accounts a key is about.

use std::fmt;
use std::str::FromStr;

use ledger::AccountId;
use serde::{Deserialize, Serialize};

/// An account's id, or the beginning of ids and a `*` behind it: `users:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountPattern {
    text: String,
}

/// The ids that a pattern is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdRange {
    /// All that begin so.
    Beginning(AccountId),
    One(AccountId),
}

/// The text is no pattern of account ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no pattern of accounts: use an account's id, or the beginning of ids with `*` behind \
     it, such as `users:*`"
)]
pub struct PatternInvalid(String);

impl AccountPattern {
    /// The ids that it is about; `None` for all.
    pub(super) fn range(&self) -> Option<IdRange> {
        let beginning = self.text.strip_suffix('*');
        if beginning == Some("") {
            return None;
        }
        let Ok(id) = AccountId::new(beginning.unwrap_or(&self.text)) else {
            unreachable!("a pattern is an id or the beginning of ids");
        };
        Some(match beginning {
            Some(_) => IdRange::Beginning(id),
            None => IdRange::One(id),
        })
    }

    /// Whether it is about this account.
    #[must_use]
    pub fn matches(&self, id: &AccountId) -> bool {
        match self.text.strip_suffix('*') {
            Some(beginning) => id.as_str().starts_with(beginning),
            None => id.as_str() == self.text,
        }
    }
}

impl FromStr for AccountPattern {
    type Err = PatternInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let is_all = text == "*";
        if is_all || AccountId::new(beginning).is_ok() {
            Ok(Self {
                text: text.to_owned(),
            })
        } else {
            Err(PatternInvalid(text.to_owned()))
        }
    }
}

impl TryFrom<String> for AccountPattern {
    type Error = PatternInvalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AccountPattern> for String {
    fn from(pattern: AccountPattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for AccountPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest_of_an_id() {
        for (pattern, id, expected) in [
            ("users:42", "users:42", true),
            ("users:42", "users:420", false),
            ("users:*", "users:42", true),
            ("users:*", "users:", true),
            ("users:*", "users", false),
            ("users:*", "shops:users:1", false),
            ("*", "world:BRL", true),
        ] {
            let pattern: AccountPattern = pattern.parse().unwrap();
            let id = AccountId::new(id).unwrap();
            assert_eq!(pattern.matches(&id), expected, "{pattern} {id:?}");
        }
        for wrong in ["", "**", "a*b", "*a", "é*", "a b", "users:?"] {
            assert!(wrong.parse::<AccountPattern>().is_err(), "{wrong}");
        }
    }
}
