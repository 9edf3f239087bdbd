//! What an operation is, and what its sender is answered.

use std::time::Instant;

use ledger::{
    BoxFuture, Command, Refusal, TransferId, Unavailable, UsedId, check_content, check_form,
};

use crate::status::OutboxStatus;

/// A well-formed command that carries its own id: a transfer, pend, post or void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    id: TransferId,
    command: Command,
}

/// Why a command is not an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOperation {
    /// It is no transfer, pend, post or void.
    #[error("only transfers, pends, posts and voids can be applied later")]
    Kind,
    /// The ledger would refuse it whatever its state, without a trace.
    #[error("{0}")]
    Malformed(Refusal),
}

impl Operation {
    /// Judges the command's form, with the ledger's own rules.
    ///
    /// # Errors
    ///
    /// See [`NotAnOperation`].
    pub fn new(command: Command) -> Result<Self, NotAnOperation> {
        let id = id(&command).filter(|_| command.reverses().is_none());
        let id = id.ok_or(NotAnOperation::Kind)?;
        check_form(&command)
            .and_then(|()| check_content(&command))
            .map_err(NotAnOperation::Malformed)?;
        Ok(Self { id, command })
    }

    /// The id among transfers.
    #[must_use]
    pub const fn id(&self) -> TransferId {
        self.id
    }

    /// What the ledger is to do.
    #[must_use]
    pub const fn command(&self) -> &Command {
        &self.command
    }
}

/// Where operations can be left to be applied later.
pub trait Operations: Send + Sync + 'static {
    /// Takes an operation; answers once it is durable here. The same id with the same content is
    /// the same operation.
    fn accept(
        &self,
        operation: Operation,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Accepted, NotAccepted>>;

    /// How an operation stands where this node alone knows it: queued here, or refused because the
    /// ledger had its id with other content. Of all others the ledger knows.
    fn state(&self, id: TransferId) -> Option<OperationState>;

    /// Whether operations are taken.
    fn status(&self) -> OutboxStatus;
}

/// An operation was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Whether it had been accepted before.
    pub replayed: bool,
    /// How it stands.
    pub state: OperationState,
}

/// How an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationState {
    /// Durable here; the ledger has not answered yet.
    Queued,
    /// Recorded by the ledger.
    Applied,
    /// Refused by the ledger, with the refusal's code.
    Refused(&'static str),
}

/// Why an operation was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// Its id was accepted with other content.
    #[error("{0}")]
    Refused(Refusal),
    /// It was not taken now.
    #[error("{0}")]
    Unavailable(Unavailable),
}

/// The id of an operation; `None` for commands that have no id of their own among transfers.
pub(crate) const fn id(command: &Command) -> Option<TransferId> {
    match command.used_id() {
        Some(UsedId::Transfer(id)) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ledger::{AccountId, MoveMoney, ReverseTransfer};

    use super::*;

    fn transfer(debit: &str, amount: u64, description: &str) -> Command {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(1),
            debit_account_id: AccountId::new(debit).unwrap(),
            credit_account_id: AccountId::new("b").unwrap(),
            amount,
            description: description.into(),
            notes: ledger::Notes::NONE,
        })
    }

    #[test]
    fn only_what_no_ledger_would_remember_is_refused() {
        for (command, code) in [
            (transfer("a", 0, "x"), "amount_out_of_range"),
            (transfer("a", 1, ""), "description_invalid"),
            (transfer("b", 1, "x"), "accounts_must_differ"),
            (transfer("processor:p:BRL", 1, "x"), "account_reserved"),
        ] {
            let refused = Operation::new(command);
            assert!(matches!(refused, Err(NotAnOperation::Malformed(why)) if why.code() == code));
        }
        let (id, pending_id) = (TransferId::from_u128(1), TransferId::from_u128(2));
        let post = |amount| Command::Post {
            id,
            pending_id,
            amount,
        };
        assert!(Operation::new(post(Some(0))).is_err());
        for command in [
            transfer("a", 1, "x"),
            post(None),
            Command::Void { id, pending_id },
        ] {
            let operation = Operation::new(command.clone()).unwrap();
            assert_eq!((operation.id(), operation.command()), (id, &command));
        }
        let purge = Command::PurgePayments {
            expected_accepted_at: None,
        };
        let reverse = Command::Reverse(ReverseTransfer {
            id,
            reverses: pending_id,
            amount: None,
            description: "refund".into(),
            notes: ledger::Notes::NONE,
        });
        for command in [purge, reverse] {
            assert_eq!(Operation::new(command), Err(NotAnOperation::Kind));
        }
    }
}
