//! Commands.

use ledger::{
    AcceptPayment, AccountId, Command, MoveMoney, OpenAccount, PaymentId, ReverseTransfer,
    Timestamp,
};

use crate::fields::{self, Invalid, given};
use crate::v1;
use crate::v1::command::Command as Kind;
use crate::{account, by, notes, payment};

impl From<&Command> for v1::Command {
    fn from(command: &Command) -> Self {
        Self {
            command: Some(to_message(command)),
        }
    }
}

impl TryFrom<v1::Command> for Command {
    type Error = Invalid;

    fn try_from(command: v1::Command) -> Result<Self, Invalid> {
        from_message(given(command.command, "command")?)
    }
}

fn to_message(command: &Command) -> Kind {
    match command {
        Command::Transfer(transfer) => Kind::Transfer(transfer.into()),
        Command::Pend {
            transfer,
            timeout_s,
        } => Kind::Pend(v1::Pend {
            transfer: Some(transfer.into()),
            timeout_s: *timeout_s,
        }),
        Command::Post {
            id,
            pending_id,
            amount,
        } => Kind::Post(v1::Post {
            id: id.to_bytes().to_vec(),
            pending_id: pending_id.to_bytes().to_vec(),
            amount: *amount,
        }),
        Command::PostPart {
            id,
            pending_id,
            amount,
        } => Kind::PostPart(v1::PostPart {
            id: id.to_bytes().to_vec(),
            pending_id: pending_id.to_bytes().to_vec(),
            amount: *amount,
        }),
        Command::Void { id, pending_id } => Kind::Void(v1::VoidPending {
            id: id.to_bytes().to_vec(),
            pending_id: pending_id.to_bytes().to_vec(),
        }),
        Command::Expire { pending_id } => Kind::Expire(v1::Expire {
            pending_id: pending_id.to_bytes().to_vec(),
        }),
        Command::OpenAccount(open) => Kind::OpenAccount(v1::OpenAccount {
            id: open.id.as_str().to_owned(),
            currency: open.currency.as_str().to_owned(),
            credit_limit: open.credit_limit,
        }),
        Command::ChangeLimit {
            account_id,
            credit_limit,
            expected_credit_limit,
            by,
        } => Kind::ChangeLimit(v1::ChangeLimit {
            account_id: account_id.as_str().to_owned(),
            credit_limit: *credit_limit,
            expected_credit_limit: *expected_credit_limit,
            by: by::to_message(by.as_deref()),
        }),
        Command::CloseAccount {
            account_id,
            expected_entry_count,
            by,
        } => Kind::CloseAccount(v1::CloseAccount {
            account_id: account_id.as_str().to_owned(),
            expected_entry_count: *expected_entry_count,
            by: by::to_message(by.as_deref()),
        }),
        Command::ChangeFreeze {
            account_id,
            frozen,
            expected_frozen,
            by,
        } => Kind::ChangeFreeze(v1::ChangeFreeze {
            account_id: account_id.as_str().to_owned(),
            frozen: account::frozen_to_message(*frozen).into(),
            expected_frozen: expected_frozen
                .map_or(v1::Frozen::Unspecified, account::frozen_to_message)
                .into(),
            by: by::to_message(by.as_deref()),
        }),
        Command::AcceptPayment(accept) => Kind::AcceptPayment(accept.into()),
        Command::Reverse(reverse) => Kind::Reverse(reverse.into()),
        payment @ (Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::PurgePayments { .. }
        | Command::ResolvePayment(_)) => payment_to_message(payment),
    }
}

/// The commands that move a payment on.
fn payment_to_message(command: &Command) -> Kind {
    let bytes = |id: &PaymentId| id.to_bytes().to_vec();
    match command {
        Command::SendPayment {
            id,
            expected,
            processor,
            requested_at,
        } => Kind::SendPayment(v1::SendPayment {
            id: bytes(id),
            expected: Some(payment::expected_to_message(*expected)),
            processor: processor.as_str().to_owned(),
            requested_at_ms: requested_at.0,
        }),
        Command::SettlePayment {
            id,
            expected,
            requested_at,
        } => Kind::SettlePayment(v1::SettlePayment {
            id: bytes(id),
            expected: Some(payment::expected_to_message(*expected)),
            requested_at_ms: requested_at.0,
        }),
        Command::ReleasePayment { id, expected } => Kind::ReleasePayment(v1::ReleasePayment {
            id: bytes(id),
            expected: Some(payment::expected_to_message(*expected)),
        }),
        Command::RefusePayment { id, expected, code } => Kind::RefusePayment(v1::RefusePayment {
            id: bytes(id),
            expected: Some(payment::expected_to_message(*expected)),
            code: payment::refused_code_to_message(*code).into(),
        }),
        Command::ResolvePayment(resolve) => Kind::ResolvePayment(resolve.into()),
        Command::PurgePayments {
            expected_accepted_at,
        } => Kind::PurgePayments(v1::PurgePayments {
            expected_accepted_at: expected_accepted_at.map(Timestamp::as_nanos),
        }),
        Command::OpenAccount(_)
        | Command::ChangeLimit { .. }
        | Command::CloseAccount { .. }
        | Command::ChangeFreeze { .. }
        | Command::Transfer(_)
        | Command::Pend { .. }
        | Command::Post { .. }
        | Command::PostPart { .. }
        | Command::Void { .. }
        | Command::Expire { .. }
        | Command::Reverse(_)
        | Command::AcceptPayment(_) => unreachable!("written by its own arm of the caller"),
    }
}

