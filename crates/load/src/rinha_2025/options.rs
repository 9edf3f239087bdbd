//! What can be chosen.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;

use super::Script;
use crate::capacity::BareOptions;
use crate::target::Target;

/// The most users: each is a connection.
const USERS_MAX: usize = 5_000;

/// The choices.
#[derive(Debug, Clone)]
pub struct Rinha2025Options {
    /// The backend.
    pub target: Target,
    /// What is done to it.
    pub script: Script,
    /// The processors that it pays with.
    pub processors: Processors,
    /// What the processors' admin calls carry.
    pub token: String,
    /// How long the backend may take, after the script, to pay what it accepted.
    pub drain_max: Duration,
    /// A bare handler to measure first, the same way for at most a minute.
    pub bare: Option<BareOptions>,
}

/// The two processors.
#[derive(Debug, Clone)]
pub enum Processors {
    /// They run already.
    Given {
        /// The cheaper one.
        default: Target,
        /// The other one.
        fallback: Target,
    },
    /// The load starts its own, each on a thread of its own, at these addresses.
    Own {
        /// The cheaper one.
        default: SocketAddr,
        /// The other one.
        fallback: SocketAddr,
    },
}

impl Rinha2025Options {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let users = self.script.users;
        ensure!(
            (1..=USERS_MAX).contains(&users),
            "--users is 1 to {USERS_MAX}, not {users}"
        );
        if let Processors::Own { default, fallback } = self.processors {
            for address in [default, fallback] {
                ensure!(
                    address.ip().is_loopback(),
                    "processors are only started at loopback addresses, not at {address}"
                );
            }
        }
        Ok(())
    }
}
