//! Commands that take no id because of their own form.

use ledger::reference::Books;
use ledger::{AMOUNT_MAX, AccountId, Command, MoveMoney};
use rand::Rng;

use super::Generator;

impl Generator {
    pub(super) fn malformed(&mut self, books: &Books) -> Command {
        match self.rng.random_range(0..10) {
            0 => {
                let account_id = match self.one_in(2) {
                    true => self.a_system_account(),
                    false => self.an_account(books),
                };
                let credit_limit = AMOUNT_MAX + u64::from(self.one_in(2));
                Command::ChangeLimit {
                    account_id,
                    credit_limit,
                    expected_credit_limit: None,
                    by: None,
                }
            }
            1 => Command::CloseAccount {
                account_id: self.a_system_account(),
                expected_entry_count: None,
                by: None,
            },
            2 => self.malformed_open(books),
            3 => {
                let mut post = self.post(books);
                match &mut post {
                    Command::Post { amount, .. } => *amount = Some(self.bad_amount()),
                    Command::PostPart { amount, .. } => *amount = self.bad_amount(),
                    _ => {}
                }
                post
            }
            4 if self.options.payments => self.malformed_accept(books),
            6 if self.options.reversals => self.malformed_reversal(books),
            5 => Command::Pend {
                transfer: self.malformed_transfer(books),
                timeout_s: 1,
            },
            _ => Command::Transfer(self.malformed_transfer(books)),
        }
    }

    fn malformed_open(&mut self, books: &Books) -> Command {
        let reserved = self.a_system_account();
        let mut command = self.open_account(books);
        if let Command::OpenAccount(open) = &mut command {
            match self.one_in(2) {
                true => open.id = reserved,
                false => open.credit_limit = AMOUNT_MAX + 1,
            }
        }
        command
    }

    fn malformed_accept(&mut self, books: &Books) -> Command {
        let mut accept = self.accept_payment(books);
        match self.rng.random_range(0..3) {
            0 => accept.amount = self.bad_amount(),
            1 => accept.description = self.bad_description().into(),
            _ => accept.account_id = Some(self.a_system_account()),
        }
        Command::AcceptPayment(accept)
    }

    fn malformed_reversal(&mut self, books: &Books) -> Command {
        let mut reverse = self.reversal(books);
        match self.one_in(2) {
            true => reverse.amount = Some(self.bad_amount()),
            false => reverse.description = self.bad_description().into(),
        }
        Command::Reverse(reverse)
    }

    fn malformed_transfer(&mut self, books: &Books) -> MoveMoney {
        let mut transfer = self.likely_transfer(books);
        match self.rng.random_range(0..9) {
            0 => transfer.amount = self.bad_amount(),
            1..4 => transfer.description = self.bad_description().into(),
            4 => transfer.debit_account_id = self.a_processor_account(),
            5 => transfer.credit_account_id = self.a_processor_account(),
            _ => transfer.debit_account_id = transfer.credit_account_id.clone(),
        }
        transfer
    }

    fn bad_amount(&mut self) -> u64 {
        [0, AMOUNT_MAX + 1, u64::MAX][self.rng.random_range(0..3)]
    }

    fn bad_description(&mut self) -> String {
        let long = "é".repeat(141);
        ["", "a\nb", "\u{0}", "\u{85}", &long][self.rng.random_range(0..5)].to_owned()
    }

    fn a_system_account(&mut self) -> AccountId {
        match self.one_in(2) {
            true => AccountId::world(self.a_currency()),
            false => self.a_processor_account(),
        }
    }

    fn a_processor_account(&mut self) -> AccountId {
        let index = self.rng.random_range(0..self.processors.len());
        let currency = self.a_currency();
        AccountId::processor(&self.processors[index], currency)
    }
}