fn from_message(command: Kind) -> Result<Command, Invalid> {
    let account_id = |text: &str| fields::account_id(text, "account_id");
    let transfer_id = |bytes: &[u8]| fields::transfer_id(bytes, "id");
    let pending_id = |bytes: &[u8]| fields::transfer_id(bytes, "pending_id");
    Ok(match command {
        Kind::Transfer(transfer) => Command::Transfer(transfer.try_into()?),
        Kind::Pend(pend) => Command::Pend {
            transfer: given(pend.transfer, "transfer")?.try_into()?,
            timeout_s: pend.timeout_s,
        },
        Kind::Post(post) => Command::Post {
            id: transfer_id(&post.id)?,
            pending_id: pending_id(&post.pending_id)?,
            amount: post.amount,
        },
        Kind::PostPart(part) => Command::PostPart {
            id: transfer_id(&part.id)?,
            pending_id: pending_id(&part.pending_id)?,
            amount: part.amount,
        },
        Kind::Void(void) => Command::Void {
            id: transfer_id(&void.id)?,
            pending_id: pending_id(&void.pending_id)?,
        },
        Kind::Expire(expire) => Command::Expire {
            pending_id: pending_id(&expire.pending_id)?,
        },
        Kind::OpenAccount(open) => Command::OpenAccount(OpenAccount {
            id: fields::account_id(&open.id, "id")?,
            currency: fields::currency(&open.currency)?,
            credit_limit: open.credit_limit,
        }),
        Kind::ChangeLimit(change) => Command::ChangeLimit {
            account_id: account_id(&change.account_id)?,
            credit_limit: change.credit_limit,
            expected_credit_limit: change.expected_credit_limit,
            by: by::of(change.by)?,
        },
        Kind::CloseAccount(close) => Command::CloseAccount {
            account_id: account_id(&close.account_id)?,
            expected_entry_count: close.expected_entry_count,
            by: by::of(close.by)?,
        },
        Kind::ChangeFreeze(change) => Command::ChangeFreeze {
            account_id: account_id(&change.account_id)?,
            frozen: given(account::frozen(change.frozen)?, "frozen")?,
            expected_frozen: account::frozen(change.expected_frozen)?,
            by: by::of(change.by)?,
        },
        Kind::Reverse(reverse) => Command::Reverse(reverse.try_into()?),
        payment @ (Kind::AcceptPayment(_)
        | Kind::SendPayment(_)
        | Kind::SettlePayment(_)
        | Kind::ReleasePayment(_)
        | Kind::RefusePayment(_)
        | Kind::PurgePayments(_)
        | Kind::ResolvePayment(_)) => payment_from_message(payment)?,
    })
}

