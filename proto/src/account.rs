//! Accounts.

use ledger::{Account, AccountId, Limit};

use crate::fields::{self, Invalid};
use crate::v1;

pub(crate) fn to_message(id: &AccountId, account: &Account) -> v1::Account {
    v1::Account {
        id: id.as_str().to_owned(),
        currency: account.currency.as_str().to_owned(),
        credit_limit: account.credit_limit(),
        debits_posted: account.debits_posted,
        credits_posted: account.credits_posted,
        debits_pending: account.debits_pending,
        credits_pending: account.credits_pending,
        entry_count: account.entry_count,
        closed: account.closed,
        timestamp: account.timestamp.as_nanos(),
    }
}

pub(crate) fn from_message(account: &v1::Account) -> Result<(AccountId, Account), Invalid> {
    let id = fields::account_id(&account.id, "id")?;
    let limit = match account.credit_limit {
        Some(credit_limit) => Limit::Credit(credit_limit),
        None => Limit::Unlimited,
    };
    let state = Account {
        currency: fields::currency(&account.currency)?,
        limit,
        debits_posted: account.debits_posted,
        credits_posted: account.credits_posted,
        debits_pending: account.debits_pending,
        credits_pending: account.credits_pending,
        entry_count: account.entry_count,
        closed: account.closed,
        timestamp: fields::timestamp(account.timestamp),
    };
    Ok((id, state))
}
