//! The questions and answers of the reads.

use ledger::{
    Account, AccountId, BalanceAt, DuePlace, DueQuery, Entry, Millis, Payment, PaymentId,
    PendingEnd, ProcessorSummary, Statement, StatementQuery, Timestamp, TransferId, UsedPayment,
    UsedTransfer,
};

use crate::fields::{self, Invalid, given};
use crate::{account, transfer, v1};

impl v1::GetAccountRequest {
    /// Which account.
    pub fn read(&self) -> Result<AccountId, Invalid> {
        fields::account_id(&self.id, "id")
    }
}

impl v1::GetAccountResponse {
    /// The answer to a question for this account.
    #[must_use]
    pub fn of(id: &AccountId, answer: Option<Account>) -> Self {
        Self {
            account: answer.map(|account| account::to_message(id, &account)),
        }
    }

    /// What the ledger answered.
    pub fn read(self) -> Result<Option<Account>, Invalid> {
        let account = self.account.as_ref().map(account::from_message);
        Ok(account.transpose()?.map(|(_, account)| account))
    }
}

impl From<&StatementQuery> for v1::GetStatementRequest {
    fn from(query: &StatementQuery) -> Self {
        Self {
            account_id: query.account_id.as_str().to_owned(),
            before: query.before,
            limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
        }
    }
}

impl v1::GetStatementRequest {
    /// Which page.
    pub fn read(&self) -> Result<StatementQuery, Invalid> {
        Ok(StatementQuery {
            account_id: fields::account_id(&self.account_id, "account_id")?,
            before: self.before,
            limit: self.limit as usize,
        })
    }
}

impl v1::GetStatementResponse {
    /// The answer to a question for this account.
    #[must_use]
    pub fn of(id: &AccountId, answer: Option<&Statement>) -> Self {
        match answer {
            None => Self::default(),
            Some(statement) => Self {
                account: Some(account::to_message(id, &statement.account)),
                entries: statement.entries.iter().map(Into::into).collect(),
            },
        }
    }

    /// What the ledger answered.
    pub fn read(self) -> Result<Option<Statement>, Invalid> {
        let Some(account) = &self.account else {
            return Ok(None);
        };
        let entries: Result<_, _> = self.entries.into_iter().map(Entry::try_from).collect();
        Ok(Some(Statement {
            account: account::from_message(account)?.1,
            entries: entries?,
        }))
    }
}

impl v1::GetBalanceAtRequest {
    /// A question for an account's balance at a time.
    #[must_use]
    pub fn of(id: &AccountId, at: Timestamp) -> Self {
        Self {
            account_id: id.as_str().to_owned(),
            at: at.as_nanos(),
        }
    }

    /// Whose balance, and when.
    pub fn read(&self) -> Result<(AccountId, Timestamp), Invalid> {
        let id = fields::account_id(&self.account_id, "account_id")?;
        Ok((id, fields::timestamp(self.at)))
    }
}

impl From<Option<BalanceAt>> for v1::GetBalanceAtResponse {
    fn from(answer: Option<BalanceAt>) -> Self {
        Self {
            balance: answer.map(|at| v1::BalanceAt {
                balance: at.balance,
                entry_number: at.entry_number,
            }),
        }
    }
}

impl v1::GetBalanceAtResponse {
    /// What the ledger answered.
    #[must_use]
    pub fn read(self) -> Option<BalanceAt> {
        self.balance.map(|at| BalanceAt {
            balance: at.balance,
            entry_number: at.entry_number,
        })
    }
}

impl v1::GetTransferRequest {
    /// Which transfer.
    pub fn read(&self) -> Result<TransferId, Invalid> {
        fields::transfer_id(&self.id, "id")
    }
}

impl v1::GetTransferResponse {
    /// What the ledger answered, and how the transfer ended where it is a pending one.
    #[must_use]
    pub fn of(answer: Option<&UsedTransfer>, end: Option<PendingEnd>) -> Self {
        use v1::get_transfer_response::Used;
        Self {
            used: answer.map(|used| match used {
                UsedTransfer::Created(transfer, standing) => {
                    Used::Created(transfer::used_to_message(transfer, *standing, end))
                }
                UsedTransfer::Refused(command, refusal) => Used::Refused(v1::UsedByRefused {
                    command: Some(command.into()),
                    refusal: Some(refusal.into()),
                }),
                UsedTransfer::Payment(id) => Used::PaymentId(id.to_bytes().to_vec()),
            }),
        }
    }

    /// How the pending transfer ended, as far as the ledger answered that.
    pub fn read_end(self) -> Result<Option<PendingEnd>, Invalid> {
        use v1::get_transfer_response::Used;
        match self.used {
            Some(Used::Created(created)) => {
                let end = created.pending_end.as_ref();
                end.map(transfer::pending_end).transpose()
            }
            Some(Used::Refused(_) | Used::PaymentId(_)) | None => Ok(None),
        }
    }

