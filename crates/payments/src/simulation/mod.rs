//! Dispatchers under a simulated network, clocks and power switches, and an auditor.
//!
//! Everything follows from a seed. The ledger is the rules themselves and never forgets. One to
//! three nodes share it and claim payments under leases; each is thrown away and begun anew at any
//! moment, stopped for a while or cut off from its lease, while requests that it gave out may still
//! leave, their bytes may arrive after they were given up, and something on the way may repeat them.
//! Processors are silent for a while or for ever, or never say what became of a payment; operators
//! resolve at any moment. After a time all faults stop, and whatever is left has to come to its end.

mod audit;
mod claims;
mod faults;
mod fingerprint;
mod network;
mod node;
mod operator;
mod processor;
mod tests;
mod world;

use std::time::Duration;

pub(crate) use faults::Bug;
use world::World;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a run did, so that a test can tell that it tested something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) settled: u64,
    pub(crate) refused: u64,
    pub(crate) pinned: u64,
    pub(crate) resends: u64,
    pub(crate) releases: u64,
    pub(crate) duplicates: u64,
    pub(crate) lease_over: u64,
    pub(crate) restarts: u64,
    pub(crate) late: u64,
    pub(crate) bytes_late: u64,
    pub(crate) repeated: u64,
    pub(crate) resolved: u64,
    pub(crate) under_way: u64,
    pub(crate) stuck: u64,
    pub(crate) never_taken: u64,
    pub(crate) undecided: u64,
    pub(crate) probes: u64,
    pub(crate) reports: u64,
    pub(crate) frozen: u64,
    pub(crate) leases_ended: u64,
    pub(crate) claims_lost: u64,
    pub(crate) held_max: usize,
    /// How often dispatchers were told something.
    pub(crate) inputs: u64,
    /// Of all that they decided; of several runs the sum.
    pub(crate) fingerprint: u64,
}

/// Runs one seed; `Err` says which promise was broken.
pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Result<Tally, String> {
    World::new(seed, bug).run()
}
