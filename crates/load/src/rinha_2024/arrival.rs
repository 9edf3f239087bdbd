//! One arrival of the load: one request on a random account.

use rand::Rng;
use rand::distr::Alphanumeric;
use rand::rngs::SmallRng;

use super::checks::{judge_statement, judge_transaction, verdict};
use super::requests::{Requests, body};
use crate::http::Answer;
use crate::recorder::Verdict;

/// The kinds of requests, in the order of their reports.
pub(crate) const KINDS: &[&str] = &["validations", "debits", "credits", "statements"];

pub(crate) const VALIDATION: usize = 0;
pub(crate) const DEBIT: usize = 1;
pub(crate) const CREDIT: usize = 2;
pub(crate) const STATEMENT: usize = 3;

/// Arrivals per second at the top, by kind.
pub(crate) const RATES: [(usize, u32); 3] = [(DEBIT, 220), (CREDIT, 110), (STATEMENT, 10)];

/// What an arrival asks.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) kind: usize,
    pub(crate) account: usize,
    pub(crate) request: Vec<u8>,
}

impl Arrival {
    /// An arrival of a kind, on a random account.
    pub(crate) fn of(kind: usize, requests: &Requests, rng: &mut SmallRng) -> Self {
        let account = rng.random_range(1..=5);
        let request = match kind {
            DEBIT => transaction(requests, account, 'd', rng),
            CREDIT => transaction(requests, account, 'c', rng),
            _ => requests.statement(account),
        };
        Self {
            kind,
            account,
            request,
        }
    }

    /// An arrival of the official mix.
    pub(crate) fn of_the_mix(requests: &Requests, rng: &mut SmallRng) -> Self {
        let mut drawn = rng.random_range(0..RATES.iter().map(|(_, rate)| rate).sum());
        for (kind, rate) in RATES {
            if drawn < rate {
                return Self::of(kind, requests, rng);
            }
            drawn -= rate;
        }
        Self::of(STATEMENT, requests, rng)
    }

    /// Whether it may change the account.
    pub(crate) const fn moves(&self) -> bool {
        self.kind != STATEMENT
    }

    /// Judges its answer: debits 200 or 422, the others 200, a balance within the right limit.
    pub(crate) fn judge(&self, answer: &Answer<'_>) -> Verdict {
        if self.kind == STATEMENT {
            return verdict(judge_statement(answer, self.account), "statement");
        }
        match judge_transaction(answer, self.account, self.kind == DEBIT) {
            Ok(None) => Verdict::Right("refused"),
            judged => verdict(judged, "moved"),
        }
    }
}

/// A credit or debit of 1 to 10,000 with ten random letters and digits.
fn transaction(requests: &Requests, account: usize, kind: char, rng: &mut SmallRng) -> Vec<u8> {
    let amount = rng.random_range(1..=10_000);
    let description: String = (0..10)
        .map(|_| char::from(rng.sample(Alphanumeric)))
        .collect();
    requests.transaction(account, &body(amount, kind, &description))
}
