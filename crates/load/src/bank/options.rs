//! What can be chosen of the bank's clients.

use std::time::Duration;

use anyhow::ensure;

use crate::target::Target;

/// The most operations: the audit holds each in memory.
const OPERATIONS_MAX: u64 = 10_000_000;

/// The choices.
#[derive(Debug, Clone)]
pub struct BankOptions {
    /// The servers: all of them faces of one ledger.
    pub servers: Vec<Target>,
    /// How many accounts are opened.
    pub accounts_count: usize,
    /// Operations per second, in all.
    pub rate: u32,
    /// For how long.
    pub seconds: u64,
    /// Sends operations to be applied later, and asks for their outcomes.
    pub is_async: bool,
    /// What the random choices begin with.
    pub seed: u64,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long an operation may take with all its repetitions.
    pub deadline: Duration,
}

impl BankOptions {
    /// A short run of moderate size.
    #[must_use]
    pub fn of(servers: Vec<Target>) -> Self {
        Self {
            servers,
            accounts_count: 50,
            rate: 500,
            seconds: 10,
            is_async: false,
            seed: 1,
            timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.servers.is_empty(), "there is no server");
        ensure!(
            (2..=10_000).contains(&self.accounts_count),
            "a bank has 2 to 10,000 accounts"
        );
        ensure!(self.rate > 0, "the rate must be at least 1");
        ensure!(
            (1..=3_600).contains(&self.seconds),
            "a run has 1 to 3600 seconds"
        );
        let operations = u64::from(self.rate) * self.seconds;
        ensure!(
            operations <= OPERATIONS_MAX,
            "that makes {operations} operations; the most are {OPERATIONS_MAX}"
        );
        Ok(())
    }
}
