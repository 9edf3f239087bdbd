//! Payments through all their states, and commands that expect the wrong one.

use std::time::Duration;

use ledger::reference::Books;
use ledger::{
    AcceptPayment, AccountId, Command, Event, Millis, Note, Payment, PaymentExpected, PaymentId,
    PaymentState, PaymentStateName, RefusedCode, ResolutionKind, ResolvePayment, State, Timestamp,
    UsedPayment,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Generator, recent};

/// Few times, so that bounds of summaries fall on them.
const REQUESTED_AT: u64 = 1_767_225_600_000;

impl Generator {
    pub(super) fn payment_command(&mut self, books: &Books) -> Command {
        match self.rng.random_range(0..180) {
            0..45 => Command::AcceptPayment(self.accept_payment(books)),
            45..55 => match self.payment_commands.choose(&mut self.rng) {
                Some(command) => command.clone(),
                None => self.purge(),
            },
            55..66 => self.purge(),
            _ => self.next_of_payment(books),
        }
    }

    /// A purge that expects anything, everything there may be, or no payment at all: the clocks of
    /// two engines have no other moments in common.
    fn purge(&mut self) -> Command {
        let none = Some(Timestamp::default());
        let expected = [None, Some(Timestamp::from_nanos(u64::MAX)), none, none];
        Command::PurgePayments {
            expected_accepted_at: expected[self.rng.random_range(0..expected.len())],
        }
    }

    pub(super) fn accept_payment(&mut self, books: &Books) -> AcceptPayment {
        let account_id = (!self.one_in(3)).then(|| match self.one_in(4) {
            true => self.a_name(),
            false => self.an_open_account(books),
        });
        let account = account_id.as_ref().and_then(|id| books.state().account(id));
        let currency = match account {
            Some(account) if !self.one_in(8) => account.currency,
            _ => self.a_currency_to_open(),
        };
        let world = AccountId::world(currency);
        let debit = account_id.as_ref().unwrap_or(&world);
        AcceptPayment {
            id: PaymentId::from_u128(self.rng.random()),
            amount: self.amount(books, debit, &world),
            account_id,
            currency,
            description: self.description(),
            notes: self.notes(),
        }
    }

    /// A command that takes a payment further, or expects another state of it.
    fn next_of_payment(&mut self, books: &Books) -> Command {
        let payment = self.a_payment(books);
        let id = payment.as_ref().map(|payment| payment.id);
        let id = id.unwrap_or_else(|| PaymentId::from_u128(self.rng.random()));
        let state = payment
            .as_ref()
            .map_or(PaymentState::Accepted, |payment| payment.state.clone());
        let expected = self.expected(payment.as_ref());
        if self.one_in(4) {
            return self.resolve(id, expected, &state);
        }
        let chance = self.rng.random_range(0..10);
        match &state {
            PaymentState::Accepted if chance < 6 => self.send(id, expected, &state),
            PaymentState::Sent { .. } if chance == 0 => self.send(id, expected, &state),
            PaymentState::Sent { requested_at, .. } if chance < 4 => Command::SettlePayment {
                id,
                expected,
                requested_at: *requested_at,
            },
            PaymentState::Sent { .. } if chance < 7 => Command::ReleasePayment { id, expected },
            PaymentState::Settled { .. } if chance < 3 => self.send(id, expected, &state),
            _ if chance == 7 => Command::ReleasePayment { id, expected },
            _ if chance == 8 => Command::SettlePayment {
                id,
                expected,
                requested_at: self.requested_at(),
            },
            _ => self.refuse(id, expected),
        }
    }

    /// An operator's decision, whatever the payment's state.
    fn resolve(
        &mut self,
        id: PaymentId,
        expected: PaymentExpected,
        state: &PaymentState,
    ) -> Command {
        let requested_at = match state {
            PaymentState::Sent { requested_at, .. } if !self.one_in(4) => *requested_at,
            _ => self.requested_at(),
        };
        let kind = match self.rng.random_range(0..6) {
            0 => ResolutionKind::Settled { requested_at },
            1..4 => ResolutionKind::Release,
            _ => ResolutionKind::Refuse,
        };
        Command::ResolvePayment(ResolvePayment {
            id,
            expected,
            kind,
            who: self.note(),
            why: self.note(),
            send_lease: Duration::ZERO,
        })
    }

    fn note(&mut self) -> Note {
        let text = self.description();
        match Note::new(&text) {
            Ok(note) => note,
            Err(error) => panic!("{text:?}: {error}"),
        }
    }

    fn refuse(&mut self, id: PaymentId, expected: PaymentExpected) -> Command {
        let codes = [
            RefusedCode::ProcessorRefused,
            RefusedCode::OperatorRefused,
            RefusedCode::Purged,
        ];
        Command::RefusePayment {
            id,
            expected,
            code: codes[self.rng.random_range(0..codes.len())],
        }
    }

    fn send(&mut self, id: PaymentId, expected: PaymentExpected, state: &PaymentState) -> Command {
        let (processor, requested_at) = match state {
            PaymentState::Sent {
                processor,
                requested_at,
            } if !self.one_in(3) => (processor.clone(), *requested_at),
            _ => {
                let index = self.rng.random_range(0..self.processors.len());
                (self.processors[index].clone(), self.requested_at())
            }
        };
        Command::SendPayment {
            id,
            expected,
            processor,
            requested_at,
        }
    }

    /// One of few times, before, at and after the hours and days that summaries are kept by.
    pub fn requested_at(&mut self) -> Millis {
        const UNITS: [u64; 5] = [1, 1_000, 60_000, 3_600_000, 86_400_000];
        let unit = UNITS[self.rng.random_range(0..UNITS.len())];
        let count = self.rng.random_range(0..4);
        Millis(REQUESTED_AT + unit * count - self.rng.random_range(0..2))
    }

    /// The state and attempt the payment is in; sometimes another.
    fn expected(&mut self, payment: Option<&Payment>) -> PaymentExpected {
        let mut expected = payment.map_or(
            PaymentExpected {
                state: PaymentStateName::Accepted,
                attempt: 0,
            },
            Payment::standing,
        );
        match self.rng.random_range(0..16) {
            0 => expected.attempt += 1,
            1 => expected.attempt = expected.attempt.saturating_sub(1),
            2 => expected.state = PaymentStateName::Accepted,
            3 => expected.state = PaymentStateName::Sent,
            _ => {}
        }
        expected
    }

    fn a_payment(&mut self, books: &Books) -> Option<Payment> {
        if self.one_in(16) {
            return None;
        }
        let mut payments: Vec<Payment> = recent(books)
            .iter()
            .filter_map(Event::payment)
            .filter_map(|payment| match books.state().payment(payment.id) {
                Some(UsedPayment::Accepted(payment)) => Some(payment),
                _ => None,
            })
            .collect();
        if !self.one_in(5) {
            payments.retain(|payment| payment.state.is_due());
        }
        payments.choose(&mut self.rng).cloned()
    }
}
