//! The command that a record came from: what a repetition of its id is compared with.

use crate::command::{AcceptPayment, Command, MoveMoney, ReverseTransfer};
use crate::payment::Payment;
use crate::transfer::{Transfer, TransferKind};

impl Payment {
    /// The command that the payment was accepted by.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::AcceptPayment(AcceptPayment {
            id: self.id,
            account_id: self.account_id.clone(),
            currency: self.currency,
            amount: self.amount,
            description: self.description.clone(),
            notes: self.notes.clone(),
        })
    }
}

impl Transfer {
    /// The command that the transfer was decided from; `None` for what the system did itself.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        match self.kind {
            TransferKind::Transfer => Some(Command::Transfer(self.move_money())),
            TransferKind::Pend { timeout_s } => Some(Command::Pend {
                transfer: self.move_money(),
                timeout_s,
            }),
            TransferKind::Post {
                pending_id,
                in_full,
                ..
            } => Some(Command::Post {
                id: self.id,
                pending_id,
                amount: (!in_full).then_some(self.amount),
            }),
            TransferKind::PostPart { pending_id, .. } => Some(Command::PostPart {
                id: self.id,
                pending_id,
                amount: self.amount,
            }),
            TransferKind::Void { pending_id } => Some(Command::Void {
                id: self.id,
                pending_id,
            }),
            TransferKind::Reverse {
                reverses, in_full, ..
            } => Some(Command::Reverse(ReverseTransfer {
                id: self.id,
                reverses,
                amount: (!in_full).then_some(self.amount),
                description: self.description.clone(),
                notes: self.notes.clone(),
            })),
            TransferKind::Expire | TransferKind::Settle { .. } => None,
        }
    }

    fn move_money(&self) -> MoveMoney {
        MoveMoney {
            id: self.id,
            debit_account_id: self.debit_account_id.clone(),
            credit_account_id: self.credit_account_id.clone(),
            amount: self.amount,
            description: self.description.clone(),
            notes: self.notes.clone(),
        }
    }
}
