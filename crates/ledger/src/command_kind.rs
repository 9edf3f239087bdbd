//! The kinds of commands, and what the rest of a workspace has to know of each: one table.

use crate::command::{Command, MoveMoney};
use crate::id::{AccountId, PaymentId, TransferId};
use crate::notes::Notes;

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Accounts,
    Transfers,
    /// Payments, which not every engine has.
    Payments,
}

/// What giving a command twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// What giving it once does: the second time its first outcome comes back.
    FirstOutcome,
    /// More than that: a limit may have been changed and changed back in between, a closed account
    /// is refused, and payments accepted in between would be purged.
    Again,
}

/// Who gives a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Giver {
    Callers,
    /// Callers with an operator's rights: each such command is logged and counted.
    Operators,
    /// The engine, or a dispatcher, in the process that has the ledger.
    Ledger,
}

use Giver::{Callers, Ledger, Operators};
use Repetition::{Again, FirstOutcome};
use Subject::{Accounts, Payments, Transfers};

macro_rules! command_kinds {
    ($($kind:ident $name:literal $subject:ident $repetition:ident $giver:ident;)*) => {
        /// A kind of command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CommandKind {
            $(#[doc = concat!("`", $name, "`: see [`Command::", stringify!($kind), "`].")] $kind,)*
        }

        impl CommandKind {
            /// Every kind, in the order of the variants of [`Command`].
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// What logs and metric labels call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            const fn subject(self) -> Subject {
                match self { $(Self::$kind => $subject,)* }
            }

            const fn repetition(self) -> Repetition {
                match self { $(Self::$kind => $repetition,)* }
            }

            const fn giver(self) -> Giver {
                match self { $(Self::$kind => $giver,)* }
            }
        }
    };
}

command_kinds! {
    OpenAccount    "open_account"    Accounts  FirstOutcome Callers;
    ChangeLimit    "change_limit"    Accounts  Again        Callers;
    CloseAccount   "close_account"   Accounts  Again        Callers;
    Transfer       "transfer"        Transfers FirstOutcome Callers;
    Pend           "pend"            Transfers FirstOutcome Callers;
    Post           "post"            Transfers FirstOutcome Callers;
    Void           "void"            Transfers FirstOutcome Callers;
    Expire         "expire"          Transfers Again        Ledger;
    AcceptPayment  "accept_payment"  Payments  FirstOutcome Callers;
    SendPayment    "send_payment"    Payments  FirstOutcome Ledger;
    SettlePayment  "settle_payment"  Payments  FirstOutcome Ledger;
    ReleasePayment "release_payment" Payments  FirstOutcome Ledger;
    RefusePayment  "refuse_payment"  Payments  FirstOutcome Ledger;
    PurgePayments  "purge_payments"  Payments  Again        Operators;
    ResolvePayment "resolve_payment" Payments  FirstOutcome Operators;
    Reverse        "reverse"         Transfers FirstOutcome Callers;
    PostPart       "post_part"       Transfers FirstOutcome Callers;
    ChangeFreeze   "change_freeze"   Accounts  Again        Callers;
}

impl CommandKind {
    /// Its place in [`CommandKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether callers may give it; else only the process that has the ledger does.
    #[must_use]
    pub fn is_of_callers(self) -> bool {
        self.giver() != Ledger
    }

    /// Whether it is an operator's intervention, which is logged and counted.
    #[must_use]
    pub fn is_of_operators(self) -> bool {
        self.giver() == Operators
    }
}

/// The id that a command takes when it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsedId {
    /// In the space of transfers.
    Transfer(TransferId),
    /// In the space of payments.
    Payment(PaymentId),
}

