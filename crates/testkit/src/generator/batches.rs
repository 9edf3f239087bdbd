//! Batches: independent ones, atomic ones, and atomic ones given again.

use ledger::reference::Books;
use ledger::{Batch, BatchId, Command};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::Generator;

impl Generator {
    pub(super) fn batch(&mut self, books: &Books) -> Batch {
        match self.rng.random_range(0..20) {
            0..3 => Batch::one(self.command(books)),
            3..14 => {
                let most = if self.one_in(20) { 40 } else { 6 };
                let count = self.rng.random_range(1..=most);
                let commands = (0..count).map(|_| self.command(books)).collect();
                made(Batch::independent(commands))
            }
            14..17 => self.new_atomic(books),
            _ => self.atomic_again(books),
        }
    }

    /// Pending transfers that expire soon.
    pub(super) fn short_pendings(&mut self, books: &Books) -> Batch {
        let pend = |generator: &mut Self| Command::Pend {
            transfer: generator.likely_transfer(books),
            timeout_s: 1,
        };
        let commands: Vec<_> = (0..4).map(|_| pend(self)).collect();
        made(Batch::independent(commands))
    }

    fn new_atomic(&mut self, books: &Books) -> Batch {
        let count = self.rng.random_range(1..6);
        let mut commands: Vec<_> = (0..count).map(|_| self.likely(books)).collect();
        match self.rng.random_range(0..12) {
            // A member that is refused or malformed, or whose id was used before.
            0..2 => commands.push(self.command(books)),
            2..4 => {
                let used = self.repeat(books);
                commands.insert(self.rng.random_range(0..=commands.len()), used);
            }
            // The same member twice.
            4 => commands.push(commands[0].clone()),
            _ => {}
        }
        let batch = made(Batch::atomic(
            BatchId::from_u128(self.rng.random()),
            commands,
        ));
        self.keep_batch(&batch);
        batch
    }

    /// An atomic batch of before: as it was, or with other members.
    fn atomic_again(&mut self, books: &Books) -> Batch {
        let Some(batch) = self.atomic_batches.choose(&mut self.rng).cloned() else {
            return self.new_atomic(books);
        };
        let mut commands = batch.commands().to_vec();
        match self.rng.random_range(0..8) {
            0 => commands.push(self.likely(books)),
            1 => commands[0] = self.likely(books),
            2 if commands.len() > 1 => commands.truncate(1),
            3 => commands.shuffle(&mut self.rng),
            _ => {}
        }
        match batch.atomic_id() {
            Some(id) => made(Batch::atomic(id, commands)),
            None => batch,
        }
    }

    fn keep_batch(&mut self, batch: &Batch) {
        const KEPT: usize = 30;
        if self.atomic_batches.len() == KEPT {
            let index = self.rng.random_range(0..KEPT);
            self.atomic_batches.swap_remove(index);
        }
        self.atomic_batches.push(batch.clone());
    }

    /// A command that is likely to be created.
    fn likely(&mut self, books: &Books) -> Command {
        let command = match self.rng.random_range(0..20) {
            0 => self.open_account(books),
            1 if self.options.payments => self.payment_command(books),
            2..6 if self.options.payments => {
                let mut accept = self.accept_payment(books);
                if self.one_in(2) {
                    accept.account_id = None;
                }
                accept.amount = self.rng.random_range(1..5);
                Command::AcceptPayment(accept)
            }
            6..10 => Command::Pend {
                transfer: self.likely_transfer(books),
                timeout_s: self.timeout_s(),
            },
            10..12 => self.post(books),
            _ => Command::Transfer(self.likely_transfer(books)),
        };
        self.keep(&command);
        command
    }
}

fn made(batch: Result<Batch, ledger::BatchInvalid>) -> Batch {
    match batch {
        Ok(batch) => batch,
        Err(error) => panic!("the generator made no batch: {error}"),
    }
}
