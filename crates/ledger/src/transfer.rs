//! A transfer as the ledger records it, and the statement entries it makes.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::account::Movement;
use crate::id::{AccountId, PaymentId, TransferId};
use crate::notes::Notes;
use crate::time::Timestamp;

/// A recorded movement, reservation or end of a reservation.
///
/// # Guarantees
///
/// - Its id was never used before in the space of transfers (an expiry carries its pending
///   transfer's id).
/// - It debits and credits the same amount in one currency.
/// - `debit` and `credit` are given where that side is limited and its balance changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The transfer's id.
    pub id: TransferId,
    /// What it did.
    pub kind: TransferKind,
    /// The account the money leaves.
    pub debit_account_id: AccountId,
    /// The account the money goes to.
    pub credit_account_id: AccountId,
    /// Minor units moved, reserved or released.
    pub amount: u64,
    /// What the statement says.
    pub description: CompactString,
    /// The caller's reference and metadata. What ends a reservation or a payment has its reference.
    pub notes: Notes,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The debit account after it.
    pub debit: Option<After>,
    /// The credit account after it.
    pub credit: Option<After>,
}

/// What a transfer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// Moved money at once.
    Transfer,
    /// Reserved money.
    Pend {
        /// Seconds until it expires; 0: never.
        timeout_s: u32,
    },
    /// Posted a pending transfer and ended it; what was not posted is released.
    Post {
        /// The pending transfer.
        pending_id: TransferId,
        /// What was still reserved before it, in minor units.
        pending_amount: u64,
        /// Whether the command left the amount out.
        in_full: bool,
    },
    /// Released a pending transfer on request.
    Void {
        /// The pending transfer.
        pending_id: TransferId,
    },
    /// Released a pending transfer because its time was over.
    Expire,
    /// Settled a payment; `reserved` where the payer's funds had been reserved.
    Settle {
        /// The payment.
        payment_id: PaymentId,
        /// Whether the amount leaves a reservation.
        reserved: bool,
    },
    /// Moved money back that another transfer had moved: its sides are that one's, swapped.
    Reverse {
        /// The transfer that is reversed.
        reverses: TransferId,
        /// How much of it was reversed before, in minor units.
        reversed_before: u64,
        /// Whether the command left the amount out.
        in_full: bool,
    },
    /// Posted a part of a pending transfer; the rest stays reserved. It ends the pending transfer where
    /// nothing is left.
    PostPart {
        /// The pending transfer.
        pending_id: TransferId,
        /// What was still reserved before it, in minor units.
        pending_amount: u64,
    },
}

/// What came after a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It reserved money.
    Pending {
        /// How that stands.
        state: PendingState,
        /// How much of it is still reserved, in minor units: less than the transfer's amount once parts
        /// were posted, and 0 once it has ended.
        left_amount: u64,
    },
    /// It moved money, and is no reversal itself.
    Posted {
        /// How much of it was moved back by reversals, in minor units.
        reversed_amount: u64,
    },
    /// Nothing comes after it: it is a void, an expiry or a reversal.
    Final,
}

/// A limited account right after a transfer that changed its balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The number of the entry that the transfer made: 1, 2, 3 … without gaps.
    pub entry_number: u64,
    /// The balance, in minor units.
    pub balance: i64,
    /// The credit limit, in minor units.
    pub credit_limit: u64,
}

/// How a pending transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PendingState {
    /// Still reserved, or what parts have left of it.
    Pending,
    /// Posted, in full or in part.
    Posted,
    /// Voided.
    Voided,
    /// Expired.
    Expired,
}

/// How a pending transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingEnd {
    /// The post or the void that ended it; `None` where it expired.
    pub by: Option<TransferId>,
    /// Minor units that were posted, by this end and by all parts before it, at most what was reserved;
    /// `None` where nothing was.
    pub posted_amount: Option<u64>,
    /// When its end was decided. An expiry is decided at or after the time at which it was due.
    pub at: Timestamp,
}

/// One line of a limited account's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The account's own 1, 2, 3 … without gaps.
    pub number: u64,
    /// The transfer that made it.
    pub transfer_id: TransferId,
    /// What that transfer did: `transfer`, `post`, `settle` or `reverse`.
    pub kind: &'static str,
    /// Of a post: the pending transfer that it is of. `None` also where a ledger node of an older version
    /// left it out, as the next two.
    pub pending_id: Option<TransferId>,
    /// Of a settlement: the payment.
    pub payment_id: Option<PaymentId>,
    /// Of a reversal: the transfer that it reversed.
    pub reverses: Option<TransferId>,
    /// The account the money left.
    pub debit_account_id: AccountId,
    /// The account the money went to.
    pub credit_account_id: AccountId,
    /// Minor units.
    pub amount: u64,
    /// What the statement says.
    pub description: CompactString,
    /// The account's balance right after, in minor units.
    pub balance_after: i64,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The transfer's reference and metadata.
    pub notes: Notes,
}

