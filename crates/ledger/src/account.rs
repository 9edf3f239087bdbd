//! An account's totals and how a movement changes them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::currency::Currency;
use crate::money::{AMOUNT_MAX, Limit, TOTAL_MAX};
use crate::time::Timestamp;

/// An account's state. Its id is the key under which it is kept.
///
/// # Guarantees
///
/// - `available` of a limited account is never negative.
/// - For a limited account neither `balance + credits_pending + credit_limit` nor `debits_pending - balance`
///   passes [`AMOUNT_MAX`], and neither its debits nor its credits, posted and pending, pass [`TOTAL_MAX`].
/// - An unlimited account's totals are 64-bit, never refuse and wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AccountForm", into = "AccountForm")]
pub struct Account {
    /// What the totals are counted in.
    pub currency: Currency,
    /// How far the balance may go below zero.
    pub limit: Limit,
    /// What has left the account, in minor units.
    pub debits_posted: u64,
    /// What has come into the account, in minor units.
    pub credits_posted: u64,
    /// What is reserved to leave the account, in minor units.
    pub debits_pending: u64,
    /// What is reserved to come into the account, in minor units.
    pub credits_pending: u64,
    /// How many entries the account's statement has; unlimited accounts keep no statement.
    pub entry_count: u64,
    /// Whether new debits and credits are refused for good.
    pub closed: bool,
    /// Which new debits and credits an operator has stopped.
    pub frozen: Frozen,
    /// When the account was opened.
    pub timestamp: Timestamp,
}

/// What an operator has stopped on an account. What was reserved before stays reserved: it may be posted, voided and
/// settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Frozen {
    /// Nothing.
    None,
    /// New debits: transfers, pending transfers, reversals and payments that debit the account are refused.
    Debits,
    /// New credits: transfers, pending transfers and reversals that credit the account are refused.
    Credits,
    /// Both.
    Both,
}

impl Frozen {
    /// Every form of it, in the order of the numbers that formats give them, from 0.
    pub const ALL: [Self; 4] = [Self::None, Self::Debits, Self::Credits, Self::Both];

    /// Its name, as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Debits => "debits",
            Self::Credits => "credits",
            Self::Both => "both",
        }
    }

    /// Whether new debits are refused.
    #[must_use]
    pub const fn stops_debits(self) -> bool {
        matches!(self, Self::Debits | Self::Both)
    }

    /// Whether new credits are refused.
    #[must_use]
    pub const fn stops_credits(self) -> bool {
        matches!(self, Self::Credits | Self::Both)
    }

    /// Its number in formats.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Debits => 1,
            Self::Credits => 2,
            Self::Both => 3,
        }
    }
}

/// A side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The account the money leaves.
    Debit,
    /// The account the money goes to.
    Credit,
}

impl Side {
    /// Its name, as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }
}

/// An account as it is serialized: what was the byte of `closed` has what is frozen, too.
#[derive(Serialize, Deserialize)]
struct AccountForm {
    currency: Currency,
    limit: Limit,
    debits_posted: u64,
    credits_posted: u64,
    debits_pending: u64,
    credits_pending: u64,
    entry_count: u64,
    stops: Stops,
    timestamp: Timestamp,
}

/// Whether an account is closed (1), and what is frozen (2 for debits, 4 for credits), in one byte: 0 and 1 are the
/// `false` and `true` of before.
struct Stops {
    closed: bool,
    frozen: Frozen,
}

impl Serialize for Stops {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(self.closed) | self.frozen.number() << 1)
    }
}

impl<'de> Deserialize<'de> for Stops {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let byte = u8::deserialize(deserializer)?;
        let frozen = Frozen::ALL.get(usize::from(byte >> 1)).copied();
        let frozen =
            frozen.ok_or_else(|| D::Error::custom("what an account refuses is unknown"))?;
        let closed = byte & 1 == 1;
        Ok(Self { closed, frozen })
    }
}

