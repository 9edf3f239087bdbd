//! The closed list of the codes that problems have.
//!
//! A [`Code`] can only be made from a name that is in the list, and a name in the source is looked up
//! while the server is compiled. So no problem has a code that the list does not explain; the OpenAPI
//! document, `GET /docs/errors` and docs/errors.md are made from the list.

mod entry;
mod markdown;
mod refusals;
mod table;

use axum::http::StatusCode;
use ledger::{Refusal, Unavailable};
use serde::ser::{Serialize, Serializer};

pub(crate) use self::entry::{Effect, Entry, Group};
pub use self::markdown::errors_markdown;
pub(crate) use self::table::GROUPS;

/// Where the server explains its codes, each under its own name.
pub(crate) const ERRORS_PATH: &str = "/docs/errors";

/// The code of a problem: stable for good, and in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(&'static str);

/// A code by its name; what is not in the list does not compile.
macro_rules! code {
    ($name:literal) => {
        const { $crate::codes::Code::listed($name) }
    };
}
pub(crate) use code;

const _: () = {
    let mut index = 0;
    while index < Refusal::CODES.len() {
        assert!(
            entry(Refusal::CODES[index]).is_some(),
            "each refusal's code is in the list"
        );
        index += 1;
    }
};

impl Code {
    /// The code of this name.
    ///
    /// # Panics
    ///
    /// If it is not in the list.
    pub(crate) const fn listed(name: &'static str) -> Self {
        assert!(entry(name).is_some(), "the code is in the list of codes");
        Self(name)
    }

    /// The refusal's own name: all of them are in the list.
    pub(crate) const fn of_refusal(refusal: &Refusal) -> Self {
        Self(refusal.code())
    }

    /// The name of why the ledger did not answer.
    pub(crate) const fn of_unavailable(unavailable: Unavailable) -> Self {
        macro_rules! listed {
            ($($variant:ident)*) => {
                match unavailable {
                    $(Unavailable::$variant => const { Self::listed(Unavailable::$variant.code()) },)*
                }
            };
        }
        listed!(
            Overloaded StorageFull ClockJumped StandbyAway Timeout StorageFailed LedgerUnavailable Opening
            StorageDamaged NotSupported NodeNotAllowed
        )
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether the list has this status for the code.
    pub(crate) fn has_status(self, status: StatusCode) -> bool {
        let entry = entry(self.0);
        entry.is_some_and(|entry| entry.statuses.contains(&status.as_u16()))
    }
}

/// The `type` of a problem: a path of the server itself, where its code is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeUri(pub(crate) Code);

impl Serialize for TypeUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{ERRORS_PATH}#{}", self.0.as_str()))
    }
}

/// All entries, in the list's order.
pub(crate) fn entries() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|group| group.entries)
}

/// What a caller can do about a problem with this code; `None` if it is not in the list.
#[must_use]
pub fn what_to_do(code: &str) -> Option<&'static str> {
    entry(code).map(|entry| entry.advice)
}

const fn entry(name: &str) -> Option<&'static Entry> {
    let mut of_group = 0;
    while of_group < GROUPS.len() {
        let entries = GROUPS[of_group].entries;
        let mut index = 0;
        while index < entries.len() {
            if are_equal(entries[index].code, name) {
                return Some(&entries[index]);
            }
            index += 1;
        }
        of_group += 1;
    }
    None
}

const fn are_equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_listed_once_and_explained() {
        let mut seen = BTreeSet::new();
        for entry in entries() {
            assert!(seen.insert(entry.code), "{} is listed twice", entry.code);
            let is_of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(entry.code.bytes().all(is_of_a_name), "{}", entry.code);
            assert!(!entry.statuses.is_empty(), "{}", entry.code);
            for text in [entry.meaning, entry.advice] {
                let is_sentence = text
                    .starts_with(|first: char| first.is_uppercase() || first == '`')
                    && text.ends_with('.');
                assert!(is_sentence, "{}: {text}", entry.code);
            }
        }
    }

    #[test]
    fn a_type_leads_to_its_code() {
        let text = serde_json::to_string(&TypeUri(code!("insufficient_funds"))).unwrap();
        assert_eq!(text, "\"/docs/errors#insufficient_funds\"");
    }

    #[test]
    fn what_is_not_listed_is_no_code() {
        assert!(entry("insufficient_fund").is_none() && entry("").is_none());
    }
}
