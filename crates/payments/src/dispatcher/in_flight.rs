//! The commands that the ledger has not answered: at most one about each payment.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ledger::{Command, Outcome, PaymentId, Unavailable};

use super::doubled::doubled;
use super::io::Effect;

/// How long to wait before a command that was not answered is given again.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(20);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CommandsInFlight {
    by_payment: HashMap<PaymentId, InFlight>,
    /// Those that the ledger could not take, by when to try again.
    retries: BTreeSet<(Duration, PaymentId)>,
}

/// A command that the ledger has not answered.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) command: Command,
    /// How often it was given without an answer.
    tries: u32,
    /// Whether a try before may have been carried out.
    pub(super) may_be_done: bool,
    /// Whether the ledger refused it when it was last answered, since a record that it needs is damaged.
    is_damaged: bool,
}

impl CommandsInFlight {
    /// Gives the ledger a command.
    pub(super) fn give(&mut self, id: PaymentId, command: Command, effects: &mut Vec<Effect>) {
        let in_flight = InFlight {
            command: command.clone(),
            tries: 0,
            may_be_done: false,
            is_damaged: false,
        };
        let before = self.by_payment.insert(id, in_flight);
        stdx::invariant!(
            before.is_none(),
            "nothing else is done with a payment while a command about it is in flight"
        );
        effects.push(Effect::Submit { id, command });
    }

    /// What the ledger answered. Returns the command and its outcome; `None` where it is given again
    /// later, or nobody waits for it any more.
    pub(super) fn answered(
        &mut self,
        id: PaymentId,
        result: Result<Box<Outcome>, Unavailable>,
        now: Duration,
    ) -> Option<(InFlight, Box<Outcome>)> {
        match result {
            Ok(outcome) => Some((self.by_payment.remove(&id)?, outcome)),
            // Done or not: the same command again has the same outcome.
            Err(unavailable) => {
                let in_flight = self.by_payment.get_mut(&id)?;
                let wait = doubled(RETRY_WAIT_MIN, in_flight.tries).min(RETRY_WAIT_MAX);
                in_flight.tries += 1;
                in_flight.may_be_done |= !unavailable.nothing_done();
                in_flight.is_damaged = unavailable == Unavailable::StorageDamaged;
                self.retries.insert((now + wait, id));
                None
            }
        }
    }

    /// Gives again what is due.
    pub(super) fn retry(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.retries.first().copied() {
            if at > now {
                return;
            }
            self.retries.remove(&(at, id));
            if let Some(in_flight) = self.by_payment.get(&id) {
                let command = in_flight.command.clone();
                effects.push(Effect::Submit { id, command });
            }
        }
    }

    /// The command about a payment.
    pub(super) fn about(&self, id: PaymentId) -> Option<&Command> {
        self.by_payment.get(&id).map(|in_flight| &in_flight.command)
    }

    /// Nobody waits any more for the command about a payment. Returns it.
    pub(super) fn forget(&mut self, id: PaymentId) -> Option<Command> {
        let in_flight = self.by_payment.remove(&id)?;
        Some(in_flight.command)
    }

    /// Whether nothing is worth waiting for: the ledger refuses what is left, since a record that it needs
    /// is damaged.
    pub(super) fn is_quiet(&self) -> bool {
        self.by_payment.values().all(|it| it.is_damaged)
    }

    /// When a command is to be given again next.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.retries.first().map(|(at, _)| *at)
    }
}
