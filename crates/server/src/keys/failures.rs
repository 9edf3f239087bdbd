//! Failures to show a valid key, counted by address.
//!
//! A valid key is admitted whatever came from its address before: many callers may share one, behind
//! a proxy. What is bounded is what failures cost others: past the bound they are answered 429 instead
//! of 401, so that a program which goes on with a wrong key slows down.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many failures of one address are answered 401 in a second.
pub(super) const FAILURES_PER_S_MAX: u32 = 20;

/// How many addresses are told apart: 32 KiB. Two that share a place share its bound.
const PLACES_COUNT: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Failures {
    per_s_max: u32,
    /// In each, a second, and how many failures there were in it.
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Failures {
    pub(crate) fn new(per_s_max: u32) -> Self {
        Self {
            per_s_max,
            places: (0..PLACES_COUNT).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a failure; whether it is within the bound of its address. `second` is a time that only
    /// runs forward. Callers over a Unix socket share one place.
    pub(crate) fn count(&self, address: Option<IpAddr>, second: u32) -> bool {
        let hash = self.hasher.hash_one(address.map(network));
        let place = usize::try_from(hash % PLACES_COUNT as u64);
        let place = &self.places[place.expect("less than 4,096")];
        let add = |before: u64| {
            let count = match before >> 32 == u64::from(second) {
                true => before & u64::from(u32::MAX),
                false => 0,
            };
            let count = (count + 1).min(u64::from(u32::MAX));
            Some(u64::from(second) << 32 | count)
        };
        let before = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let before = before.unwrap_or_else(|before| before);
        let count = match before >> 32 == u64::from(second) {
            true => before & u64::from(u32::MAX),
            false => 0,
        };
        count < u64::from(self.per_s_max)
    }
}

/// One who has an address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_bound_in_each_second() {
        let failures = Failures::new(3);
        let address = |text: &str| Some(text.parse().unwrap());
        let within = |from, second| (0..5).filter(|_| failures.count(from, second)).count();
        assert_eq!(within(address("10.0.0.1"), 1), 3);
        assert_eq!(within(address("::ffff:10.0.0.1"), 1), 0);
        assert_eq!(within(address("10.0.0.1"), 2), 3);
        assert_eq!(within(address("2001:db8::1"), 7), 3);
        assert_eq!(within(address("2001:db8::2"), 7), 0, "the same network");
        assert_eq!(within(None, 7), 3);
    }
}
