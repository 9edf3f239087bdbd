//! Opening an account, and changing one.

use serde::Serialize;
use uuid::Uuid;

use super::new_id;
use crate::account_id::AccountId;
use crate::words::Frozen;

/// An account to be opened. The account's own id makes it happen once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAccount {
    /// Its id.
    #[serde(rename = "account_id")]
    pub id: AccountId,
    /// A code of ISO 4217, for good.
    pub currency: String,
    /// How far its balance may go below zero, in minor units.
    pub credit_limit: u64,
}

impl NewAccount {
    /// An account without credit.
    #[must_use]
    pub fn new(id: &AccountId, currency: impl Into<String>) -> Self {
        Self {
            id: id.clone(),
            currency: currency.into(),
            credit_limit: 0,
        }
    }
}

/// A change of an account: of its limit, of what is frozen, or that it is closed; several at once are all done or none.
///
/// Where a state is expected and the account has another one, the change is refused with
/// [`Code::AccountInOtherState`](crate::Code::AccountInOtherState).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the change, sent as `Idempotency-Key`: the same change with it happens once.
    pub id: Uuid,
    /// The new limit, in minor units.
    pub credit_limit: Option<u64>,
    /// The limit that the new one replaces.
    pub expected_credit_limit: Option<u64>,
    /// What is frozen from now on.
    pub frozen: Option<Frozen>,
    /// What the new freeze replaces.
    pub expected_frozen: Option<Frozen>,
    /// Whether the account is closed, for good.
    pub close: bool,
    /// The `entry_count` with which the account is to be closed.
    pub expected_entry_count: Option<u64>,
    /// Who decides it, of 1 to 140 characters; without it the server keeps the name of the key.
    pub who: Option<String>,
    /// Why, of 1 to 140 characters.
    pub why: Option<String>,
}

impl Change {
    /// A new limit.
    #[must_use]
    pub fn limit(credit_limit: u64) -> Self {
        Self {
            credit_limit: Some(credit_limit),
            ..Self::nothing()
        }
    }

    /// What is frozen from now on; [`Frozen::None`] ends a freeze.
    #[must_use]
    pub fn freeze(frozen: Frozen) -> Self {
        Self {
            frozen: Some(frozen),
            ..Self::nothing()
        }
    }

    /// The closing of the account: its balance has to be 0, and nothing may be pending.
    #[must_use]
    pub fn close() -> Self {
        Self {
            close: true,
            ..Self::nothing()
        }
    }

    fn nothing() -> Self {
        Self {
            id: new_id(),
            credit_limit: None,
            expected_credit_limit: None,
            frozen: None,
            expected_frozen: None,
            close: false,
            expected_entry_count: None,
            who: None,
            why: None,
        }
    }
}
