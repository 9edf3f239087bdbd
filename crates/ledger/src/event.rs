//! What was decided. Replaying the events from the first gives the same state, bit for bit.

use serde::{Deserialize, Serialize};

use crate::account::{Account, Movement};
use crate::by::By;
use crate::command::Command;
use crate::currency::Currency;
use crate::id::{AccountId, BatchId};
use crate::outcome::{Outcome, Record, Refusal};
use crate::payment::{Payment, PaymentState};
use crate::resolution::{PaymentResolved, Resolution, ResolutionKind};
use crate::time::Timestamp;
use crate::transfer::Transfer;

/// One decided fact. It holds all that its outcome says.
///
/// The order of variants and fields is part of the journal's format: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A transfer of any kind.
    Transfer(Transfer),
    /// An account was opened.
    AccountOpened {
        /// Its id.
        id: AccountId,
        /// The account as opened.
        account: Account,
    },
    /// An account's limit was set.
    LimitChanged {
        /// Its id.
        id: AccountId,
        /// The account afterwards.
        account: Account,
        /// When.
        timestamp: Timestamp,
        /// Who decided, and why, where that is known. Engines keep it behind the event's own bytes.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
    /// An account was closed.
    AccountClosed {
        /// Its id.
        id: AccountId,
        /// The account afterwards.
        account: Account,
        /// When.
        timestamp: Timestamp,
        /// Who decided, and why, where that is known. Engines keep it behind the event's own bytes.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
    /// A payment was accepted; it is given as it is afterwards, as in the following.
    PaymentAccepted(Payment),
    /// A payment was sent.
    PaymentSent(Payment),
    /// A payment's attempt was not recorded.
    PaymentReleased(Payment),
    /// A payment was settled.
    PaymentSettled {
        /// The payment afterwards; boxed, so that events are no larger than a transfer.
        payment: Box<Payment>,
        /// The transfer that moved the money.
        transfer: Transfer,
    },
    /// A payment was refused after its acceptance.
    PaymentRefused(Payment),
    /// The payments were purged.
    PaymentsPurged {
        /// How many accepted payments became refused.
        payments_count: u64,
        /// When.
        timestamp: Timestamp,
    },
    /// A command was refused upon the state; its id stays used.
    Refused {
        /// The command, to tell a replay from other content.
        command: Command,
        /// Why.
        refusal: Refusal,
        /// When.
        timestamp: Timestamp,
    },
    /// An atomic batch was decided. Where all its members were created, their events come right
    /// before this one.
    Batch(BatchDecided),
    /// A payment was settled, released or refused by an operator.
    PaymentResolved(Box<PaymentResolved>),
    /// New debits or credits of an account were stopped, or may happen again.
    FreezeChanged {
        /// Its id.
        id: AccountId,
        /// The account afterwards.
        account: Account,
        /// When.
        timestamp: Timestamp,
        /// Who decided, and why, where that is known. Engines keep it behind the event's own bytes.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
}

/// An atomic batch's outcome, remembered under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDecided {
    /// The batch's id.
    pub id: BatchId,
    /// What its members were.
    pub digest: Digest,
    /// How many members it has.
    pub members_count: u32,
    /// The first member that failed it; `None` when it was applied.
    pub failure: Option<MemberFailure>,
    /// When it was decided.
    pub timestamp: Timestamp,
}

/// The member that failed an atomic batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFailure {
    /// Its place in the batch, from 0.
    pub index: u32,
    /// What it would have been answered: a refusal, or `exists`.
    pub outcome: Box<Outcome>,
}

