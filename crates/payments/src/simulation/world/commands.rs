//! The ledger: commands reach it, and what it answers may be lost.

use ledger::{
    AcceptPayment, Batch, Command, Currency, Outcome, PaymentId, Record, Timestamp, Unavailable,
};
use rand::Rng;

use super::super::node::Life;
use super::{Happening, World};
use crate::dispatcher::Input;

impl World {
    pub(in crate::simulation) fn apply(&mut self, command: Command) -> Outcome {
        let now = Timestamp::from_nanos(self.time() * 1_000_000);
        let (books, ticker) = &mut self.ledger;
        books.apply(Batch::one(command), ticker, now).remove(0)
    }

    /// Accepted on some node: the others are told by nobody.
    pub(super) fn accept(&mut self, id: PaymentId) {
        let amount = self.rng.random_range(1..100_000);
        self.amounts.insert(id, amount);
        let command = Command::AcceptPayment(AcceptPayment {
            id,
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        });
        assert!(self.apply(command).result.is_ok());
        let node = self.rng.random_range(0..self.nodes.len());
        let life = self.nodes[node].life;
        self.at(self.now, Happening::Input(life, Input::Accepted));
    }

    /// A command arrives even from a dispatcher that is gone; its answer may be lost.
    pub(super) fn command(&mut self, life: Life, id: PaymentId, command: Command) {
        if self.chance(self.faults.ledger_silent / 2) {
            let unavailable = Err(Unavailable::Overloaded);
            return self.at(
                self.now,
                Happening::Input(
                    life,
                    Input::Outcome {
                        id,
                        result: unavailable,
                    },
                ),
            );
        }
        let is_release = matches!(command, Command::ReleasePayment { .. });
        let is_send = matches!(command, Command::SendPayment { .. });
        let outcome = self.apply(command);
        if let (true, false, Ok(Record::Payment(payment))) =
            (is_send, outcome.replayed, &outcome.result)
        {
            self.sent_by.insert((id, payment.attempt), life);
        }
        self.tally.releases += u64::from(is_release && outcome.result.is_ok());
        let result = if self.chance(self.faults.ledger_silent / 2) {
            Err(Unavailable::Timeout)
        } else {
            Ok(Box::new(outcome))
        };
        let soon = self.now + self.network();
        self.at(soon, Happening::Input(life, Input::Outcome { id, result }));
    }
}