impl TransferKind {
    /// The kind's name, as the API and the metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Pend { .. } => "pend",
            Self::Post { .. } | Self::PostPart { .. } => "post",
            Self::Void { .. } => "void",
            Self::Expire => "expire",
            Self::Settle { .. } => "settle",
            Self::Reverse { .. } => "reverse",
        }
    }

    /// Of a post or a void: the pending transfer that it is of.
    #[must_use]
    pub const fn pending_id(self) -> Option<TransferId> {
        match self {
            Self::Post { pending_id, .. }
            | Self::PostPart { pending_id, .. }
            | Self::Void { pending_id } => Some(pending_id),
            Self::Transfer
            | Self::Pend { .. }
            | Self::Expire
            | Self::Settle { .. }
            | Self::Reverse { .. } => None,
        }
    }

    /// Of a settlement: the payment.
    #[must_use]
    pub const fn payment_id(self) -> Option<PaymentId> {
        match self {
            Self::Settle { payment_id, .. } => Some(payment_id),
            Self::Transfer
            | Self::Pend { .. }
            | Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire
            | Self::Reverse { .. } => None,
        }
    }

    /// Of a reversal: the transfer that it reversed.
    #[must_use]
    pub const fn reverses(self) -> Option<TransferId> {
        match self {
            Self::Reverse { reverses, .. } => Some(reverses),
            Self::Transfer
            | Self::Pend { .. }
            | Self::Post { .. }
            | Self::PostPart { .. }
            | Self::Void { .. }
            | Self::Expire
            | Self::Settle { .. } => None,
        }
    }
}

impl Standing {
    /// How the reservation stands, if the transfer made one.
    #[must_use]
    pub const fn pending_state(self) -> Option<PendingState> {
        match self {
            Self::Pending { state, .. } => Some(state),
            Self::Posted { .. } | Self::Final => None,
        }
    }

    /// How much was moved back, in minor units; `None` of a transfer that cannot be reversed.
    #[must_use]
    pub const fn reversed_amount(self) -> Option<u64> {
        match self {
            Self::Posted { reversed_amount } => Some(reversed_amount),
            Self::Pending { .. } | Self::Final => None,
        }
    }

    /// How much parts have posted of a reservation of `amount` whose rest is still reserved, in minor
    /// units; `None` where none did, and once the reservation has ended.
    #[must_use]
    pub const fn posted_of(self, amount: u64) -> Option<u64> {
        match self {
            Self::Pending {
                state: PendingState::Pending,
                left_amount,
            } if left_amount < amount => Some(amount - left_amount),
            Self::Pending { .. } | Self::Posted { .. } | Self::Final => None,
        }
    }
}

impl PendingState {
    /// The state's name, as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }

    /// Whether it was posted or voided or has expired: then it stays so.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Pending => false,
            Self::Posted | Self::Voided | Self::Expired => true,
        }
    }
}

impl Transfer {
    /// How the transfer stands before anything came after it.
    #[must_use]
    pub const fn first_standing(&self) -> Standing {
        match self.kind {
            TransferKind::Transfer
            | TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Settle { .. } => Standing::Posted { reversed_amount: 0 },
            TransferKind::Pend { .. } => Standing::Pending {
                state: PendingState::Pending,
                left_amount: self.amount,
            },
            TransferKind::Void { .. } | TransferKind::Expire | TransferKind::Reverse { .. } => {
                Standing::Final
            }
        }
    }

    /// What the transfer does to its debit and to its credit account.
    #[must_use]
    pub const fn movements(&self) -> (Movement, Movement) {
        let amount = self.amount;
        match self.kind {
            TransferKind::Transfer
            | TransferKind::Reverse { .. }
            | TransferKind::Settle {
                reserved: false, ..
            } => (Movement::Debit(amount), Movement::Credit(amount)),
            TransferKind::Pend { .. } => (
                Movement::ReserveDebit(amount),
                Movement::ReserveCredit(amount),
            ),
            TransferKind::Post {
                pending_amount: reserved,
                ..
            } => (
                Movement::PostDebit { reserved, amount },
                Movement::PostCredit { reserved, amount },
            ),
            TransferKind::PostPart { .. } => (
                Movement::PostDebit {
                    reserved: amount,
                    amount,
                },
                Movement::PostCredit {
                    reserved: amount,
                    amount,
                },
            ),
            TransferKind::Void { .. } | TransferKind::Expire => (
                Movement::ReleaseDebit(amount),
                Movement::ReleaseCredit(amount),
            ),
            TransferKind::Settle { reserved: true, .. } => (
                Movement::PostDebit {
                    reserved: amount,
                    amount,
                },
                Movement::Credit(amount),
            ),
        }
    }

    /// The entry that the transfer made in this account's statement, if it made one.
    #[must_use]
    pub fn entry(&self, account_id: &AccountId) -> Option<Entry> {
        let after = self.after(account_id)?;
        Some(Entry {
            number: after.entry_number,
            transfer_id: self.id,
            kind: self.kind.as_str(),
            pending_id: self.kind.pending_id(),
            payment_id: self.kind.payment_id(),
            reverses: self.kind.reverses(),
            debit_account_id: self.debit_account_id.clone(),
            credit_account_id: self.credit_account_id.clone(),
            amount: self.amount,
            description: self.description.clone(),
            balance_after: after.balance,
            timestamp: self.timestamp,
            notes: self.notes.clone(),
        })
    }

