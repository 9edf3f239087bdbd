//! Reversals: of what moved money, in full, in part and too much, once and again.

use ledger::reference::Books;
use ledger::{
    Command, Event, ReverseTransfer, Standing, State, Transfer, TransferId, UsedTransfer,
};
use rand::Rng;

use super::{Generator, recent};

impl Generator {
    pub(super) fn reverse(&mut self, books: &Books) -> Command {
        Command::Reverse(self.reversal(books))
    }

    pub(super) fn reversal(&mut self, books: &Books) -> ReverseTransfer {
        let reverses = self.a_reversible(books);
        let left = match books.state().transfer(reverses) {
            Some(UsedTransfer::Created(transfer, Standing::Posted { reversed_amount })) => {
                transfer.amount - reversed_amount
            }
            _ => 10,
        };
        let amount = match self.rng.random_range(0..10) {
            0..2 => None,
            2..4 => Some(left),
            4..8 => Some(self.rng.random_range(0..=left / 2) + 1),
            8 => Some(left + 1),
            _ => Some(left.saturating_mul(2) + 1),
        };
        ReverseTransfer {
            id: self.a_new_transfer_id(),
            reverses,
            amount: amount.map(|amount| amount.clamp(1, ledger::AMOUNT_MAX)),
            description: self.description(),
            notes: self.notes(),
        }
    }

    /// The id of a transfer, mostly of one that moved money; sometimes of one of this very step, of any
    /// transfer, of what was refused, or of none.
    fn a_reversible(&mut self, books: &Books) -> TransferId {
        let ids: Vec<TransferId> = match self.rng.random_range(0..20) {
            0..8 => ids(books, |_, standing| standing.reversed_amount() == Some(0)),
            8..13 => ids(books, |_, standing| {
                standing.reversed_amount().is_some_and(|amount| amount > 0)
            }),
            13..15 => self.drawn.iter().filter_map(moved).collect(),
            15..17 => ids(books, |transfer, _| transfer.reversal().is_some()),
            17 => ids(books, |_, _| true),
            18 => recent(books).iter().filter_map(refused).collect(),
            _ => Vec::new(),
        };
        self.a_transfer_of(&ids)
    }
}

/// The transfers of late that are so.
fn ids(books: &Books, is_fit: impl Fn(&Transfer, Standing) -> bool) -> Vec<TransferId> {
    let transfers = recent(books).iter().filter_map(Event::transfer);
    let fit = transfers.filter(|transfer| match books.state().transfer(transfer.id) {
        Some(UsedTransfer::Created(transfer, standing)) => is_fit(&transfer, standing),
        _ => false,
    });
    fit.map(|transfer| transfer.id).collect()
}

fn moved(command: &Command) -> Option<TransferId> {
    match command {
        Command::Transfer(transfer) => Some(transfer.id),
        _ => None,
    }
}

fn refused(event: &Event) -> Option<TransferId> {
    match event {
        Event::Refused {
            command: Command::Transfer(transfer),
            ..
        } => Some(transfer.id),
        _ => None,
    }
}