impl Command {
    /// The command's kind.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::OpenAccount(_) => CommandKind::OpenAccount,
            Self::ChangeLimit { .. } => CommandKind::ChangeLimit,
            Self::CloseAccount { .. } => CommandKind::CloseAccount,
            Self::Transfer(_) => CommandKind::Transfer,
            Self::Pend { .. } => CommandKind::Pend,
            Self::Post { .. } => CommandKind::Post,
            Self::Void { .. } => CommandKind::Void,
            Self::Expire { .. } => CommandKind::Expire,
            Self::AcceptPayment(_) => CommandKind::AcceptPayment,
            Self::SendPayment { .. } => CommandKind::SendPayment,
            Self::SettlePayment { .. } => CommandKind::SettlePayment,
            Self::ReleasePayment { .. } => CommandKind::ReleasePayment,
            Self::RefusePayment { .. } => CommandKind::RefusePayment,
            Self::PurgePayments { .. } => CommandKind::PurgePayments,
            Self::ResolvePayment(_) => CommandKind::ResolvePayment,
            Self::Reverse(_) => CommandKind::Reverse,
            Self::PostPart { .. } => CommandKind::PostPart,
            Self::ChangeFreeze { .. } => CommandKind::ChangeFreeze,
        }
    }

    /// What logs and metric labels call the command.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Whether giving the command twice does what giving it once does: the second time its first
    /// outcome comes back.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.kind().repetition() == FirstOutcome
    }

    /// Whether the command is about payments, which not every engine has.
    #[must_use]
    pub fn is_of_payments(&self) -> bool {
        self.kind().subject() == Payments
    }

    /// The id that the command takes when it is decided, a refusal too.
    #[must_use]
    pub const fn used_id(&self) -> Option<UsedId> {
        match self {
            Self::Transfer(transfer) | Self::Pend { transfer, .. } => {
                Some(UsedId::Transfer(transfer.id))
            }
            Self::Post { id, .. } | Self::PostPart { id, .. } | Self::Void { id, .. } => {
                Some(UsedId::Transfer(*id))
            }
            Self::Reverse(reverse) => Some(UsedId::Transfer(reverse.id)),
            Self::AcceptPayment(accept) => Some(UsedId::Payment(accept.id)),
            Self::OpenAccount(_)
            | Self::ChangeLimit { .. }
            | Self::ChangeFreeze { .. }
            | Self::CloseAccount { .. }
            | Self::Expire { .. }
            | Self::SendPayment { .. }
            | Self::SettlePayment { .. }
            | Self::ReleasePayment { .. }
            | Self::RefusePayment { .. }
            | Self::PurgePayments { .. }
            | Self::ResolvePayment(_) => None,
        }
    }

    /// The accounts that the command names, the one to debit first. Those of another transfer or
    /// of a payment that it names are not among them.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        let (first, second) = match self {
            Self::OpenAccount(open) => (Some(&open.id), None),
            Self::ChangeLimit { account_id, .. }
            | Self::ChangeFreeze { account_id, .. }
            | Self::CloseAccount { account_id, .. } => (Some(account_id), None),
            Self::Transfer(transfer) | Self::Pend { transfer, .. } => (
                Some(&transfer.debit_account_id),
                Some(&transfer.credit_account_id),
            ),
            Self::AcceptPayment(accept) => (accept.account_id.as_ref(), None),
            Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire { .. }
            | Self::SendPayment { .. }
            | Self::SettlePayment { .. }
            | Self::ReleasePayment { .. }
            | Self::RefusePayment { .. }
            | Self::PurgePayments { .. }
            | Self::ResolvePayment(_)
            | Self::Reverse(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The money that a transfer or a pend is to move.
    #[must_use]
    pub const fn move_money(&self) -> Option<&MoveMoney> {
        match self {
            Self::Transfer(transfer) | Self::Pend { transfer, .. } => Some(transfer),
            Self::OpenAccount(_)
            | Self::ChangeLimit { .. }
            | Self::ChangeFreeze { .. }
            | Self::CloseAccount { .. }
            | Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire { .. }
            | Self::AcceptPayment(_)
            | Self::SendPayment { .. }
            | Self::SettlePayment { .. }
            | Self::ReleasePayment { .. }
            | Self::RefusePayment { .. }
            | Self::PurgePayments { .. }
            | Self::ResolvePayment(_)
            | Self::Reverse(_) => None,
        }
    }

    /// The caller's reference and metadata.
    #[must_use]
    pub fn notes(&self) -> &Notes {
        match self {
            Self::Transfer(transfer) | Self::Pend { transfer, .. } => &transfer.notes,
            Self::AcceptPayment(accept) => &accept.notes,
            Self::Reverse(reverse) => &reverse.notes,
            Self::OpenAccount(_)
            | Self::ChangeLimit { .. }
            | Self::ChangeFreeze { .. }
            | Self::CloseAccount { .. }
            | Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire { .. }
            | Self::SendPayment { .. }
            | Self::SettlePayment { .. }
            | Self::ReleasePayment { .. }
            | Self::RefusePayment { .. }
            | Self::PurgePayments { .. }
            | Self::ResolvePayment(_) => &Notes::NONE,
        }
    }

    /// The pending transfer that the command ends or posts a part of.
    #[must_use]
    pub const fn pending_id(&self) -> Option<TransferId> {
        match self {
            Self::Post { pending_id, .. }
            | Self::PostPart { pending_id, .. }
            | Self::Void { pending_id, .. }
            | Self::Expire { pending_id } => Some(*pending_id),
            Self::OpenAccount(_)
            | Self::ChangeLimit { .. }
            | Self::ChangeFreeze { .. }
            | Self::CloseAccount { .. }
            | Self::Transfer(_)
            | Self::Pend { .. }
            | Self::AcceptPayment(_)
            | Self::SendPayment { .. }
            | Self::SettlePayment { .. }
            | Self::ReleasePayment { .. }
            | Self::RefusePayment { .. }
            | Self::PurgePayments { .. }
            | Self::ResolvePayment(_)
            | Self::Reverse(_) => None,
        }
    }

    /// The payment that the command accepts or changes.
    #[must_use]
    pub const fn payment_id(&self) -> Option<PaymentId> {
        match self {
            Self::AcceptPayment(accept) => Some(accept.id),
            Self::SendPayment { id, .. }
            | Self::SettlePayment { id, .. }
            | Self::ReleasePayment { id, .. }
            | Self::RefusePayment { id, .. } => Some(*id),
            Self::ResolvePayment(resolve) => Some(resolve.id),
            Self::OpenAccount(_)
            | Self::ChangeLimit { .. }
            | Self::ChangeFreeze { .. }
            | Self::CloseAccount { .. }
            | Self::Transfer(_)
            | Self::Pend { .. }
            | Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire { .. }
            | Self::PurgePayments { .. }
            | Self::Reverse(_) => None,
        }
    }

    /// The transfer that the command moves back.
    #[must_use]
    pub const fn reverses(&self) -> Option<TransferId> {
        if let Self::Reverse(reverse) = self {
            Some(reverse.reverses)
        } else {
            None
        }
    }
}
