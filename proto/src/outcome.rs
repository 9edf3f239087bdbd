//! Outcomes. The answer to a `transfer` or a `pend` carries only what its command does not say.

use ledger::{BatchId, Command, MoveMoney, Outcome, Record, Transfer, TransferKind};

use crate::fields::{self, Invalid, given};
use crate::v1::outcome::Result as Kind;
use crate::{account, transfer, v1};

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let result = match &outcome.result {
            Ok(Record::Transfer(transfer)) => match transfer.kind {
                TransferKind::Transfer | TransferKind::Pend { .. } => {
                    Kind::Moved(transfer::moved(transfer))
                }
                TransferKind::Post { .. }
                | TransferKind::PostPart { .. }
                | TransferKind::Void { .. }
                | TransferKind::Expire
                | TransferKind::Settle { .. }
                | TransferKind::Reverse { .. } => Kind::Transfer(transfer.into()),
            },
            Ok(Record::Account { id, account }) => Kind::Account(account::to_message(id, account)),
            Ok(Record::Payment(payment)) => Kind::Payment(payment.into()),
            Ok(Record::Purge {
                payments_count,
                timestamp,
            }) => Kind::Purge(v1::Purge {
                payments_count: *payments_count,
                timestamp: timestamp.as_nanos(),
            }),
            Err(refusal) => Kind::Refusal(refusal.into()),
        };
        Self {
            result: Some(result),
            replayed: outcome.replayed,
        }
    }
}

/// The outcome of this command.
pub(crate) fn from_message(outcome: v1::Outcome, command: Command) -> Result<Outcome, Invalid> {
    read(outcome, |moved| completed(command, moved))
}

/// What `complete` makes of a transfer that is as its command says.
fn read(
    outcome: v1::Outcome,
    complete: impl FnOnce(v1::Moved) -> Result<Transfer, Invalid>,
) -> Result<Outcome, Invalid> {
    let result = match given(outcome.result, "result")? {
        Kind::Moved(moved) => Ok(Record::Transfer(complete(moved)?)),
        Kind::Refusal(refusal) => Err(refusal.try_into()?),
        Kind::Transfer(transfer) => Ok(Record::Transfer(transfer.try_into()?)),
        Kind::Account(message) => {
            let (id, account) = account::from_message(&message)?;
            Ok(Record::Account { id, account })
        }
        Kind::Payment(payment) => Ok(Record::Payment(payment.try_into()?)),
        Kind::Purge(purge) => Ok(Record::Purge {
            payments_count: purge.payments_count,
            timestamp: fields::timestamp(purge.timestamp),
        }),
    };
    Ok(Outcome {
        replayed: outcome.replayed,
        result,
    })
}

/// An outcome by itself: there is no command that says the rest of a transfer.
fn whole(outcome: &Outcome) -> v1::Outcome {
    match &outcome.result {
        Ok(Record::Transfer(transfer)) => v1::Outcome {
            result: Some(Kind::Transfer(transfer.into())),
            replayed: outcome.replayed,
        },
        Ok(Record::Account { .. } | Record::Payment(_) | Record::Purge { .. }) | Err(_) => {
            outcome.into()
        }
    }
}

impl v1::GetBatchRequest {
    /// Which batch.
    pub fn read(&self) -> Result<BatchId, Invalid> {
        fields::batch_id(&self.id, "id")
    }
}

impl v1::GetBatchResponse {
    /// The answer with these outcomes.
    #[must_use]
    pub fn of(answer: Option<&[Outcome]>) -> Self {
        let outcomes = |outcomes: &[Outcome]| v1::Outcomes {
            outcomes: outcomes.iter().map(whole).collect(),
        };
        Self {
            outcomes: answer.map(outcomes),
        }
    }

    /// What the ledger answered.
    pub fn read(self) -> Result<Option<Vec<Outcome>>, Invalid> {
        let Some(outcomes) = self.outcomes else {
            return Ok(None);
        };
        let outcomes = outcomes.outcomes.into_iter();
        outcomes
            .map(|outcome| read(outcome, |_| Err(Invalid::Shape)))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// The transfer that this command made.
pub(crate) fn completed(command: Command, moved: v1::Moved) -> Result<Transfer, Invalid> {
    let (kind, transfer) = if let Command::Transfer(transfer) = command {
        (TransferKind::Transfer, transfer)
    } else if let Command::Pend {
        transfer,
        timeout_s,
    } = command
    {
        (TransferKind::Pend { timeout_s }, transfer)
    } else {
        return Err(Invalid::Shape);
    };
    let MoveMoney {
        id,
        debit_account_id,
        credit_account_id,
        amount,
        description,
        notes,
    } = transfer;
    Ok(Transfer {
        id,
        kind,
        debit_account_id,
        credit_account_id,
        amount,
        description,
        notes,
        timestamp: fields::timestamp(moved.timestamp),
        debit: moved.debit.map(transfer::after),
        credit: moved.credit.map(transfer::after),
    })
}
