//! A key: as it is kept, and as requests are judged by it.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pattern::AccountPattern;
use super::rate::Rate;
use super::scope::{Scope, Scopes};
use super::secret::{KeyHash, KeySecret};

/// The longest name of a key or of a tenant, in characters.
const NAME_LENGTH_MAX: usize = 64;

/// A key as it is kept: all but its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Its name, which the log has where the key was used; no two keys share one.
    pub name: String,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The accounts that it may look at and move; every one where there is no pattern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountPattern>,
    /// Whose key it is: an `Idempotency-Key` is remembered for each tenant on its own. Empty for the
    /// default tenant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; it is kept, so that its name is not used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// How many requests it may make in a second; any number where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<u32>,
    /// How many commands it may give in a second; any number where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_per_s: Option<u32>,
}

impl KeyRecord {
    /// The record of a key that is revoked, and whose secret nobody has: in the place of one that cannot be read.
    #[must_use]
    pub fn revoked_without_secret(name: &str, now: Timestamp, random: [u8; 32]) -> Self {
        Self {
            name: name.to_owned(),
            hash: KeySecret::from_random(random).hash(),
            scopes: Vec::new(),
            accounts: Vec::new(),
            tenant: String::new(),
            created_at: now,
            expires_at: None,
            revoked_at: Some(now),
            requests_per_s: None,
            commands_per_s: None,
        }
    }
}

/// The text is no name of a key or a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: use 1 to 64 characters of A-Z a-z 0-9 _ . : -")]
pub struct NameInvalid(String);

/// Whether a key or a tenant may have this name.
///
/// # Errors
///
/// [`NameInvalid`] if it may not.
pub fn check_name(name: &str) -> Result<(), NameInvalid> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    match (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_of_name) {
        true => Ok(()),
        false => Err(NameInvalid(name.to_owned())),
    }
}

/// A key that requests are judged by.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) record: KeyRecord,
    pub(super) scopes: Scopes,
    expires_at: Option<SystemTime>,
    pub(super) requests: Option<Arc<Rate>>,
    pub(super) commands: Option<Arc<Rate>>,
}

/// What a key is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Valid,
    Expired,
    Revoked,
}

impl Key {
    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    /// The key of this record. What it took of its rates before it was read again counts on.
    pub(super) fn new(record: KeyRecord, before: Option<&Self>) -> Self {
        let rate = |per_s: Option<u32>, before: Option<&Arc<Rate>>| {
            per_s.map(|per_s| match before {
                Some(before) if before.per_s() == per_s => Arc::clone(before),
                Some(_) | None => Arc::new(Rate::new(per_s)),
            })
        };
        Self {
            scopes: Scopes::of(&record.scopes),
            expires_at: record.expires_at.map(SystemTime::from),
            requests: rate(
                record.requests_per_s,
                before.and_then(|before| before.requests.as_ref()),
            ),
            commands: rate(
                record.commands_per_s,
                before.and_then(|before| before.commands.as_ref()),
            ),
            record,
        }
    }

    pub(super) fn standing(&self, now: impl FnOnce() -> SystemTime) -> Standing {
        match self.expires_at {
            _ if self.record.revoked_at.is_some() => Standing::Revoked,
            Some(expires_at) if expires_at <= now() => Standing::Expired,
            Some(_) | None => Standing::Valid,
        }
    }
}
