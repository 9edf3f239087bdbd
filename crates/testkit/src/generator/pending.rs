//! Ends of pending transfers, in time and too late, once and twice.

use ledger::reference::Books;
use ledger::{
    Command, Event, PendingState, Standing, State, Timestamp, Transfer, TransferId, TransferKind,
    UsedTransfer,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Generator, recent};

impl Generator {
    pub(super) fn post(&mut self, books: &Books) -> Command {
        let pending_id = self.a_pending(books);
        let pending_amount = match books.state().transfer(pending_id) {
            Some(UsedTransfer::Created(
                _,
                Standing::Pending {
                    state: PendingState::Pending,
                    left_amount,
                },
            )) => left_amount,
            Some(UsedTransfer::Created(transfer, _)) => transfer.amount,
            _ => 10,
        };
        if self.options.parts && self.one_in(2) {
            return self.part(pending_id, pending_amount);
        }
        let amount = match self.rng.random_range(0..10) {
            0..3 => None,
            3..5 => Some(pending_amount),
            5..7 => Some(self.rng.random_range(1..=pending_amount)),
            7..9 => Some(pending_amount + 1),
            _ => Some(pending_amount.saturating_mul(2)),
        };
        Command::Post {
            id: self.a_new_transfer_id(),
            pending_id,
            amount: amount.map(|amount| amount.min(ledger::AMOUNT_MAX)),
        }
    }

    /// A part of what is left, mostly a small one, so that others may follow.
    fn part(&mut self, pending_id: TransferId, left_amount: u64) -> Command {
        let amount = match self.rng.random_range(0..10) {
            0..6 => self.rng.random_range(0..=left_amount / 3) + 1,
            6..8 => left_amount,
            _ => left_amount + 1,
        };
        Command::PostPart {
            id: self.a_new_transfer_id(),
            pending_id,
            amount: amount.clamp(1, ledger::AMOUNT_MAX),
        }
    }

    pub(super) fn void(&mut self, books: &Books) -> Command {
        Command::Void {
            id: self.a_new_transfer_id(),
            pending_id: self.a_pending(books),
        }
    }

    pub(super) fn expire(&mut self, books: &Books) -> Command {
        Command::Expire {
            pending_id: self.a_pending(books),
        }
    }

    /// When the pending transfers that have a time expire.
    pub(super) fn expiries(&self, books: &Books) -> Vec<Timestamp> {
        live(books).filter_map(Transfer::expires_at).collect()
    }

    /// The id of a pending transfer, mostly a live one; sometimes of one that was ended, of
    /// another transfer, or of none.
    fn a_pending(&mut self, books: &Books) -> TransferId {
        match self.rng.random_range(0..20) {
            0..9 => {
                let live: Vec<_> = live(books).map(|transfer| transfer.id).collect();
                self.a_transfer_of(&live)
            }
            9..12 => {
                let drawn: Vec<_> = self.drawn.iter().filter_map(pended).collect();
                self.a_transfer_of(&drawn)
            }
            12..15 => {
                let pendings: Vec<_> = pendings(books).map(|transfer| transfer.id).collect();
                self.a_transfer_of(&pendings)
            }
            15..18 => {
                let expired = pendings_that_are(books, PendingState::Expired);
                let expired: Vec<_> = expired.map(|transfer| transfer.id).collect();
                self.a_transfer_of(&expired)
            }
            18 => {
                let transfers = recent(books).iter().filter_map(Event::transfer);
                let transfers: Vec<_> = transfers.map(|transfer| transfer.id).collect();
                self.a_transfer_of(&transfers)
            }
            _ => self.a_new_transfer_id(),
        }
    }

    pub(super) fn a_transfer_of(&mut self, ids: &[TransferId]) -> TransferId {
        match ids.choose(&mut self.rng) {
            Some(id) => *id,
            None => self.a_new_transfer_id(),
        }
    }
}

/// The pending transfers of late that were not ended yet.
fn live(books: &Books) -> impl Iterator<Item = &Transfer> {
    pendings_that_are(books, PendingState::Pending)
}

fn pendings_that_are(books: &Books, state: PendingState) -> impl Iterator<Item = &Transfer> {
    pendings(books).filter(move |transfer| match books.state().transfer(transfer.id) {
        Some(UsedTransfer::Created(_, standing)) => standing.pending_state() == Some(state),
        _ => false,
    })
}

/// The pending transfers of late, however they stand.
fn pendings(books: &Books) -> impl Iterator<Item = &Transfer> {
    recent(books)
        .iter()
        .filter_map(Event::transfer)
        .filter(|transfer| matches!(transfer.kind, TransferKind::Pend { .. }))
}

fn pended(command: &Command) -> Option<TransferId> {
    match command {
        Command::Pend { transfer, .. } => Some(transfer.id),
        _ => None,
    }
}