    /// What the transfer changed the balance of this account by, limited or not, in minor units; 0 where it is of other
    /// accounts.
    #[must_use]
    pub fn balance_change(&self, account_id: &AccountId) -> i64 {
        let (debit, credit) = self.movements();
        let of = |side: &AccountId, movement: Movement| match side == account_id {
            true => movement.balance_change(),
            false => 0,
        };
        of(&self.debit_account_id, debit) + of(&self.credit_account_id, credit)
    }

    /// This account right after the transfer, where it is limited and its balance changed.
    #[must_use]
    pub fn after(&self, account_id: &AccountId) -> Option<After> {
        if *account_id == self.debit_account_id {
            self.debit
        } else if *account_id == self.credit_account_id {
            self.credit
        } else {
            None
        }
    }

    /// From when on a pending transfer is expired.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        match self.kind {
            TransferKind::Pend { timeout_s: 0 } => None,
            TransferKind::Pend { timeout_s } => Some(self.timestamp.plus_seconds(timeout_s)),
            TransferKind::Transfer
            | TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Void { .. }
            | TransferKind::Expire
            | TransferKind::Settle { .. }
            | TransferKind::Reverse { .. } => None,
        }
    }

    /// The transfer that this one reversed, and how much of it is reversed after it.
    #[must_use]
    pub const fn reversal(&self) -> Option<(TransferId, u64)> {
        if let TransferKind::Reverse {
            reverses,
            reversed_before,
            ..
        } = self.kind
        {
            // Their sum never passes the original's amount, which a bigint holds.
            Some((reverses, reversed_before.saturating_add(self.amount)))
        } else {
            None
        }
    }

    /// The pending transfer that this one ended, and how.
    #[must_use]
    pub const fn ends(&self) -> Option<(TransferId, PendingState)> {
        match self.kind {
            TransferKind::Post { pending_id, .. } => Some((pending_id, PendingState::Posted)),
            TransferKind::PostPart {
                pending_id,
                pending_amount,
            } => {
                if self.amount == pending_amount {
                    Some((pending_id, PendingState::Posted))
                } else {
                    None
                }
            }
            TransferKind::Void { pending_id } => Some((pending_id, PendingState::Voided)),
            TransferKind::Expire => Some((self.id, PendingState::Expired)),
            TransferKind::Transfer
            | TransferKind::Pend { .. }
            | TransferKind::Settle { .. }
            | TransferKind::Reverse { .. } => None,
        }
    }

    /// The pending transfer that this one posted a part of, and how much of it is still reserved after it.
    #[must_use]
    pub const fn part(&self) -> Option<(TransferId, u64)> {
        if let TransferKind::PostPart {
            pending_id,
            pending_amount,
        } = self.kind
        {
            // A part is never larger than what is left.
            Some((pending_id, pending_amount.saturating_sub(self.amount)))
        } else {
            None
        }
    }

    /// The earlier transfer that this one ended, posted a part of or reversed, and how that one stands after
    /// it.
    #[must_use]
    pub const fn changes(&self) -> Option<(TransferId, Standing)> {
        if let Some((pending_id, state)) = self.ends() {
            let left_amount = 0;
            return Some((pending_id, Standing::Pending { state, left_amount }));
        }
        if let Some((pending_id, left_amount)) = self.part() {
            let state = PendingState::Pending;
            return Some((pending_id, Standing::Pending { state, left_amount }));
        }
        match self.reversal() {
            Some((id, reversed_amount)) => Some((id, Standing::Posted { reversed_amount })),
            None => None,
        }
    }

    /// How the pending transfer ended, if this transfer ended it.
    #[must_use]
    pub fn end_of(&self, pending: &Self) -> Option<PendingEnd> {
        let (ended_id, state) = self.ends()?;
        if ended_id != pending.id {
            return None;
        }
        // What ended it says what was reserved until then: parts had posted what was missing.
        let reserved = match self.kind {
            TransferKind::Post { pending_amount, .. }
            | TransferKind::PostPart { pending_amount, .. } => pending_amount,
            TransferKind::Transfer
            | TransferKind::Pend { .. }
            | TransferKind::Void { .. }
            | TransferKind::Expire
            | TransferKind::Settle { .. }
            | TransferKind::Reverse { .. } => self.amount,
        };
        let by_parts = pending.amount.saturating_sub(reserved);
        let (by, posted_amount) = match state {
            PendingState::Pending => return None,
            PendingState::Posted => (Some(self.id), by_parts.saturating_add(self.amount)),
            PendingState::Voided => (Some(self.id), by_parts),
            PendingState::Expired => (None, by_parts),
        };
        Some(PendingEnd {
            by,
            posted_amount: (posted_amount > 0).then_some(posted_amount),
            at: self.timestamp,
        })
    }
}
