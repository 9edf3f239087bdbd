//! Commands about accounts, and which accounts commands are about.

use ledger::reference::Books;
use ledger::{AMOUNT_MAX, Account, AccountId, By, Command, Frozen, Note, OpenAccount, State};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Generator, NAMES_RECENT, account_id, account_name};

impl Generator {
    pub(super) fn open_account(&mut self, books: &Books) -> Command {
        let is_unopened = |id: &&AccountId| books.state().account(id).is_none();
        let unopened = self.names.iter().find(is_unopened).cloned();
        let id = match unopened {
            Some(id) => id,
            None if self.rng.random_bool(0.65) => self.a_name(),
            None => {
                let id = account_name(self.names.len() + 1);
                self.names.push(id.clone());
                id
            }
        };
        Command::OpenAccount(OpenAccount {
            id,
            currency: self.a_currency_to_open(),
            credit_limit: self.credit_limit(),
        })
    }

    pub(super) fn change_limit(&mut self, books: &Books) -> Command {
        let account_id = self.an_account(books);
        let account = books.state().account(&account_id);
        let credit_limit = match (self.rng.random_range(0..4), account) {
            (0, Some(account)) => lowest_limit(&account),
            (1, Some(account)) => lowest_limit(&account).saturating_sub(1),
            (2, Some(account)) => highest_limit(&account) + self.rng.random_range(0..2),
            _ => self.credit_limit(),
        };
        // Every second one names a limit: mostly the right one.
        let expected_credit_limit = match (self.rng.random_range(0..8), account) {
            (0..3, Some(account)) => account.credit_limit(),
            (3, _) => Some(self.credit_limit()),
            _ => None,
        };
        Command::ChangeLimit {
            account_id,
            credit_limit: credit_limit.min(AMOUNT_MAX),
            expected_credit_limit,
            by: self.by(),
        }
    }

    /// Mostly thaws what is frozen, so that most accounts move money.
    pub(super) fn change_freeze(&mut self, books: &Books) -> Command {
        let is_frozen = |account: Account| account.frozen != Frozen::None && !account.closed;
        let thaws = self.rng.random_bool(0.55);
        let account_id = match thaws {
            true => self.a_recent_account(books, is_frozen),
            false => self.an_account(books),
        };
        let account = books.state().account(&account_id);
        let frozen = match thaws {
            true => Frozen::None,
            false => self.a_freeze(),
        };
        let expected_frozen = match (self.rng.random_range(0..8), account) {
            (0..3, Some(account)) => Some(account.frozen),
            (3..6, _) => Some(self.a_freeze()),
            _ => None,
        };
        Command::ChangeFreeze {
            account_id,
            frozen,
            expected_frozen,
            by: self.by(),
        }
    }

    /// Who decides and why, or one of them, or neither.
    fn by(&mut self) -> Option<Box<By>> {
        if !self.options.reasons {
            return None;
        }
        let mut note = || match self.one_in(2) {
            true => Note::new(&self.description()).ok(),
            false => None,
        };
        By::new(note(), note())
    }

    fn a_freeze(&mut self) -> Frozen {
        Frozen::ALL[self.rng.random_range(0..Frozen::ALL.len())]
    }

    pub(super) fn close_account(&mut self, books: &Books) -> Command {
        let recent = self.recent_names();
        let idle: Vec<AccountId> = recent
            .iter()
            .filter(|id| {
                books
                    .state()
                    .account(id)
                    .is_some_and(|account| is_idle(&account))
            })
            .cloned()
            .collect();
        let account_id = match idle.choose(&mut self.rng) {
            Some(id) if self.rng.random_bool(0.6) => id.clone(),
            _ => self.an_account(books),
        };
        let account = books.state().account(&account_id);
        let expected_entry_count = match (self.rng.random_range(0..8), account) {
            (0..3, Some(account)) => Some(account.entry_count),
            (3, Some(account)) => Some(account.entry_count + 1),
            _ => None,
        };
        Command::CloseAccount {
            account_id,
            expected_entry_count,
            by: self.by(),
        }
    }

    pub(super) fn credit_limit(&mut self) -> u64 {
        match self.rng.random_range(0..12) {
            0..2 => 0,
            2..5 => self.rng.random_range(1..100),
            5..8 => self.rng.random_range(100..10_000),
            8..10 => 1_000_000,
            10 => AMOUNT_MAX - self.rng.random_range(0..1_000),
            _ => AMOUNT_MAX / 2,
        }
    }

    /// Any account id: mostly an open limited account, sometimes a closed, a system or no account.
    pub(super) fn an_account(&mut self, books: &Books) -> AccountId {
        match self.rng.random_range(0..20) {
            0..14 => self.an_open_account(books),
            14..16 => self.a_closed_account(books),
            16 => AccountId::world(self.a_currency()),
            17 => self.a_missing_account(),
            _ => self.a_name(),
        }
    }

    pub(super) fn an_open_account(&mut self, books: &Books) -> AccountId {
        let is_open = |account: Account| !account.closed;
        self.a_recent_account(books, is_open)
    }

    pub(super) fn a_closed_account(&mut self, books: &Books) -> AccountId {
        let closed: Vec<AccountId> = self
            .names
            .iter()
            .filter(|id| {
                books
                    .state()
                    .account(id)
                    .is_some_and(|account| account.closed)
            })
            .cloned()
            .collect();
        match closed.choose(&mut self.rng) {
            Some(id) => id.clone(),
            None => self.a_name(),
        }
    }

    /// One of the newest accounts that is so; any name where none is.
    pub(super) fn a_recent_account(
        &mut self,
        books: &Books,
        is_so: impl Fn(Account) -> bool,
    ) -> AccountId {
        let mut fitting = self.recent_names();
        fitting.retain(|id| books.state().account(id).is_some_and(&is_so));
        match fitting.choose(&mut self.rng) {
            Some(id) => id.clone(),
            None => self.a_name(),
        }
    }

    pub(super) fn a_missing_account(&mut self) -> AccountId {
        account_id(&format!("nobody:{}", self.rng.random_range(0..3)))
    }

    pub(super) fn a_name(&mut self) -> AccountId {
        self.names[self.rng.random_range(0..self.names.len())].clone()
    }

    fn recent_names(&self) -> Vec<AccountId> {
        self.names[self.names.len().saturating_sub(NAMES_RECENT)..].to_vec()
    }
}

/// The lowest limit that the account still stands under.
fn lowest_limit(account: &Account) -> u64 {
    (account.debits_posted + account.debits_pending).saturating_sub(account.credits_posted)
}

/// The highest limit that the account may have.
fn highest_limit(account: &Account) -> u64 {
    account.limit_max()
}

const fn is_idle(account: &Account) -> bool {
    account.balance() == 0
        && account.debits_pending == 0
        && account.credits_pending == 0
        && !account.closed
}