impl From<Account> for AccountForm {
    fn from(account: Account) -> Self {
        Self {
            currency: account.currency,
            limit: account.limit,
            debits_posted: account.debits_posted,
            credits_posted: account.credits_posted,
            debits_pending: account.debits_pending,
            credits_pending: account.credits_pending,
            entry_count: account.entry_count,
            stops: Stops {
                closed: account.closed,
                frozen: account.frozen,
            },
            timestamp: account.timestamp,
        }
    }
}

impl From<AccountForm> for Account {
    fn from(form: AccountForm) -> Self {
        Self {
            currency: form.currency,
            limit: form.limit,
            debits_posted: form.debits_posted,
            credits_posted: form.credits_posted,
            debits_pending: form.debits_pending,
            credits_pending: form.credits_pending,
            entry_count: form.entry_count,
            closed: form.stops.closed,
            frozen: form.stops.frozen,
            timestamp: form.timestamp,
        }
    }
}

/// One account's part in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Posts a debit of this amount.
    Debit(u64),
    /// Posts a credit of this amount.
    Credit(u64),
    /// Reserves this amount to be debited.
    ReserveDebit(u64),
    /// Reserves this amount to be credited.
    ReserveCredit(u64),
    /// Ends a reservation of `reserved` and posts a debit of `amount`.
    PostDebit {
        /// The whole reservation.
        reserved: u64,
        /// The part of it that is posted.
        amount: u64,
    },
    /// Ends a reservation of `reserved` and posts a credit of `amount`.
    PostCredit {
        /// The whole reservation.
        reserved: u64,
        /// The part of it that is posted.
        amount: u64,
    },
    /// Ends a reservation of a debit.
    ReleaseDebit(u64),
    /// Ends a reservation of a credit.
    ReleaseCredit(u64),
}

impl Movement {
    /// What it changes the balance by, in minor units.
    #[must_use]
    pub const fn balance_change(self) -> i64 {
        match self {
            Self::Debit(amount) | Self::PostDebit { amount, .. } => -amount.cast_signed(),
            Self::Credit(amount) | Self::PostCredit { amount, .. } => amount.cast_signed(),
            Self::ReserveDebit(_)
            | Self::ReserveCredit(_)
            | Self::ReleaseDebit(_)
            | Self::ReleaseCredit(_) => 0,
        }
    }
}

impl Account {
    /// An account as it is when it has just been opened.
    #[must_use]
    pub const fn new(currency: Currency, limit: Limit, timestamp: Timestamp) -> Self {
        Self {
            currency,
            limit,
            debits_posted: 0,
            credits_posted: 0,
            debits_pending: 0,
            credits_pending: 0,
            entry_count: 0,
            closed: false,
            frozen: Frozen::None,
            timestamp,
        }
    }

    /// `credits_posted - debits_posted`, in minor units.
    #[must_use]
    pub const fn balance(&self) -> i64 {
        self.credits_posted
            .wrapping_sub(self.debits_posted)
            .cast_signed()
    }

    /// What may still be debited, in minor units; `None` where there is no limit.
    #[must_use]
    pub const fn available(&self) -> Option<u64> {
        match self.limit {
            Limit::Credit(credit_limit) => {
                Some(self.credits_posted + credit_limit - self.debits_posted - self.debits_pending)
            }
            Limit::Unlimited => None,
        }
    }

    /// The credit limit in minor units; `None` where there is no limit.
    #[must_use]
    pub const fn credit_limit(&self) -> Option<u64> {
        match self.limit {
            Limit::Credit(credit_limit) => Some(credit_limit),
            Limit::Unlimited => None,
        }
    }

