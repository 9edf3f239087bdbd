//! Ids that come again: with the same content, and with each field changed.

use ledger::reference::Books;
use ledger::{
    AcceptPayment, Command, Field, Metadata, MoveMoney, Notes, Reference, ReverseTransfer,
    TransferId,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Generator, command_of, recent};

impl Generator {
    /// A command of before, once more.
    pub(super) fn repeat(&mut self, books: &Books) -> Command {
        match self.a_command_before(books, |_| true) {
            Some(command) => command,
            None => self.transfer(books),
        }
    }

    /// A command of before with one field changed.
    pub(super) fn conflict(&mut self, books: &Books) -> Command {
        let field = Field::ALL[self.rng.random_range(0..Field::ALL.len())];
        if field == Field::Final && !self.options.parts {
            return self.repeat(books);
        }
        match self.a_command_before(books, |command| has_field(command, field)) {
            Some(mut command) => {
                self.change(books, &mut command, field);
                command
            }
            None => self.repeat(books),
        }
    }

    fn a_command_before(
        &mut self,
        books: &Books,
        is_fit: impl Fn(&Command) -> bool,
    ) -> Option<Command> {
        if self.one_in(4) {
            let drawn: Vec<_> = self
                .drawn
                .iter()
                .filter(|command| is_fit(command))
                .collect();
            if let Some(command) = drawn.choose(&mut self.rng) {
                return Some((*command).clone());
            }
        }
        let events = match self.one_in(3) {
            true => books.events(),
            false => recent(books),
        };
        let start = self.rng.random_range(0..=events.len());
        let (before, after) = events.split_at(start);
        let mut commands = after.iter().chain(before).filter_map(command_of);
        commands.find(is_fit)
    }

    fn change(&mut self, books: &Books, command: &mut Command, field: Field) {
        if field == Field::Kind {
            *command = self.of_other_kind(books, command);
            return;
        }
        match command {
            Command::OpenAccount(open) => match field {
                Field::Currency => open.currency = self.other_currency(open.currency),
                _ => open.credit_limit ^= 1,
            },
            Command::Transfer(transfer) => self.change_move(books, transfer, field),
            Command::Pend {
                transfer,
                timeout_s,
            } => match field {
                Field::TimeoutS => *timeout_s ^= 1,
                _ => self.change_move(books, transfer, field),
            },
            Command::Post {
                id,
                pending_id,
                amount,
            } => match (field, *amount) {
                (Field::Final, Some(amount)) => {
                    *command = Command::PostPart {
                        id: *id,
                        pending_id: *pending_id,
                        amount,
                    };
                }
                (Field::PendingId, _) => *pending_id = self.a_new_transfer_id(),
                (_, Some(_)) => *amount = None,
                (_, None) => *amount = Some(self.rng.random_range(1..100)),
            },
            Command::PostPart {
                id,
                pending_id,
                amount,
            } => match field {
                Field::PendingId => *pending_id = self.a_new_transfer_id(),
                Field::Amount => *amount = other_amount(*amount),
                _ => {
                    *command = Command::Post {
                        id: *id,
                        pending_id: *pending_id,
                        amount: Some(*amount),
                    };
                }
            },
            Command::Void { pending_id, .. } => *pending_id = self.a_new_transfer_id(),
            Command::AcceptPayment(accept) => self.change_accept(accept, field),
            Command::Reverse(reverse) => self.change_reverse(reverse, field),
            _ => {}
        }
    }

    fn change_move(&mut self, books: &Books, transfer: &mut MoveMoney, field: Field) {
        match field {
            Field::DebitAccountId => {
                transfer.debit_account_id = self.an_account(books);
            }
            Field::CreditAccountId => transfer.credit_account_id = self.an_account(books),
            Field::Amount => transfer.amount = other_amount(transfer.amount),
            Field::Description => transfer.description.insert_str(0, "x"),
            _ => change_notes(&mut transfer.notes, field),
        }
    }

