//! The books of an engine with a bug: how it decides, and what it makes of a decision.

use ledger::reference::Books;
use ledger::{
    AtomicDecision, Batch, BatchDecided, Command, Decision, Event, Field, MoveMoney, Outcome,
    Record, Refusal, ResolvePayment, State, Ticker, Timestamp, Transfer, TransferId, TransferKind,
    UsedId, UsedPayment, UsedTransfer, decide, decide_atomic,
};

use super::bug::Bug;
use super::view::View;

/// The reference's books, kept with a bug.
#[derive(Clone)]
pub(super) struct PlantedBooks {
    pub(super) bug: Bug,
    pub(super) books: Books,
    ticker: Ticker,
}

impl PlantedBooks {
    pub(super) fn new(bug: Bug) -> Self {
        Self {
            bug,
            books: Books::default(),
            ticker: Ticker::default(),
        }
    }

    /// Forgets all and reads it again from the events.
    pub(super) fn restart(&mut self) {
        let events = self.books.events();
        let kept = match self.bug {
            Bug::RestartForgets => events.len().saturating_sub(1),
            _ => events.len(),
        };
        self.books = Books::replay(&events[..kept]);
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let late = match self.bug {
            Bug::ExpiryIgnored => return,
            Bug::ExpiryLate => 1_000_000_000,
            Bug::ExpiryOffByOne => 1,
            _ => 0,
        };
        let now = Timestamp::from_nanos(now.as_nanos() - late);
        self.books.expire(&mut self.ticker, now);
    }

    pub(super) fn submit(&mut self, mut batches: Vec<Batch>, now: Timestamp) -> Vec<Vec<Outcome>> {
        let is_swapped = self.bug == Bug::BatchesSwapped && batches.len() > 1;
        if is_swapped {
            batches.swap(0, 1);
        }
        let apply = |batch| self.apply(batch, now);
        let mut outcomes: Vec<_> = batches.into_iter().map(apply).collect();
        if is_swapped {
            outcomes.swap(0, 1);
        }
        if self.bug == Bug::OutcomesSwapped && outcomes[0].len() > 1 {
            outcomes[0].swap(0, 1);
        }
        outcomes
    }

    pub(super) fn preview(&mut self, batches: Vec<Batch>, now: Timestamp) -> Vec<Vec<Outcome>> {
        match self.bug {
            Bug::PreviewDone => self.submit(batches, now),
            Bug::PreviewForgetsBatches => {
                let each = batches.into_iter();
                each.flat_map(|batch| self.clone().submit(vec![batch], now))
                    .collect()
            }
            _ => self.clone().submit(batches, now),
        }
    }

    fn apply(&mut self, batch: Batch, now: Timestamp) -> Vec<Outcome> {
        if self.bug == Bug::TimestampsFollowClock {
            self.ticker = Ticker::default();
        }
        self.expire(now);
        match batch.atomic_id() {
            Some(_) if self.bug != Bug::AtomicIgnored => self.apply_atomic(&batch, now),
            _ => self.apply_all(batch.into_commands(), now),
        }
    }

    fn apply_all(&mut self, commands: Vec<Command>, now: Timestamp) -> Vec<Outcome> {
        commands
            .into_iter()
            .map(|command| self.apply_command(command, now))
            .collect()
    }

    fn apply_atomic(&mut self, batch: &Batch, now: Timestamp) -> Vec<Outcome> {
        let commands = batch.commands().to_vec();
        let Some(id) = batch.atomic_id() else {
            return self.apply_all(commands, now);
        };
        let view = View {
            memory: self.books.state(),
            bug: self.bug,
            command: Command::PurgePayments {
                expected_accepted_at: None,
            },
        };
        match decide_atomic(&view, id, commands.clone(), &mut self.ticker, now) {
            AtomicDecision::Outcomes(outcomes) => self.atomic_again(batch, outcomes),
            AtomicDecision::Events(events, decided) => {
                let failure = decided.failure.as_ref();
                match (self.bug, failure) {
                    (Bug::AtomicHalfApplied, Some(failure)) => {
                        let applied = commands[..failure.index as usize].to_vec();
                        self.apply_all(applied, now);
                    }
                    (Bug::AtomicTakesUsedMember, Some(failure)) if failure.outcome.replayed => {
                        return self.apply_all(commands, now);
                    }
                    _ => {}
                }
                self.record_atomic(events, decided)
            }
        }
    }