    /// What the ledger answered.
    pub fn read(self) -> Result<Option<UsedTransfer>, Invalid> {
        use v1::get_transfer_response::Used;
        Ok(match self.used {
            None => None,
            Some(Used::Created(created)) => {
                let (transfer, standing) = transfer::used(created)?;
                Some(UsedTransfer::Created(transfer, standing))
            }
            Some(Used::Refused(refused)) => Some(UsedTransfer::Refused(
                given(refused.command, "command")?.try_into()?,
                given(refused.refusal, "refusal")?.try_into()?,
            )),
            Some(Used::PaymentId(id)) => Some(UsedTransfer::Payment(fields::payment_id(
                &id,
                "payment_id",
            )?)),
        })
    }
}

impl v1::GetPaymentRequest {
    /// Which payment.
    pub fn read(&self) -> Result<PaymentId, Invalid> {
        fields::payment_id(&self.id, "id")
    }
}

impl From<Option<&UsedPayment>> for v1::GetPaymentResponse {
    fn from(answer: Option<&UsedPayment>) -> Self {
        use v1::get_payment_response::Used;
        Self {
            used: answer.map(|used| match used {
                UsedPayment::Accepted(payment) => Used::Accepted(payment.into()),
                UsedPayment::Refused(command, refusal) => Used::Refused(v1::UsedByRefused {
                    command: Some(command.into()),
                    refusal: Some(refusal.into()),
                }),
            }),
        }
    }
}

impl v1::GetPaymentResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Option<UsedPayment>, Invalid> {
        use v1::get_payment_response::Used;
        Ok(match self.used {
            None => None,
            Some(Used::Accepted(payment)) => Some(UsedPayment::Accepted(payment.try_into()?)),
            Some(Used::Refused(refused)) => Some(UsedPayment::Refused(
                given(refused.command, "command")?.try_into()?,
                given(refused.refusal, "refusal")?.try_into()?,
            )),
        })
    }
}

impl v1::GetPaymentsSummaryRequest {
    /// A question for the payments in `from ..= to`.
    #[must_use]
    pub fn of(from: Option<Millis>, to: Option<Millis>) -> Self {
        Self {
            from_ms: from.map(|at| at.0),
            to_ms: to.map(|at| at.0),
        }
    }

    /// The first and the last time.
    #[must_use]
    pub fn read(&self) -> (Option<Millis>, Option<Millis>) {
        (self.from_ms.map(Millis), self.to_ms.map(Millis))
    }
}

impl From<&[ProcessorSummary]> for v1::GetPaymentsSummaryResponse {
    fn from(answer: &[ProcessorSummary]) -> Self {
        let one = |summary: &ProcessorSummary| {
            let bytes = summary.amount.to_be_bytes();
            let (high, low) = bytes.split_at(8);
            let word = |half: &[u8]| {
                half.iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte))
            };
            v1::ProcessorSummary {
                processor: summary.processor.as_str().to_owned(),
                payments_count: summary.payments_count,
                amount: word(low),
                amount_high: word(high),
            }
        };
        Self {
            processors: answer.iter().map(one).collect(),
        }
    }
}

impl v1::GetPaymentsSummaryResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<ProcessorSummary>, Invalid> {
        let one = |summary: v1::ProcessorSummary| {
            Ok(ProcessorSummary {
                processor: fields::processor(&summary.processor)?,
                payments_count: summary.payments_count,
                amount: u128::from(summary.amount_high) << 64 | u128::from(summary.amount),
            })
        };
        self.processors.into_iter().map(one).collect()
    }
}

impl From<DueQuery> for v1::ListPaymentsDueRequest {
    fn from(query: DueQuery) -> Self {
        Self {
            limit: u64::try_from(query.limit).unwrap_or(u64::MAX),
            after: query.after.map(|place| v1::DuePlace {
                accepted_at: place.accepted_at.as_nanos(),
                id: place.id.to_bytes().to_vec(),
            }),
        }
    }
}

impl v1::ListPaymentsDueRequest {
    /// Which page.
    pub fn read(&self) -> Result<DueQuery, Invalid> {
        let place = |place: &v1::DuePlace| {
            Ok(DuePlace {
                accepted_at: fields::timestamp(place.accepted_at),
                id: fields::payment_id(&place.id, "id")?,
            })
        };
        Ok(DueQuery {
            after: self.after.as_ref().map(place).transpose()?,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
        })
    }
}

impl From<&[Payment]> for v1::ListPaymentsDueResponse {
    fn from(answer: &[Payment]) -> Self {
        Self {
            payments: answer.iter().map(Into::into).collect(),
        }
    }
}

impl v1::ListPaymentsDueResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<Payment>, Invalid> {
        self.payments.into_iter().map(Payment::try_from).collect()
    }
}