    /// How much more may be credited, in minor units; `None` where there is no limit.
    #[must_use]
    pub fn creditable(&self) -> Option<u64> {
        let credit_limit = self.credit_limit()?;
        let held = i128::from(self.balance())
            + i128::from(self.credits_pending)
            + i128::from(credit_limit);
        let of_balance = i128::from(AMOUNT_MAX) - held;
        let credits = self.credits_posted.saturating_add(self.credits_pending);
        let of_total = TOTAL_MAX.saturating_sub(credits);
        // Of an account that was decided upon, the difference is neither negative nor larger than 2^54.
        Some(u64::try_from(of_balance).unwrap_or(0).min(of_total))
    }

    /// Whether `amount` more may be credited: [`creditable`](Self::creditable).
    pub(crate) fn can_be_credited(&self, amount: u64) -> bool {
        self.creditable()
            .is_none_or(|creditable| amount <= creditable)
    }

    /// Whether `amount` more may be debited without passing [`TOTAL_MAX`]; whether so much is available is another
    /// question.
    pub(crate) const fn can_be_debited(&self, amount: u64) -> bool {
        match self.limit {
            Limit::Credit(_) => self.debits_posted + self.debits_pending + amount <= TOTAL_MAX,
            Limit::Unlimited => true,
        }
    }

    /// The highest limit that the account may have as it is, in minor units.
    #[must_use]
    pub fn limit_max(&self) -> u64 {
        let held = i128::from(self.balance()) + i128::from(self.credits_pending);
        let left = (i128::from(AMOUNT_MAX) - held).clamp(0, i128::from(AMOUNT_MAX));
        u64::try_from(left).unwrap_or_else(|_| unreachable!("it was clamped to 53 bits"))
    }

    /// Whether the movement may have been decided upon this account: no total of a limited account
    /// leaves its range. Of what was decided here it is so; of what is read from a store that may
    /// be damaged it has to be asked before [`apply`](Self::apply).
    #[must_use]
    pub fn can_apply(&self, movement: Movement) -> bool {
        if self.limit == Limit::Unlimited {
            return true;
        }
        match movement {
            Movement::Debit(amount) => self.debits_posted.checked_add(amount).is_some(),
            Movement::Credit(amount) => self.credits_posted.checked_add(amount).is_some(),
            Movement::ReserveDebit(amount) => self.debits_pending.checked_add(amount).is_some(),
            Movement::ReserveCredit(amount) => self.credits_pending.checked_add(amount).is_some(),
            Movement::PostDebit { reserved, amount } => {
                self.can_apply(Movement::ReleaseDebit(reserved))
                    && self.can_apply(Movement::Debit(amount))
            }
            Movement::PostCredit { reserved, amount } => {
                self.can_apply(Movement::ReleaseCredit(reserved))
                    && self.can_apply(Movement::Credit(amount))
            }
            Movement::ReleaseDebit(amount) => self.debits_pending >= amount,
            Movement::ReleaseCredit(amount) => self.credits_pending >= amount,
        }
    }

    /// Applies a movement that was decided upon this account. It cannot be refused any more; on a
    /// limited account an arithmetic overflow is a bug and panics.
    pub fn apply(&mut self, movement: Movement) {
        match movement {
            Movement::Debit(amount) => {
                self.debits_posted = self.plus(self.debits_posted, amount);
                self.count_entry();
            }
            Movement::Credit(amount) => {
                self.credits_posted = self.plus(self.credits_posted, amount);
                self.count_entry();
            }
            Movement::ReserveDebit(amount) => {
                self.debits_pending = self.plus(self.debits_pending, amount);
            }
            Movement::ReserveCredit(amount) => {
                self.credits_pending = self.plus(self.credits_pending, amount);
            }
            Movement::PostDebit { reserved, amount } => {
                self.apply(Movement::ReleaseDebit(reserved));
                self.apply(Movement::Debit(amount));
            }
            Movement::PostCredit { reserved, amount } => {
                self.apply(Movement::ReleaseCredit(reserved));
                self.apply(Movement::Credit(amount));
            }
            Movement::ReleaseDebit(amount) => {
                self.debits_pending = self.minus(self.debits_pending, amount);
            }
            Movement::ReleaseCredit(amount) => {
                self.credits_pending = self.minus(self.credits_pending, amount);
            }
        }
    }