    fn change_reverse(&mut self, reverse: &mut ReverseTransfer, field: Field) {
        match field {
            Field::Reverses => reverse.reverses = self.a_new_transfer_id(),
            Field::Amount => {
                reverse.amount = match reverse.amount {
                    Some(_) => None,
                    None => Some(self.rng.random_range(1..100)),
                }
            }
            Field::Reference | Field::Metadata => change_notes(&mut reverse.notes, field),
            _ => reverse.description.insert_str(0, "x"),
        }
    }

    fn change_accept(&mut self, accept: &mut AcceptPayment, field: Field) {
        match field {
            Field::AccountId => {
                accept.account_id = match accept.account_id {
                    Some(_) if self.one_in(2) => None,
                    _ => Some(self.a_missing_account()),
                }
            }
            Field::Currency => accept.currency = self.other_currency(accept.currency),
            Field::Amount => accept.amount = other_amount(accept.amount),
            Field::Reference | Field::Metadata => change_notes(&mut accept.notes, field),
            _ => accept.description.insert_str(0, "x"),
        }
    }

    /// A command of another kind with the same id.
    fn of_other_kind(&mut self, books: &Books, command: &Command) -> Command {
        let mut likely = self.likely_transfer(books);
        match command.clone() {
            Command::Transfer(transfer) => Command::Pend {
                transfer,
                timeout_s: 1,
            },
            Command::Pend { transfer, .. } => Command::Transfer(transfer),
            Command::Post { id, pending_id, .. } | Command::PostPart { id, pending_id, .. } => {
                Command::Void { id, pending_id }
            }
            Command::Void { id, pending_id } => Command::Post {
                id,
                pending_id,
                amount: None,
            },
            Command::Reverse(reverse) => Command::Void {
                id: reverse.id,
                pending_id: reverse.reverses,
            },
            Command::AcceptPayment(accept) => {
                likely.id = TransferId::of_payment(accept.id);
                Command::Transfer(likely)
            }
            other => other,
        }
    }

    fn other_currency(&mut self, currency: ledger::Currency) -> ledger::Currency {
        let others: Vec<_> = self
            .currencies
            .iter()
            .filter(|other| **other != currency)
            .collect();
        others
            .choose(&mut self.rng)
            .map_or(currency, |other| **other)
    }
}

fn change_notes(notes: &mut Notes, field: Field) {
    let (mut reference, mut metadata) = (notes.reference().cloned(), notes.metadata().clone());
    if field == Field::Metadata {
        metadata = match metadata.is_empty() {
            true => Metadata::new([("other", "")]).unwrap_or_default(),
            false => Metadata::default(),
        };
    } else {
        reference = match reference {
            Some(_) => None,
            None => Some(Reference::from_u128(1)),
        };
    }
    *notes = Notes::new(reference, metadata);
}

const fn other_amount(amount: u64) -> u64 {
    if amount <= 1 { 2 } else { amount - 1 }
}

const fn has_field(command: &Command, field: Field) -> bool {
    match command {
        Command::OpenAccount(_) => matches!(field, Field::Currency | Field::CreditLimit),
        Command::Transfer(_) => is_of_move(field),
        Command::Pend { .. } => is_of_move(field) || matches!(field, Field::TimeoutS),
        Command::Post { amount, .. } => match field {
            Field::Kind | Field::PendingId | Field::Amount => true,
            Field::Final => amount.is_some(),
            _ => false,
        },
        Command::PostPart { .. } => matches!(
            field,
            Field::Kind | Field::PendingId | Field::Amount | Field::Final
        ),
        Command::Void { .. } => matches!(field, Field::Kind | Field::PendingId),
        Command::Reverse(_) => matches!(
            field,
            Field::Kind
                | Field::Reverses
                | Field::Amount
                | Field::Description
                | Field::Reference
                | Field::Metadata
        ),
        Command::AcceptPayment(_) => matches!(
            field,
            Field::Kind
                | Field::AccountId
                | Field::Currency
                | Field::Amount
                | Field::Description
                | Field::Reference
                | Field::Metadata
        ),
        _ => false,
    }
}

const fn is_of_move(field: Field) -> bool {
    matches!(
        field,
        Field::Kind
            | Field::DebitAccountId
            | Field::CreditAccountId
            | Field::Amount
            | Field::Description
            | Field::Reference
            | Field::Metadata
    )
}
