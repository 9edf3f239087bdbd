//! Batches and their commands.

use serde::Serialize;
use uuid::Uuid;

use super::{NewAccount, NewPost, NewReversal, NewTransfer, NewVoid, new_id};
use crate::account_id::AccountId;
use crate::words::Frozen;

/// One command of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// Moves or reserves money.
    Transfer(NewTransfer),
    /// Posts a pending transfer.
    Post(NewPost),
    /// Releases a pending transfer.
    Void(NewVoid),
    /// Moves money back.
    Reverse(NewReversal),
    /// Opens an account.
    OpenAccount(NewAccount),
    /// Sets an account's limit.
    ChangeLimit {
        /// The account.
        account_id: AccountId,
        /// The new limit, in minor units.
        credit_limit: u64,
        /// The limit that it replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_credit_limit: Option<u64>,
    },
    /// Freezes an account's debits, credits or both, or neither.
    ChangeFreeze {
        /// The account.
        account_id: AccountId,
        /// What is frozen from now on.
        frozen: Frozen,
        /// What that replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_frozen: Option<Frozen>,
    },
    /// Closes an account.
    CloseAccount {
        /// The account.
        account_id: AccountId,
        /// The `entry_count` with which it is to be closed.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_entry_count: Option<u64>,
    },
}

impl Command {
    /// Whether it has an id, so that it can be sent twice and happens once.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        match self {
            Self::Transfer(_)
            | Self::Post(_)
            | Self::Void(_)
            | Self::Reverse(_)
            | Self::OpenAccount(_) => true,
            Self::ChangeLimit { .. } | Self::ChangeFreeze { .. } | Self::CloseAccount { .. } => {
                false
            }
        }
    }
}

/// Up to 8,190 commands that are given at once, applied in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewBatch {
    /// Whether all commands are applied or none.
    atomic: bool,
    /// An atomic batch's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    commands: Vec<Command>,
}

impl NewBatch {
    /// All of these are applied, or none. The batch has an id: the same batch with it happens once.
    #[must_use]
    pub fn atomic(id: Uuid, commands: Vec<Command>) -> Self {
        Self {
            atomic: true,
            id: Some(id),
            commands,
        }
    }

    /// The same under a new id.
    #[must_use]
    pub fn atomic_new(commands: Vec<Command>) -> Self {
        Self::atomic(new_id(), commands)
    }

    /// Each of these stands alone, under its own id. If one of them has none ([`Command::is_repeatable`]), the batch
    /// is sent again only after attempts that changed nothing.
    #[must_use]
    pub const fn independent(commands: Vec<Command>) -> Self {
        Self {
            atomic: false,
            id: None,
            commands,
        }
    }

    /// An atomic batch's id.
    #[must_use]
    pub const fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// Its commands.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }
}
