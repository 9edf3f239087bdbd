//! What batches would be answered, without anything being done.

use std::convert::Infallible;

use crate::apply::{RecordingState, apply};
use crate::batch::Batch;
use crate::event::{BatchDecided, Event};
use crate::memory::Overlay;
use crate::outcome::Outcome;
use crate::state::{State, UsedBatch, evolve};
use crate::time::{Ticker, Timestamp};

/// What the batches would be answered if they were applied to the state now: the same way is gone upon a
/// state that is thrown away. The caller has expired before what is due and what the batches depend upon,
/// as before [`apply`]; whether a look-up failed, it asks its state afterwards: then nothing of this counts.
pub fn preview<S: State>(
    state: &S,
    batches: Vec<Batch>,
    mut ticker: Ticker,
    now: Timestamp,
) -> Vec<Vec<Outcome>> {
    let mut overlay = Overlay::new(state);
    let batches = batches.into_iter();
    batches
        .map(|batch| {
            let Ok(outcomes) = apply(&mut overlay, batch, &mut ticker, now);
            outcomes
        })
        .collect()
}

impl<S: State> RecordingState for Overlay<'_, S> {
    type LookupError = Infallible;
    type Place = ();

    fn take_lookup_error(&mut self) -> Option<Infallible> {
        None
    }

    fn record(&mut self, event: &Event) {
        evolve(self, event);
    }

    fn record_batch(&mut self, batch: BatchDecided, _: Option<()>, outcomes: &[Outcome]) {
        let used = UsedBatch {
            digest: batch.digest,
            outcomes: outcomes.to_vec(),
        };
        self.insert_batch(batch.id, used);
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, MoveMoney, OpenAccount};
    use crate::currency::Currency;
    use crate::id::{AccountId, BatchId, TransferId};
    use crate::memory::Memory;
    use crate::notes::Notes;

    use super::*;

    fn transfer(number: u128, amount: u64) -> Command {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(number),
            debit_account_id: AccountId::new("a").unwrap(),
            credit_account_id: AccountId::new("world:BRL").unwrap(),
            amount,
            description: "x".into(),
            notes: Notes::NONE,
        })
    }

    #[test]
    fn batches_see_what_those_before_would_have_done_and_the_state_does_not() {
        let mut state = Memory::default();
        let open = Command::OpenAccount(OpenAccount {
            id: AccountId::new("a").unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 10,
        });
        let now = Timestamp::from_nanos(1);
        let crate::decide::Decision::Event(opened) = crate::decide::decide(&state, open, now)
        else {
            panic!("the account is not opened");
        };
        evolve(&mut state, &opened);
        let before = state.clone();
        let atomic = || Batch::atomic(BatchId::from_u128(1), vec![transfer(2, 3)]).unwrap();
        let batches = vec![
            Batch::one(transfer(1, 7)),
            atomic(),
            atomic(),
            Batch::one(transfer(3, 1)),
        ];
        let outcomes = preview(&state, batches, Ticker::after(now), now);
        let codes: Vec<_> = outcomes.iter().map(|batch| batch[0].code()).collect();
        assert_eq!(
            codes,
            ["created", "created", "exists", "insufficient_funds"]
        );
        assert_eq!(state, before);
    }
}
