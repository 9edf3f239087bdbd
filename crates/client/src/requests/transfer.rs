//! Transfers, posts, voids and reversals.

use serde::Serialize;
use uuid::Uuid;

use super::new_id;
use crate::account_id::AccountId;
use crate::records::Metadata;

/// A transfer to be made; a pending one with `timeout_s`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTransfer {
    /// Its id: the same transfer with it happens once.
    pub id: Uuid,
    /// The account that the money leaves; `world:BRL` for what comes in from outside.
    pub debit_account_id: AccountId,
    /// The account that it goes to.
    pub credit_account_id: AccountId,
    /// In minor units, from 1.
    pub amount: u64,
    /// The text in the statement, of 1 to 140 characters.
    pub description: String,
    /// With it the money is only reserved, until the transfer is posted or voided, or until so many seconds have
    /// passed; 0: for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// The caller's own text for it, of 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name, at most 1,000 bytes as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// One of the accounts of a split, and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The account that the share goes to.
    pub credit_account_id: AccountId,
    /// In minor units, from 1.
    pub amount: u64,
    /// The text in the statements, where it is another than that of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A transfer to several accounts: an atomic batch with a transfer for each share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSplit {
    /// The batch's id: the same with it happens once.
    pub id: Uuid,
    /// The account that the money leaves.
    pub debit_account_id: AccountId,
    /// Who gets how much; 1 to 100 shares.
    pub splits: Vec<Split>,
    /// The text in the statements, of 1 to 140 characters.
    pub description: String,
    /// With it the shares are only reserved, each for itself: see [`NewTransfer::timeout_s`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// The caller's own text for each transfer, of 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name for each transfer, at most 1,000 bytes as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// A post of which shares go on from the account that the pending transfer credits, which keeps the rest: an atomic
/// batch of the post and a transfer for each share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSplitPost {
    /// The batch's id: the same with it happens once.
    pub id: Uuid,
    /// The pending transfer.
    pub pending_id: Uuid,
    /// How much is posted, in minor units; at least what the shares are together.
    pub amount: u64,
    /// Whether what is not posted is released; else it stays reserved for further posts.
    pub is_final: bool,
    /// Who gets how much; 1 to 100 shares.
    pub splits: Vec<Split>,
}

impl Split {
    /// This account's share, under the text of the whole.
    #[must_use]
    pub fn new(credit_account_id: &AccountId, amount: u64) -> Self {
        Self {
            credit_account_id: credit_account_id.clone(),
            amount,
            description: None,
        }
    }
}

impl NewSplit {
    /// A transfer of these shares at once, under a new id.
    #[must_use]
    pub fn new(
        debit_account_id: &AccountId,
        splits: Vec<Split>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            id: new_id(),
            debit_account_id: debit_account_id.clone(),
            splits,
            description: description.into(),
            timeout_s: None,
            reference: None,
            metadata: None,
        }
    }
}

impl NewSplitPost {
    /// The last post of a pending transfer, under a new id.
    #[must_use]
    pub fn new(pending_id: Uuid, amount: u64, splits: Vec<Split>) -> Self {
        Self {
            id: new_id(),
            pending_id,
            amount,
            is_final: true,
            splits,
        }
    }
}

impl NewTransfer {
    /// A transfer that moves the amount at once, under a new id.
    #[must_use]
    pub fn new(
        debit_account_id: &AccountId,
        credit_account_id: &AccountId,
        amount: u64,
        description: impl Into<String>,
    ) -> Self {
        Self {
            id: new_id(),
            debit_account_id: debit_account_id.clone(),
            credit_account_id: credit_account_id.clone(),
            amount,
            description: description.into(),
            timeout_s: None,
            reference: None,
            metadata: None,
        }
    }
}

/// The post of a pending transfer: its money moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPost {
    /// Its own id: the same post with it happens once.
    pub id: Uuid,
    /// The pending transfer.
    pub pending_id: Uuid,
    /// How much of it, in minor units; all that is still reserved without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Whether the rest is released; else it stays reserved for further posts, and `amount` is needed.
    #[serde(rename = "final", skip_serializing_if = "is_true")]
    pub is_final: bool,
}

impl NewPost {
    /// The post of all that is still reserved, under a new id.
    #[must_use]
    pub fn new(pending_id: Uuid) -> Self {
        Self {
            id: new_id(),
            pending_id,
            amount: None,
            is_final: true,
        }
    }
}

/// The server's own default is left out of bodies, so that they read as those of the other clients.
const fn is_true(value: &bool) -> bool {
    *value
}

/// The void of a pending transfer: what it reserves is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewVoid {
    /// Its own id: the same void with it happens once.
    pub id: Uuid,
    /// The pending transfer.
    pub pending_id: Uuid,
}

impl NewVoid {
    /// The void of a pending transfer, under a new id.
    #[must_use]
    pub fn new(pending_id: Uuid) -> Self {
        Self {
            id: new_id(),
            pending_id,
        }
    }
}

/// A reversal: it moves back what a transfer has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewReversal {
    /// Its own id: the same reversal with it happens once.
    pub id: Uuid,
    /// The transfer to be moved back.
    pub reverses: Uuid,
    /// How much of it, in minor units; all that was not moved back before without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// The text in the statement, of 1 to 140 characters.
    pub description: String,
    /// The caller's own text for it, of 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name, at most 1,000 bytes as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

impl NewReversal {
    /// The reversal of all that is left of a transfer, under a new id.
    #[must_use]
    pub fn new(reverses: Uuid, description: impl Into<String>) -> Self {
        Self {
            id: new_id(),
            reverses,
            amount: None,
            description: description.into(),
            reference: None,
            metadata: None,
        }
    }
}
