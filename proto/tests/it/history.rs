//! Commands and their outcomes as the generator and the reference engine make them.

use std::sync::Arc;

use ledger::reference::Books;
use ledger::{Batch, Clock, Outcome, Ticker};
use testkit::{Generator, GeneratorOptions, ManualClock, Pause};

/// What was submitted and answered, call by call, and the books at the end.
pub(crate) struct History {
    pub(crate) calls: Vec<(Vec<Batch>, Vec<Vec<Outcome>>)>,
    pub(crate) books: Books,
    pub(crate) generator: Generator,
}

pub(crate) fn history(seed: u64, steps: u32) -> History {
    let clock = Arc::new(ManualClock::default());
    let mut generator = Generator::new(seed, GeneratorOptions::default());
    let mut ticker = Ticker::default();
    let mut books = Books::default();
    let mut calls = Vec::new();
    for _ in 0..steps {
        let step = generator.step(&books);
        match step.pause {
            Pause::Advance(by) => clock.advance_ns(by),
            Pause::Until(at) => clock.advance_to(at),
            Pause::Back(_) => {}
        }
        let mut apply = |batch: &Batch| {
            books.expire(&mut ticker, clock.now());
            books.apply(batch.clone(), &mut ticker, clock.now())
        };
        let outcomes = step.batches.iter().map(&mut apply).collect();
        calls.push((step.batches, outcomes));
    }
    History {
        calls,
        books,
        generator,
    }
}
