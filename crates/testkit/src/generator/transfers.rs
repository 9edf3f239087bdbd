//! Transfers at once and pending ones.

use compact_str::CompactString;
use ledger::reference::Books;
use ledger::{
    AMOUNT_MAX, Account, AccountId, Command, METADATA_BYTES_MAX, Metadata, MoveMoney, Notes,
    REFERENCE_LENGTH_MAX, Reference, State, TransferId,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Generator;

/// Descriptions at the edges of what is allowed, and some that a careless engine breaks.
const DESCRIPTIONS: [&str; 7] = [
    "a",
    "top-up",
    "descrição",
    "💸",
    "'; DROP TABLE accounts; --",
    "{\"a\": \\ 1} %s $1 :x ",
    " .",
];

impl Generator {
    pub(super) fn transfer(&mut self, books: &Books) -> Command {
        Command::Transfer(self.move_money(books))
    }

    pub(super) fn pend(&mut self, books: &Books) -> Command {
        Command::Pend {
            transfer: self.move_money(books),
            timeout_s: self.timeout_s(),
        }
    }

    pub(super) fn timeout_s(&mut self) -> u32 {
        if !self.options.manual_time && self.short_timeouts {
            *[0, 1, 1].choose(&mut self.rng).unwrap_or(&0)
        } else if self.short_timeouts {
            *[0, 1, 1, 2, 3].choose(&mut self.rng).unwrap_or(&0)
        } else {
            *[0, 3_600, u32::MAX].choose(&mut self.rng).unwrap_or(&0)
        }
    }

    fn move_money(&mut self, books: &Books) -> MoveMoney {
        let (debit_account_id, credit_account_id) = self.two_accounts(books);
        let amount = self.amount(books, &debit_account_id, &credit_account_id);
        self.content(debit_account_id, credit_account_id, amount)
    }

    /// A transfer that is likely to be created: out of the outside, or of a little.
    pub(super) fn likely_transfer(&mut self, books: &Books) -> MoveMoney {
        let credit = self.an_open_account(books);
        let currency = books
            .state()
            .account(&credit)
            .map(|account| account.currency);
        let currency = currency.unwrap_or_else(|| self.a_currency());
        let has_some = |account: Account| {
            account.currency == currency && !account.closed && account.available() > Some(50)
        };
        let mut debit = self.a_recent_account(books, has_some);
        if debit == credit || self.one_in(3) {
            debit = AccountId::world(currency);
        }
        let amount = self.rng.random_range(1..10);
        self.content(debit, credit, amount)
    }

    fn content(
        &mut self,
        debit_account_id: AccountId,
        credit_account_id: AccountId,
        amount: u64,
    ) -> MoveMoney {
        MoveMoney {
            id: self.a_new_transfer_id(),
            debit_account_id,
            credit_account_id,
            amount,
            description: self.description(),
            notes: self.notes(),
        }
    }

    /// References and metadata, half of them of neither.
    pub(super) fn notes(&mut self) -> Notes {
        if self.one_in(2) {
            return Notes::NONE;
        }
        let reference = match self.rng.random_range(0..4) {
            0 => None,
            1 => Some(Reference::from_u128(self.rng.random())),
            2 => Reference::new(&"💸".repeat(REFERENCE_LENGTH_MAX)).ok(),
            _ => Reference::new(&self.description()).ok(),
        };
        let metadata = match self.rng.random_range(0..4) {
            0 | 1 => Metadata::default(),
            2 => {
                let text = "\"".repeat((METADATA_BYTES_MAX - r#"{"é":""}"#.len()) / 2);
                Metadata::new([("é", &*text)]).unwrap_or_default()
            }
            _ => {
                let text = self.description();
                Metadata::new([("order", &*text), (&*text, "")]).unwrap_or_default()
            }
        };
        Notes::new(reference, metadata)
    }

    pub(super) fn a_new_transfer_id(&mut self) -> TransferId {
        TransferId::from_u128(self.rng.random())
    }

    pub(super) fn description(&mut self) -> CompactString {
        if self.one_in(20) {
            return "é".repeat(140).into();
        }
        DESCRIPTIONS[self.rng.random_range(0..DESCRIPTIONS.len())].into()
    }

    fn two_accounts(&mut self, books: &Books) -> (AccountId, AccountId) {
        let account_id = self.an_open_account(books);
        let currency = books
            .state()
            .account(&account_id)
            .map(|account| account.currency);
        let currency = currency.unwrap_or_else(|| self.a_currency());
        let (debit, credit) = match self.rng.random_range(0..20) {
            0..6 => (AccountId::world(currency), account_id),
            6..8 => (account_id, AccountId::world(currency)),
            8..16 => {
                let is_fit = |other: Account| other.currency == currency && !other.closed;
                (account_id, self.a_recent_account(books, is_fit))
            }
            16 => {
                let is_foreign = |other: Account| other.currency != currency && !other.closed;
                (account_id, self.a_recent_account(books, is_foreign))
            }
            17 => (self.a_closed_account(books), account_id),
            18 if self.one_in(2) => (account_id, self.a_missing_account()),
            18 if self.one_in(2) => (account_id, self.an_account(books)),
            // Which of them is told of is a matter of the order of the checks.
            18 => (self.a_missing_account(), self.a_missing_account()),
            _ => (self.an_account(books), self.an_account(books)),
        };
        if debit == credit {
            (AccountId::world(currency), credit)
        } else {
            (debit, credit)
        }
    }

    /// An amount, often at the very edge of what the accounts allow.
    pub(super) fn amount(&mut self, books: &Books, debit: &AccountId, credit: &AccountId) -> u64 {
        let available = books
            .state()
            .account(debit)
            .and_then(|debit| debit.available());
        let available = available.unwrap_or(1_000);
        let room = books
            .state()
            .account(credit)
            .map_or(1_000, |credit| room(&credit));
        let amount = match self.rng.random_range(0..40) {
            0..22 => self.rng.random_range(1..100),
            22..26 => available,
            26..30 => available.saturating_add(1),
            30..32 => available / 2,
            32..35 => self.owed(books, debit),
            35 => room,
            36 => room.saturating_add(1),
            37 => AMOUNT_MAX,
            38 => self.rng.random_range(1..=AMOUNT_MAX),
            _ => 1,
        };
        amount.clamp(1, AMOUNT_MAX)
    }

    /// What brings the account's balance to 0.
    fn owed(&self, books: &Books, debit: &AccountId) -> u64 {
        let account = books.state().account(debit);
        account.map_or(1, |account| u64::try_from(account.balance()).unwrap_or(1))
    }
}

/// How much may be credited to the account.
fn room(account: &Account) -> u64 {
    account.creditable().unwrap_or(1_000_000)
}
