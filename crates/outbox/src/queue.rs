//! What is queued, in order and by id, and what was answered lately.

use std::collections::VecDeque;

use hashbrown::HashMap;
use journal::Address;
use ledger::{Command, Outcome, Refusal, TransferId};
use stdx::invariant;

use crate::log::{Replayed, Stored};
use crate::operation::{Operation, OperationState};

/// So many of the newest outcomes are remembered, to tell a repetition from another operation
/// without asking the ledger; about 5 MB.
const RECENT_MAX: usize = 16_384;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    operations: VecDeque<Stored>,
    /// Where the newest operation of an id is.
    ids: HashMap<TransferId, Address>,
    recent: Recent,
    applied_before: u64,
}

/// What an id is known by.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It is queued; the operation is there.
    Queued(Address),
    /// The ledger has answered.
    Answered(Command, OperationState),
}

impl From<Replayed> for Queue {
    fn from(replayed: Replayed) -> Self {
        let mut queue = Self {
            applied_before: replayed.applied_before,
            ..Self::default()
        };
        queue.extend(replayed.operations);
        queue
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn oldest(&self) -> Option<&Stored> {
        self.operations.front()
    }

    /// The oldest ones, at most `count`.
    pub(crate) fn first(&self, count: usize) -> Vec<Stored> {
        self.operations.iter().take(count).copied().collect()
    }

    /// Queues what has just become durable.
    pub(crate) fn extend(&mut self, stored: impl IntoIterator<Item = Stored>) {
        for stored in stored {
            self.ids.insert(stored.id, stored.address);
            self.operations.push_back(stored);
        }
    }

    /// Takes out the oldest ones, which the ledger has answered.
    pub(crate) fn answered(&mut self, commands: Vec<Command>, outcomes: &[Outcome]) {
        invariant!(
            commands.len() == outcomes.len() && outcomes.len() <= self.operations.len(),
            "the ledger answers each of the oldest operations, and nothing else takes them out"
        );
        let oldest = self.operations.drain(..outcomes.len());
        for ((stored, command), outcome) in oldest.zip(commands).zip(outcomes) {
            self.applied_before = stored.number + 1;
            // After a crash an id may be queued twice: the later one is still to come.
            if self.ids.get(&stored.id) == Some(&stored.address) {
                self.ids.remove(&stored.id);
            }
            self.recent.insert(stored.id, command, outcome);
        }
    }

    pub(crate) fn known(&self, id: TransferId) -> Option<Known> {
        if let Some(address) = self.ids.get(&id) {
            return Some(Known::Queued(*address));
        }
        match self.recent.by_id.get(&id)? {
            Finished::Answered(command, state) => Some(Known::Answered(command.clone(), *state)),
            // Under this id the ledger may know another operation: let it judge this one.
            Finished::ToldHere(_) => None,
        }
    }

    /// How an operation stands where the ledger cannot tell.
    pub(crate) fn state(&self, id: TransferId) -> Option<OperationState> {
        if self.ids.contains_key(&id) {
            return Some(OperationState::Queued);
        }
        match self.recent.by_id.get(&id)? {
            Finished::ToldHere(code) => Some(OperationState::Refused(code)),
            Finished::Answered(..) => None,
        }
    }

    /// Before which number everything has its outcome, and the oldest operation that has none: of
    /// one moment.
    pub(crate) fn progress(&self) -> (u64, Option<Stored>) {
        (self.applied_before, self.oldest().copied())
    }
}

/// How an operation ended.
#[derive(Debug)]
enum Finished {
    Answered(Command, OperationState),
    /// Refused, and the ledger has no record of that: it had its id with other content, or does not take
    /// such content any more.
    ToldHere(&'static str),
}

/// Whether the ledger refused a command for its form, which it does without a record. An older version
/// accepted what is not an operation today.
pub(crate) fn is_without_record(command: &Command, outcome: &Outcome) -> bool {
    outcome.result.is_err() && !outcome.replayed && Operation::new(command.clone()).is_err()
}

/// The newest outcomes.
#[derive(Debug, Default)]
struct Recent {
    by_id: HashMap<TransferId, Finished>,
    order: VecDeque<TransferId>,
}

impl Recent {
    fn insert(&mut self, id: TransferId, command: Command, outcome: &Outcome) {
        let finished = match &outcome.result {
            Ok(_) => Finished::Answered(command, OperationState::Applied),
            Err(Refusal::ExistsWithDifferent(field)) => {
                Finished::ToldHere(field.exists_with_different())
            }
            Err(refusal) if is_without_record(&command, outcome) => {
                Finished::ToldHere(refusal.code())
            }
            Err(refusal) => Finished::Answered(command, OperationState::Refused(refusal.code())),
        };
        if self.by_id.insert(id, finished).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::{AccountId, Field, MoveMoney};

    use super::*;

    fn void(id: u128, pending_id: u128) -> Command {
        Command::Void {
            id: TransferId::from_u128(id),
            pending_id: TransferId::from_u128(pending_id),
        }
    }

    fn stored(id: u128, number: u64) -> Stored {
        Stored {
            id: TransferId::from_u128(id),
            address: Address::from_u64(1000 + number).unwrap(),
            number,
            accepted: ledger::Timestamp::default(),
        }
    }

    fn refused() -> Outcome {
        let pending_id = TransferId::from_u128(9);
        Outcome::refused(Refusal::PendingNotFound { pending_id })
    }

    #[test]
    fn an_id_that_is_queued_twice_stays_known_until_both_are_answered() {
        let id = TransferId::from_u128(1);
        let mut queue = Queue::default();
        queue.extend([stored(1, 3), stored(2, 4), stored(1, 7)]);
        queue.answered(vec![void(1, 9), void(2, 9)], &[refused(), refused()]);
        assert_eq!(queue.state(id), Some(OperationState::Queued));
        assert_eq!(queue.progress(), (5, Some(stored(1, 7))));
        queue.answered(vec![void(1, 9)], &[refused()]);
        assert_eq!(queue.state(id), None, "the ledger knows");
        let known = queue.known(id);
        let Some(Known::Answered(command, OperationState::Refused(code))) = known else {
            panic!("{known:?}")
        };
        assert_eq!((command, code), (void(1, 9), "pending_not_found"));
        assert_eq!(queue.progress(), (8, None));
    }

    #[test]
    fn a_conflict_is_told_here_and_judged_by_the_ledger_again() {
        let mut queue = Queue::default();
        queue.extend([stored(1, 0)]);
        let conflict = Outcome::refused(Refusal::ExistsWithDifferent(Field::Amount));
        queue.answered(vec![void(1, 9)], &[conflict]);
        let id = TransferId::from_u128(1);
        let code = "exists_with_different_amount";
        assert_eq!(queue.state(id), Some(OperationState::Refused(code)));
        assert!(queue.known(id).is_none());
    }

    /// An older version accepted a text that is refused today.
    #[test]
    fn what_the_ledger_takes_no_more_is_told_here() {
        let mut queue = Queue::default();
        queue.extend([stored(1, 0)]);
        let command = Command::Transfer(MoveMoney {
            id: TransferId::from_u128(1),
            debit_account_id: AccountId::new("a").unwrap(),
            credit_account_id: AccountId::new("b").unwrap(),
            amount: 1,
            description: "\u{202e}".into(),
            notes: ledger::Notes::NONE,
        });
        let refused = Outcome::refused(Refusal::DescriptionInvalid);
        assert!(is_without_record(&command, &refused));
        queue.answered(vec![command], &[refused]);
        let id = TransferId::from_u128(1);
        let code = "description_invalid";
        assert_eq!(queue.state(id), Some(OperationState::Refused(code)));
        assert!(queue.known(id).is_none());
    }

    #[test]
    #[should_panic(expected = "invariant broken: the ledger answers each of the oldest operations")]
    fn an_answer_to_nothing_that_is_queued_stops_the_drain() {
        let mut queue = Queue::default();
        queue.extend([stored(1, 0)]);
        queue.answered(vec![void(1, 9), void(2, 9)], &[refused(), refused()]);
    }

    #[test]
    fn only_the_newest_outcomes_are_remembered() {
        let mut queue = Queue::default();
        let count = RECENT_MAX as u64 + 10;
        for number in 0..count {
            queue.extend([stored(u128::from(number), number)]);
            queue.answered(vec![void(u128::from(number), 9)], &[refused()]);
        }
        assert_eq!(queue.recent.by_id.len(), RECENT_MAX);
        assert!(queue.known(TransferId::from_u128(9)).is_none());
        assert!(queue.known(TransferId::from_u128(10)).is_some());
    }
}
