//! Accounts as the library keeps them.

use ledger::{Account, Currency, Limit, Timestamp};

use crate::bytes::Bytes;
use crate::error::Damaged;
use crate::layout::account::{LIMITED, UNLIMITED};
use crate::moment::{Moment, moment};

/// An account with the limit it was opened with: the first outcome under its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) account: Account,
    pub(crate) limit_opened: u64,
}

impl Kept {
    /// The account as it was opened.
    pub(crate) const fn opened(&self) -> Account {
        let account = &self.account;
        let limit = match account.limit {
            Limit::Credit(_) => Limit::Credit(self.limit_opened),
            Limit::Unlimited => Limit::Unlimited,
        };
        Account::new(account.currency, limit, account.timestamp)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut bytes = Bytes(bytes);
        let kind = bytes.u8()?;
        let currency = std::str::from_utf8(bytes.take(3)?).map_err(|_| Damaged)?;
        let currency = Currency::new(currency).map_err(|_| Damaged)?;
        let mut account = Account::new(currency, Limit::Unlimited, Timestamp::default());
        let mut limit_opened = 0;
        if kind == LIMITED {
            account.closed = bytes.u8()? == 1;
            account.limit = Limit::Credit(bytes.u64()?);
            limit_opened = bytes.u64()?;
        } else if kind != UNLIMITED {
            return Err(Damaged);
        }
        // An unlimited total is two halves of 32 bits, which is the same 8 bytes.
        account.debits_posted = bytes.u64()?;
        account.credits_posted = bytes.u64()?;
        account.debits_pending = bytes.u64()?;
        account.credits_pending = bytes.u64()?;
        if kind == LIMITED {
            account.entry_count = bytes.u64()?;
        }
        account.timestamp = moment(&mut bytes)?;
        if bytes.0.is_empty() {
            Ok(Self {
                account,
                limit_opened,
            })
        } else {
            Err(Damaged)
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let account = &self.account;
        let mut bytes = Vec::with_capacity(80);
        match account.limit {
            Limit::Credit(limit) => {
                bytes.push(LIMITED);
                bytes.extend(account.currency.as_str().as_bytes());
                bytes.push(u8::from(account.closed));
                bytes.extend(limit.to_be_bytes());
                bytes.extend(self.limit_opened.to_be_bytes());
            }
            Limit::Unlimited => {
                bytes.push(UNLIMITED);
                bytes.extend(account.currency.as_str().as_bytes());
            }
        }
        for total in [
            account.debits_posted,
            account.credits_posted,
            account.debits_pending,
            account.credits_pending,
        ] {
            bytes.extend(total.to_be_bytes());
        }
        if matches!(account.limit, Limit::Credit(_)) {
            bytes.extend(account.entry_count.to_be_bytes());
        }
        Moment::from(account.timestamp).encode(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_back_as_they_were() {
        let currency = Currency::new("BRL").unwrap();
        for limit in [Limit::Credit(70), Limit::Unlimited] {
            let mut account = Account::new(currency, limit, Timestamp::from_nanos(1_700_123_456));
            account.debits_posted = 1;
            account.credits_posted = u64::MAX - 1;
            account.debits_pending = 3;
            account.credits_pending = 4;
            let is_limited = limit != Limit::Unlimited;
            account.entry_count = if is_limited { 5 } else { 0 };
            account.closed = is_limited;
            let limit_opened = if is_limited { 60 } else { 0 };
            let kept = Kept {
                account,
                limit_opened,
            };
            assert_eq!(Kept::decode(&kept.encode()), Ok(kept));
            assert_eq!(Kept::decode(&kept.encode()[1..]), Err(Damaged));
        }
    }
}