    fn record_atomic(&mut self, events: Vec<Event>, decided: BatchDecided) -> Vec<Outcome> {
        let failed = decided.failed_outcomes();
        let created = events.clone().into_iter().filter_map(Event::into_outcome);
        let outcomes = failed.unwrap_or_else(|| created.collect());
        for event in events {
            self.books.record(event);
        }
        self.books.record(Event::Batch(decided));
        outcomes
    }

    fn atomic_again(&self, batch: &Batch, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let differs = Refusal::ExistsWithDifferent(Field::Members);
        let is_noticed = self.bug != Bug::ConflictUnnoticed(Field::Members);
        if outcomes[0].result != Err(differs) || is_noticed {
            return outcomes
                .into_iter()
                .map(|outcome| self.marked(outcome))
                .collect();
        }
        let used = batch
            .atomic_id()
            .and_then(|id| self.books.state().batch(id));
        let first = used.map_or(outcomes.clone(), |used| used.outcomes);
        let first = first.iter().cycle().take(outcomes.len()).cloned();
        first
            .map(|outcome| Outcome::exists(outcome.result))
            .collect()
    }

    fn apply_command(&mut self, mut command: Command, now: Timestamp) -> Outcome {
        self.forget_expectations(&mut command);
        let view = View {
            memory: self.books.state(),
            bug: self.bug,
            command: command.clone(),
        };
        match decide(&view, command.clone(), self.ticker.peek(now)) {
            Decision::Event(event) => {
                self.ticker.tick(now);
                self.record(event)
            }
            Decision::Exists(outcome) => self.marked(outcome),
            Decision::Refused(Refusal::ExistsWithDifferent(field))
                if self.bug == Bug::ConflictUnnoticed(field) =>
            {
                Outcome::exists(self.first_result(&command))
            }
            Decision::Refused(refusal) => Outcome::refused(refusal),
        }
    }

    fn marked(&self, outcome: Outcome) -> Outcome {
        Outcome {
            replayed: outcome.replayed && self.bug != Bug::ExistsNotMarked,
            ..outcome
        }
    }

    /// Replaces what the command expects of its payment by what is.
    fn forget_expectations(&self, command: &mut Command) {
        let (Command::SendPayment { id, expected, .. }
        | Command::SettlePayment { id, expected, .. }
        | Command::ReleasePayment { id, expected }
        | Command::RefusePayment { id, expected, .. }
        | Command::ResolvePayment(ResolvePayment { id, expected, .. })) = command
        else {
            return;
        };
        if let Some(UsedPayment::Accepted(payment)) = self.books.state().payment(*id) {
            match self.bug {
                Bug::PaymentStateUnchecked => expected.state = payment.state.name(),
                Bug::PaymentAttemptUnchecked => expected.attempt = payment.attempt,
                _ => {}
            }
        }
    }

    /// What the command's id was first answered with.
    fn first_result(&self, command: &Command) -> Result<Record, Refusal> {
        let state = self.books.state();
        match (command, command.used_id()) {
            (Command::OpenAccount(open), _) => {
                let id = open.id.clone();
                let account = state.account_opened(&id).ok_or(Refusal::CurrencyMismatch)?;
                Ok(Record::Account { id, account })
            }
            (_, Some(UsedId::Transfer(id))) => match state.transfer(id) {
                Some(UsedTransfer::Created(transfer, _)) => Ok(Record::Transfer(transfer)),
                Some(UsedTransfer::Refused(_, refusal)) => Err(refusal),
                _ => Err(Refusal::PendingNotFound { pending_id: id }),
            },
            (_, Some(UsedId::Payment(id))) => match state.payment(id) {
                Some(UsedPayment::Accepted(payment)) => Ok(Record::Payment(payment.as_accepted())),
                Some(UsedPayment::Refused(_, refusal)) => Err(refusal),
                None => Err(Refusal::PaymentNotFound { payment_id: id }),
            },
            _ => Err(Refusal::CurrencyMismatch),
        }
    }