fn payment_from_message(command: Kind) -> Result<Command, Invalid> {
    let payment_id = |bytes: &[u8]| fields::payment_id(bytes, "id");
    Ok(match command {
        Kind::AcceptPayment(accept) => Command::AcceptPayment(accept.try_into()?),
        Kind::SendPayment(send) => Command::SendPayment {
            id: payment_id(&send.id)?,
            expected: payment::expected(send.expected)?,
            processor: fields::processor(&send.processor)?,
            requested_at: fields::millis(send.requested_at_ms, "requested_at_ms")?,
        },
        Kind::SettlePayment(settle) => Command::SettlePayment {
            id: payment_id(&settle.id)?,
            expected: payment::expected(settle.expected)?,
            requested_at: fields::millis(settle.requested_at_ms, "requested_at_ms")?,
        },
        Kind::ReleasePayment(release) => Command::ReleasePayment {
            id: payment_id(&release.id)?,
            expected: payment::expected(release.expected)?,
        },
        Kind::RefusePayment(refuse) => Command::RefusePayment {
            id: payment_id(&refuse.id)?,
            expected: payment::expected(refuse.expected)?,
            code: payment::refused_code(refuse.code)?,
        },
        Kind::ResolvePayment(resolve) => Command::ResolvePayment(resolve.try_into()?),
        Kind::PurgePayments(purge) => Command::PurgePayments {
            expected_accepted_at: purge.expected_accepted_at.map(Timestamp::from_nanos),
        },
        Kind::OpenAccount(_)
        | Kind::ChangeLimit(_)
        | Kind::CloseAccount(_)
        | Kind::ChangeFreeze(_)
        | Kind::Transfer(_)
        | Kind::Pend(_)
        | Kind::Post(_)
        | Kind::PostPart(_)
        | Kind::Void(_)
        | Kind::Expire(_)
        | Kind::Reverse(_) => unreachable!("read by its own arm of the caller"),
    })
}

impl From<&MoveMoney> for v1::MoveMoney {
    fn from(transfer: &MoveMoney) -> Self {
        let notes = notes::Fields::from(&transfer.notes);
        Self {
            id: transfer.id.to_bytes().to_vec(),
            debit_account_id: transfer.debit_account_id.as_str().to_owned(),
            credit_account_id: transfer.credit_account_id.as_str().to_owned(),
            amount: transfer.amount,
            description: transfer.description.as_str().to_owned(),
            reference: notes.reference,
            reference_text: notes.reference_text,
            metadata: notes.metadata,
        }
    }
}

impl TryFrom<v1::MoveMoney> for MoveMoney {
    type Error = Invalid;

    fn try_from(transfer: v1::MoveMoney) -> Result<Self, Invalid> {
        Ok(Self {
            id: fields::transfer_id(&transfer.id, "id")?,
            debit_account_id: fields::account_id(&transfer.debit_account_id, "debit_account_id")?,
            credit_account_id: fields::account_id(
                &transfer.credit_account_id,
                "credit_account_id",
            )?,
            amount: transfer.amount,
            description: transfer.description.into(),
            notes: notes::of_message(
                &transfer.reference,
                &transfer.reference_text,
                &transfer.metadata,
            )?,
        })
    }
}

impl From<&ReverseTransfer> for v1::Reverse {
    fn from(reverse: &ReverseTransfer) -> Self {
        let notes = notes::Fields::from(&reverse.notes);
        Self {
            id: reverse.id.to_bytes().to_vec(),
            reverses: reverse.reverses.to_bytes().to_vec(),
            amount: reverse.amount,
            description: reverse.description.as_str().to_owned(),
            reference: notes.reference,
            reference_text: notes.reference_text,
            metadata: notes.metadata,
        }
    }
}

impl TryFrom<v1::Reverse> for ReverseTransfer {
    type Error = Invalid;

    fn try_from(reverse: v1::Reverse) -> Result<Self, Invalid> {
        Ok(Self {
            id: fields::transfer_id(&reverse.id, "id")?,
            reverses: fields::transfer_id(&reverse.reverses, "reverses")?,
            amount: reverse.amount,
            notes: notes::of_message(
                &reverse.reference,
                &reverse.reference_text,
                &reverse.metadata,
            )?,
            description: reverse.description.into(),
        })
    }
}

impl From<&AcceptPayment> for v1::AcceptPayment {
    fn from(accept: &AcceptPayment) -> Self {
        let account_id = accept.account_id.as_ref();
        let notes = notes::Fields::from(&accept.notes);
        Self {
            id: accept.id.to_bytes().to_vec(),
            account_id: account_id.map_or("", AccountId::as_str).to_owned(),
            currency: accept.currency.as_str().to_owned(),
            amount: accept.amount,
            description: accept.description.as_str().to_owned(),
            reference: notes.reference,
            reference_text: notes.reference_text,
            metadata: notes.metadata,
        }
    }
}

impl TryFrom<v1::AcceptPayment> for AcceptPayment {
    type Error = Invalid;

    fn try_from(accept: v1::AcceptPayment) -> Result<Self, Invalid> {
        Ok(Self {
            id: fields::payment_id(&accept.id, "id")?,
            account_id: fields::payer(&accept.account_id)?,
            currency: fields::currency(&accept.currency)?,
            amount: accept.amount,
            notes: notes::of_message(&accept.reference, &accept.reference_text, &accept.metadata)?,
            description: accept.description.into(),
        })
    }
}
