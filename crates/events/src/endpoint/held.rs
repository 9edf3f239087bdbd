//! What a node knows of a claim: its own, or another node's.

use std::time::Duration;

use tokio::time::Instant;

use crate::queue::Saved;

/// How many times a claim is renewed while it lasts.
const RENEWALS: u32 = 4;

/// The claim that this node has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Nothing is sent from then on: a tenth of its time before its end, since clocks do not run alike.
    pub(super) until: Instant,
    pub(super) renew_at: Instant,
}

/// An endpoint that another node sends to, as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// The name of that node.
    pub(super) by: String,
    /// What it has kept, as far as that can be read.
    pub(super) saved: Option<Saved>,
}

impl Held {
    pub(super) fn of(asked_at: Instant, lasts: Duration) -> Self {
        Self {
            until: asked_at + lasts * 9 / 10,
            renew_at: asked_at + lasts / RENEWALS,
        }
    }
}