    /// Records an event, with what the bug makes of it, and answers with its outcome.
    fn record(&mut self, mut event: Event) -> Outcome {
        self.restate(&mut event);
        let mut recorded = event.clone();
        let mut after = None;
        match (self.bug, &mut recorded) {
            (Bug::PartialPostKeepsRest, Event::Transfer(transfer)) => {
                if let TransferKind::Post { pending_amount, .. } = &mut transfer.kind {
                    *pending_amount = transfer.amount;
                }
            }
            (Bug::PartReleasesRest, Event::Transfer(transfer)) => {
                if let TransferKind::PostPart {
                    pending_id,
                    pending_amount,
                } = transfer.kind
                {
                    transfer.kind = TransferKind::Post {
                        pending_id,
                        pending_amount,
                        in_full: false,
                    };
                }
            }
            (Bug::LastPartKeepsPending, Event::Transfer(transfer)) => {
                if let TransferKind::PostPart { pending_amount, .. } = &mut transfer.kind {
                    *pending_amount += u64::from(transfer.amount == *pending_amount);
                }
            }
            (Bug::RefusalChangesAccount, Event::Refused { command, .. }) => {
                after = self.lowered_limit(command, event.timestamp());
            }
            (Bug::PaymentReservationKept, Event::PaymentRefused(payment)) => {
                payment.account_id = None;
            }
            (Bug::SettlementTwice, Event::PaymentSettled { transfer, .. }) => {
                after = Some(Event::Transfer(Transfer {
                    id: TransferId::from_u128(transfer.id.to_u128() ^ 1),
                    kind: TransferKind::Transfer,
                    ..transfer.clone()
                }));
            }
            _ => {}
        }
        self.books.record(recorded);
        if let Some(after) = after {
            self.books.record(after);
        }
        match event.into_outcome() {
            Some(outcome) => outcome,
            None => unreachable!("commands have outcomes"),
        }
    }

    /// Lets the outcome of a wrong decision look as right as it can.
    fn restate(&self, event: &mut Event) {
        let state = self.books.state();
        match event {
            Event::Transfer(transfer) => {
                if self.bug == Bug::DescriptionTrimmed {
                    transfer.description = transfer.description.trim().into();
                }
                let (debit, credit) = transfer.movements();
                let sides = [
                    (&transfer.debit_account_id, debit, &mut transfer.debit),
                    (&transfer.credit_account_id, credit, &mut transfer.credit),
                ];
                for (id, movement, after) in sides {
                    let Some(mut account) = state.account(id) else {
                        continue;
                    };
                    let entry_count = account.entry_count;
                    account.apply(movement);
                    *after = account
                        .credit_limit()
                        .filter(|_| account.entry_count > entry_count)
                        .map(|credit_limit| ledger::After {
                            entry_number: account.entry_count,
                            balance: account.balance(),
                            credit_limit,
                        });
                }
            }
            Event::Refused {
                command:
                    Command::Transfer(MoveMoney {
                        credit_account_id, ..
                    }),
                refusal: Refusal::AccountNotFound { account_id },
                ..
            } if self.bug == Bug::ChecksInOtherOrder
                && state.account(credit_account_id).is_none() =>
            {
                *account_id = credit_account_id.clone();
            }
            _ => {}
        }
    }

    fn lowered_limit(&self, command: &Command, timestamp: Timestamp) -> Option<Event> {
        let Command::Transfer(transfer) = command else {
            return None;
        };
        let id = transfer.debit_account_id.clone();
        let mut account = self.books.state().account(&id)?;
        let limit = account.credit_limit()?;
        account.limit = ledger::Limit::Credit(limit.saturating_sub(1));
        Some(Event::LimitChanged {
            id,
            account,
            timestamp,
            by: None,
        })
    }
}
