//! Operations and what became of them.

use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// One side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `world:BRL`
    World,
    /// One of the run's accounts.
    Account(usize),
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// A deposit, withdrawal or transfer.
    Move(Movement),
    /// An account's balance.
    Ask(usize),
}

/// Money from one side to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Movement {
    pub(super) id: Uuid,
    pub(super) debit: Side,
    pub(super) credit: Side,
    pub(super) amount: i64,
}

/// How a movement ended, as far as the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Applied,
    Refused,
    /// No answer within the deadline.
    Unknown,
}

/// A movement that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) movement: Movement,
    pub(super) fate: Fate,
}

/// Ids that no other run has: their random bits begin with the time, not with the seed.
pub(super) struct Ids(SmallRng);

impl Ids {
    pub(super) fn new() -> Self {
        let nanos = Timestamp::now().as_nanosecond().unsigned_abs();
        let low_bits = u64::try_from(nanos & u128::from(u64::MAX));
        Self(SmallRng::seed_from_u64(low_bits.expect("64 bits are left")))
    }

    fn next(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid()
    }
}

impl Operation {
    /// Three deposits, three withdrawals, three transfers, one question of ten.
    pub(super) fn random(ids: &mut Ids, accounts_count: usize, rng: &mut SmallRng) -> Self {
        let account = rng.random_range(0..accounts_count);
        let (debit, credit) = match rng.random_range(0..10) {
            0 => return Self::Ask(account),
            1..=3 => (Side::World, Side::Account(account)),
            4..=6 => (Side::Account(account), Side::World),
            _ => {
                let other = (account + rng.random_range(1..accounts_count)) % accounts_count;
                (Side::Account(account), Side::Account(other))
            }
        };
        Self::Move(Movement {
            id: ids.next(),
            debit,
            credit,
            amount: rng.random_range(1..=20_000),
        })
    }
}

impl Movement {
    /// By how much it changes an account's balance.
    pub(super) fn change(&self, account: usize) -> i64 {
        let side = Side::Account(account);
        i64::from(self.credit == side) * self.amount - i64::from(self.debit == side) * self.amount
    }

    /// How much it brings from outside into the run's accounts.
    pub(super) fn net_deposit(&self) -> i64 {
        match (self.debit, self.credit) {
            (Side::World, Side::Account(_)) => self.amount,
            (Side::Account(_), Side::World) => -self.amount,
            (Side::World, Side::World) | (Side::Account(_), Side::Account(_)) => 0,
        }
    }

    /// The run's accounts that it changes.
    pub(super) fn accounts(&self) -> impl Iterator<Item = usize> {
        [self.debit, self.credit]
            .into_iter()
            .filter_map(|side| match side {
                Side::World => None,
                Side::Account(account) => Some(account),
            })
    }
}