    const fn count_entry(&mut self) {
        if matches!(self.limit, Limit::Credit(_)) {
            self.entry_count += 1;
        }
    }

    const fn plus(&self, total: u64, amount: u64) -> u64 {
        match self.limit {
            Limit::Credit(_) => total + amount,
            Limit::Unlimited => total.wrapping_add(amount),
        }
    }

    const fn minus(&self, total: u64, amount: u64) -> u64 {
        match self.limit {
            Limit::Credit(_) => total - amount,
            Limit::Unlimited => total.wrapping_sub(amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limit: Limit) -> Account {
        Account::new(Currency::new("BRL").unwrap(), limit, Timestamp::default())
    }

    #[test]
    fn a_reservation_is_not_available_twice() {
        let mut account = account(Limit::Credit(100));
        account.apply(Movement::ReserveDebit(60));
        assert_eq!((account.available(), account.balance()), (Some(40), 0));
        account.apply(Movement::PostDebit {
            reserved: 60,
            amount: 25,
        });
        assert_eq!((account.available(), account.balance()), (Some(75), -25));
        assert_eq!((account.debits_pending, account.entry_count), (0, 1));
    }

    #[test]
    fn what_is_stopped_is_one_byte_that_was_a_bool() {
        let mut bytes = Vec::new();
        for frozen in Frozen::ALL {
            for closed in [false, true] {
                let account = Account {
                    closed,
                    frozen,
                    ..account(Limit::Credit(0))
                };
                let written = postcard::to_allocvec(&account).unwrap();
                assert_eq!(postcard::from_bytes::<Account>(&written), Ok(account));
                // Before the timestamp, which is 0.
                let [.., stops, 0] = written[..] else {
                    panic!("{written:?}");
                };
                bytes.push(stops);
                let mut unknown = written.clone();
                unknown[written.len() - 2] = 8;
                assert!(postcard::from_bytes::<Account>(&unknown).is_err());
            }
        }
        assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_pending_credit_is_not_available_yet() {
        let mut account = account(Limit::Credit(0));
        account.apply(Movement::ReserveCredit(10));
        assert_eq!(account.available(), Some(0));
        account.apply(Movement::ReleaseCredit(10));
        account.apply(Movement::Credit(10));
        assert_eq!((account.available(), account.balance()), (Some(10), 10));
    }

    #[test]
    fn what_was_not_decided_upon_an_account_is_told_before_it_is_applied() {
        let mut limited = account(Limit::Credit(0));
        limited.debits_pending = 5;
        limited.credits_pending = 5;
        limited.credits_posted = u64::MAX;
        for (reserved, can) in [(5, true), (6, false)] {
            let amount = 1;
            assert_eq!(limited.can_apply(Movement::ReleaseDebit(reserved)), can);
            assert_eq!(limited.can_apply(Movement::ReleaseCredit(reserved)), can);
            let post = Movement::PostDebit { reserved, amount };
            assert_eq!(limited.can_apply(post), can);
        }
        assert!(!limited.can_apply(Movement::Credit(1)));
        let (reserved, amount) = (5, 1);
        assert!(!limited.can_apply(Movement::PostCredit { reserved, amount }));
        let unlimited = account(Limit::Unlimited);
        assert!(unlimited.can_apply(Movement::ReleaseDebit(u64::MAX)));
    }

    #[test]
    fn unlimited_totals_wrap_and_keep_no_entries() {
        let mut account = account(Limit::Unlimited);
        account.debits_posted = u64::MAX;
        account.apply(Movement::Debit(2));
        assert_eq!((account.debits_posted, account.entry_count), (1, 0));
        assert_eq!((account.balance(), account.available()), (-1, None));
    }
}