/// A BLAKE3 hash of an atomic batch's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Event {
    /// When it was decided; strictly increases from event to event.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        match self {
            Self::Transfer(transfer) | Self::PaymentSettled { transfer, .. } => transfer.timestamp,
            Self::AccountOpened { account, .. } => account.timestamp,
            Self::PaymentAccepted(payment)
            | Self::PaymentSent(payment)
            | Self::PaymentReleased(payment)
            | Self::PaymentRefused(payment) => payment.timestamp,
            Self::PaymentResolved(resolved) => resolved.payment.timestamp,
            Self::LimitChanged { timestamp, .. }
            | Self::AccountClosed { timestamp, .. }
            | Self::FreezeChanged { timestamp, .. }
            | Self::PaymentsPurged { timestamp, .. }
            | Self::Refused { timestamp, .. }
            | Self::Batch(BatchDecided { timestamp, .. }) => *timestamp,
        }
    }

    /// The outcome of the command it was decided from; `None` for a whole batch.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome> {
        Some(match self {
            Self::Transfer(transfer) => Outcome::created(Record::Transfer(transfer)),
            Self::AccountOpened { id, account }
            | Self::LimitChanged { id, account, .. }
            | Self::AccountClosed { id, account, .. }
            | Self::FreezeChanged { id, account, .. } => {
                Outcome::created(Record::Account { id, account })
            }
            Self::PaymentAccepted(payment)
            | Self::PaymentSent(payment)
            | Self::PaymentReleased(payment)
            | Self::PaymentRefused(payment) => Outcome::created(Record::Payment(payment)),
            Self::PaymentSettled { payment, .. } => Outcome::created(Record::Payment(*payment)),
            Self::PaymentResolved(resolved) => Outcome::created(Record::Payment(resolved.payment)),
            Self::PaymentsPurged {
                payments_count,
                timestamp,
            } => Outcome::created(Record::Purge {
                payments_count,
                timestamp,
            }),
            Self::Refused { refusal, .. } => Outcome::refused(refusal),
            Self::Batch(_) => return None,
        })
    }

    /// The transfer it recorded, if it recorded one.
    #[must_use]
    pub const fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Transfer(transfer) | Self::PaymentSettled { transfer, .. } => Some(transfer),
            Self::PaymentResolved(resolved) => resolved.transfer.as_ref(),
            Self::AccountOpened { .. }
            | Self::LimitChanged { .. }
            | Self::AccountClosed { .. }
            | Self::FreezeChanged { .. }
            | Self::PaymentAccepted(_)
            | Self::PaymentSent(_)
            | Self::PaymentReleased(_)
            | Self::PaymentRefused(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => None,
        }
    }

    /// The payment it left as it is now, if it is about one.
    #[must_use]
    pub const fn payment(&self) -> Option<&Payment> {
        match self {
            Self::PaymentAccepted(payment)
            | Self::PaymentSent(payment)
            | Self::PaymentReleased(payment)
            | Self::PaymentRefused(payment) => Some(payment),
            Self::PaymentSettled { payment, .. } => Some(payment),
            Self::PaymentResolved(resolved) => Some(&resolved.payment),
            Self::AccountOpened { .. }
            | Self::LimitChanged { .. }
            | Self::AccountClosed { .. }
            | Self::FreezeChanged { .. }
            | Self::Transfer(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => None,
        }
    }

    /// The operator's decision that it carried out, if it did.
    #[must_use]
    pub const fn resolution(&self) -> Option<&Resolution> {
        if let Self::PaymentResolved(resolved) = self {
            Some(&resolved.resolution)
        } else {
            None
        }
    }

    /// Who decided a change of an account, and why, if it is one of which that is known.
    #[must_use]
    pub fn by(&self) -> Option<&By> {
        match self {
            Self::LimitChanged { by, .. }
            | Self::AccountClosed { by, .. }
            | Self::FreezeChanged { by, .. } => by.as_deref(),
            Self::Transfer(_)
            | Self::AccountOpened { .. }
            | Self::PaymentAccepted(_)
            | Self::PaymentSent(_)
            | Self::PaymentReleased(_)
            | Self::PaymentSettled { .. }
            | Self::PaymentRefused(_)
            | Self::PaymentResolved(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => None,
        }
    }

    /// The same change of an account, decided by these; `None` if it is no change of an account, of which that is not kept.
    #[must_use]
    pub fn decided_by(mut self, decided: By) -> Option<Self> {
        let (Self::LimitChanged { by, .. }
        | Self::AccountClosed { by, .. }
        | Self::FreezeChanged { by, .. }) = &mut self
        else {
            return None;
        };
        *by = Some(Box::new(decided));
        Some(self)
    }

    /// The accounts that it changes and does not open itself: each has to be open before it. A purge
    /// does not say whose reservations it releases.
    #[must_use]
    pub fn accounts_needed(&self) -> Vec<&AccountId> {
        fn sides(transfer: &Transfer) -> Vec<&AccountId> {
            vec![&transfer.debit_account_id, &transfer.credit_account_id]
        }
        match self {
            Self::LimitChanged { id, .. }
            | Self::AccountClosed { id, .. }
            | Self::FreezeChanged { id, .. } => vec![id],
            Self::Transfer(transfer) | Self::PaymentSettled { transfer, .. } => sides(transfer),
            Self::PaymentResolved(resolved) => match &resolved.transfer {
                Some(transfer) => sides(transfer),
                None => resolved.payment.account_id.iter().collect(),
            },
            Self::PaymentAccepted(payment) | Self::PaymentRefused(payment) => {
                payment.account_id.iter().collect()
            }
            Self::AccountOpened { .. }
            | Self::PaymentSent(_)
            | Self::PaymentReleased(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => Vec::new(),
        }
    }

    /// What it does to each of its accounts; a purge does not say whose reservations it releases.
    #[must_use]
    pub fn movements(&self) -> Vec<(&AccountId, Movement)> {
        fn of_payer(payment: &Payment, movement: Movement) -> Vec<(&AccountId, Movement)> {
            let payer = payment.account_id.iter();
            payer.map(|id| (id, movement)).collect()
        }
        match self {
            Self::Transfer(transfer) | Self::PaymentSettled { transfer, .. } => moved(transfer),
            Self::PaymentAccepted(payment) => {
                of_payer(payment, Movement::ReserveDebit(payment.amount))
            }
            Self::PaymentRefused(payment) => {
                of_payer(payment, Movement::ReleaseDebit(payment.amount))
            }
            Self::PaymentResolved(resolved) => {
                match (&resolved.transfer, resolved.resolution.kind) {
                    (Some(transfer), _) => moved(transfer),
                    (None, ResolutionKind::Refuse) => {
                        let amount = resolved.payment.amount;
                        of_payer(&resolved.payment, Movement::ReleaseDebit(amount))
                    }
                    (None, ResolutionKind::Settled { .. } | ResolutionKind::Release) => Vec::new(),
                }
            }
            Self::AccountOpened { .. }
            | Self::LimitChanged { .. }
            | Self::AccountClosed { .. }
            | Self::FreezeChanged { .. }
            | Self::PaymentSent(_)
            | Self::PaymentReleased(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => Vec::new(),
        }
    }

    /// The system accounts that it needs, with their currency; those that are not open yet are
    /// opened by it.
    #[must_use]
    pub fn system_accounts(&self) -> Vec<(AccountId, Currency)> {
        let world = |currency| (AccountId::world(currency), currency);
        match self {
            Self::AccountOpened { account, .. } => vec![world(account.currency)],
            Self::PaymentAccepted(payment) => vec![world(payment.currency)],
            Self::PaymentSent(Payment {
                state: PaymentState::Sent { processor, .. },
                currency,
                ..
            }) => vec![(AccountId::processor(processor, *currency), *currency)],
            Self::LimitChanged { .. }
            | Self::AccountClosed { .. }
            | Self::FreezeChanged { .. }
            | Self::Transfer(_)
            | Self::PaymentSent(_)
            | Self::PaymentSettled { .. }
            | Self::PaymentReleased(_)
            | Self::PaymentRefused(_)
            | Self::PaymentResolved(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_) => Vec::new(),
        }
    }
}

fn moved(transfer: &Transfer) -> Vec<(&AccountId, Movement)> {
    let (debit, credit) = transfer.movements();
    vec![
        (&transfer.debit_account_id, debit),
        (&transfer.credit_account_id, credit),
    ]
}

impl BatchDecided {
    /// The members' outcomes of a batch that failed; `None` when it was applied.
    #[must_use]
    pub fn failed_outcomes(&self) -> Option<Vec<Outcome>> {
        let failure = self.failure.as_ref()?;
        Some(
            (0..self.members_count)
                .map(|index| {
                    if index == failure.index {
                        (*failure.outcome).clone()
                    } else {
                        Outcome::refused(Refusal::BatchMemberFailed)
                    }
                })
                .collect(),
        )
    }
}
