//! Accounts.

use ledger::{Account, AccountId, AccountsPage, AccountsQuery, Frozen, Limit};

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
        // As of any field that is left out: most accounts are not frozen.
        frozen: match account.frozen {
            Frozen::None => v1::Frozen::Unspecified.into(),
            frozen @ (Frozen::Debits | Frozen::Credits | Frozen::Both) => {
                frozen_to_message(frozen).into()
            }
        },
    }
}

pub(crate) const fn frozen_to_message(frozen: Frozen) -> v1::Frozen {
    match frozen {
        Frozen::None => v1::Frozen::None,
        Frozen::Debits => v1::Frozen::Debits,
        Frozen::Credits => v1::Frozen::Credits,
        Frozen::Both => v1::Frozen::Both,
    }
}

/// What is frozen, if it is given.
pub(crate) fn frozen(value: i32) -> Result<Option<Frozen>, Invalid> {
    Ok(match v1::Frozen::try_from(value) {
        Ok(v1::Frozen::Unspecified) => None,
        Ok(v1::Frozen::None) => Some(Frozen::None),
        Ok(v1::Frozen::Debits) => Some(Frozen::Debits),
        Ok(v1::Frozen::Credits) => Some(Frozen::Credits),
        Ok(v1::Frozen::Both) => Some(Frozen::Both),
        Err(_) => return Err(Invalid::Unknown("frozen")),
    })
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
        frozen: frozen(account.frozen)?.unwrap_or(Frozen::None),
        timestamp: fields::timestamp(account.timestamp),
    };
    Ok((id, state))
}

/// A text that may be left out.
fn if_given<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Invalid> {
    (!text.is_empty()).then(|| read(text)).transpose()
}

fn id_or_empty(id: Option<&AccountId>) -> String {
    id.map_or_else(String::new, AccountId::to_string)
}

impl From<&AccountsQuery> for v1::ListAccountsRequest {
    fn from(query: &AccountsQuery) -> Self {
        let currency = query.currency.as_ref();
        Self {
            after: id_or_empty(query.after.as_ref()),
            prefix: id_or_empty(query.prefix.as_ref()),
            currency: currency.map_or("", ledger::Currency::as_str).to_owned(),
            closed: query.closed,
            limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
        }
    }
}

impl v1::ListAccountsRequest {
    /// Which page.
    pub fn read(&self) -> Result<AccountsQuery, Invalid> {
        Ok(AccountsQuery {
            after: if_given(&self.after, |id| fields::account_id(id, "after"))?,
            prefix: if_given(&self.prefix, |id| fields::account_id(id, "prefix"))?,
            currency: if_given(&self.currency, fields::currency)?,
            closed: self.closed,
            limit: self.limit as usize,
        })
    }
}

impl From<&AccountsPage> for v1::ListAccountsResponse {
    fn from(page: &AccountsPage) -> Self {
        let accounts = page.accounts.iter();
        Self {
            accounts: accounts
                .map(|(id, account)| to_message(id, account))
                .collect(),
            next_after: id_or_empty(page.next_after.as_ref()),
        }
    }
}

impl v1::ListAccountsResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<AccountsPage, Invalid> {
        Ok(AccountsPage {
            accounts: self
                .accounts
                .iter()
                .map(from_message)
                .collect::<Result<_, _>>()?,
            next_after: if_given(&self.next_after, |id| fields::account_id(id, "next_after"))?,
        })
    }
}
