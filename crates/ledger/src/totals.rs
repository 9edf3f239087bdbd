//! What events lead to, without the ids they used: the accounts and the payments that are under way.
//! Memory grows with these, not with history.

use std::collections::{BTreeMap, HashMap};

use crate::account::Account;
use crate::event::Event;
use crate::id::{AccountId, PaymentId};
use crate::payment::{Payment, PaymentState};
use crate::state::StateMut;

/// Accounts and open payments in maps, brought to what events say by [`evolve`](crate::evolve).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    accounts: HashMap<AccountId, Account>,
    open: BTreeMap<PaymentId, Payment>,
}

impl Totals {
    /// The account as it is.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// Every account, the system's included, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    /// The payment as it is; `None` unless it is accepted or sent.
    #[must_use]
    pub fn open_payment(&self, id: PaymentId) -> Option<&Payment> {
        self.open.get(&id)
    }
}

impl StateMut for Totals {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(id)
    }

    fn accepted(&self) -> Vec<Payment> {
        let is_accepted = |payment: &&Payment| payment.state == PaymentState::Accepted;
        self.open.values().filter(is_accepted).cloned().collect()
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.accounts.insert(id.clone(), account);
    }

    fn remember(&mut self, event: &Event) {
        if let Some(payment) = event.payment() {
            match payment.state.is_due() {
                true => self.open.insert(payment.id, payment.clone()),
                false => self.open.remove(&payment.id),
            };
        }
        if matches!(event, Event::PaymentsPurged { .. }) {
            self.open
                .retain(|_, payment| payment.state != PaymentState::Accepted);
        }
    }
}
