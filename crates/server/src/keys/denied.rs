//! Why a request is not admitted, and how that is answered.

use std::time::Duration;

use axum::http::StatusCode;
use ledger::AccountId;

use super::scope::Scope;
use crate::codes::{Code, code};
use crate::problem::Problem;

/// Why a request is not admitted. Nothing was done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It has no key.
    NoKey,
    /// What it has is not of the form of a key, or it has several.
    NotAKey,
    /// Nobody has this key.
    Unknown,
    /// The key was valid until a while ago.
    Expired,
    /// The key was valid until it was revoked.
    Revoked,
    /// Its address has shown no valid key too often in this second.
    TooManyFailures,
    /// The key has used up what it may do in a second.
    RateLimited {
        /// `requests` or `commands`.
        what: &'static str,
        per_s: u32,
        wait: Duration,
    },
    /// The key may not do what was asked for.
    ScopeMissing(Scope),
    /// The key may not use an account. It is named only where the request named it: not for what is about all
    /// accounts, nor for a record of others.
    AccountNotAllowed(Option<AccountId>),
}

impl Denied {
    /// Stable for good.
    pub(crate) const fn code(&self) -> &'static str {
        self.listed().as_str()
    }

    const fn listed(&self) -> Code {
        match self {
            Self::NoKey | Self::NotAKey | Self::Unknown | Self::Expired | Self::Revoked => {
                code!("unauthenticated")
            }
            Self::TooManyFailures | Self::RateLimited { .. } => code!("rate_limited"),
            Self::ScopeMissing(_) => code!("scope_missing"),
            Self::AccountNotAllowed(_) => code!("account_not_allowed"),
        }
    }

    /// What the metrics call it.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::NotAKey => "not_a_key",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::TooManyFailures => "too_many_failures",
            Self::RateLimited { .. } => "rate_limited",
            Self::ScopeMissing(_) => "scope_missing",
            Self::AccountNotAllowed(_) => "account_not_allowed",
        }
    }

    /// For people.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::NoKey => {
                "send a key in the header `Authorization: Bearer lastro_…`; `lastro key \
                            create` makes one"
                    .to_owned()
            }
            Self::NotAKey => {
                "the header Authorization must be given once, as `Bearer lastro_` with \
                              64 hexadecimal digits"
                    .to_owned()
            }
            Self::Unknown => {
                "this key is not known here: check which server it was made for".to_owned()
            }
            Self::Expired => "this key has expired: ask for a new one".to_owned(),
            Self::Revoked => "this key was revoked: ask for a new one".to_owned(),
            Self::TooManyFailures => {
                "too many requests without a valid key came from this address: \
                                      correct the key"
                    .to_owned()
            }
            Self::RateLimited { what, per_s, .. } => {
                format!("this key may make {per_s} {what} a second: send fewer")
            }
            Self::ScopeMissing(scope) => {
                format!("this key does not have the scope `{scope}`; nothing was done")
            }
            Self::AccountNotAllowed(Some(id)) => format!(
                "this key may not use account {}: its accounts are limited; nothing was done",
                id.as_str()
            ),
            Self::AccountNotAllowed(None) => {
                "this is about accounts that this key may not use: its accounts are limited; nothing was done"
                    .to_owned()
            }
        }
    }

    /// After how many seconds it is worth asking again.
    pub(crate) fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::TooManyFailures => Some(1),
            Self::RateLimited { wait, .. } => {
                let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
                // More than a day is no advice.
                Some(u32::try_from(seconds).unwrap_or(u32::MAX).min(86_400))
            }
            Self::NoKey
            | Self::NotAKey
            | Self::Unknown
            | Self::Expired
            | Self::Revoked
            | Self::ScopeMissing(_)
            | Self::AccountNotAllowed(_) => None,
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::NotAKey | Self::Unknown | Self::Expired | Self::Revoked => {
                StatusCode::UNAUTHORIZED
            }
            Self::TooManyFailures | Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ScopeMissing(_) | Self::AccountNotAllowed(_) => StatusCode::FORBIDDEN,
        }
    }

    /// What `WWW-Authenticate` says (RFC 6750).
    const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoKey => Some("Bearer realm=\"lastro\""),
            Self::NotAKey => Some("Bearer realm=\"lastro\", error=\"invalid_request\""),
            Self::Unknown | Self::Expired | Self::Revoked => {
                Some("Bearer realm=\"lastro\", error=\"invalid_token\"")
            }
            Self::ScopeMissing(_) => Some("Bearer realm=\"lastro\", error=\"insufficient_scope\""),
            Self::TooManyFailures | Self::RateLimited { .. } | Self::AccountNotAllowed(_) => None,
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let mut problem = Self::new(denied.status(), denied.listed(), denied.detail());
        problem.retry_after_s = denied.retry_after_s();
        problem.www_authenticate = denied.challenge();
        match denied {
            Denied::ScopeMissing(scope) => problem.with("scope", scope.as_str()),
            Denied::AccountNotAllowed(Some(id)) => problem.with("account_id", id.as_str()),
            Denied::NoKey
            | Denied::NotAKey
            | Denied::Unknown
            | Denied::Expired
            | Denied::Revoked
            | Denied::TooManyFailures
            | Denied::RateLimited { .. }
            | Denied::AccountNotAllowed(None) => problem,
        }
    }
}
