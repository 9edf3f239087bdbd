//! One node of the simulation: a dispatcher, its lease, and whatever keeps it from its work.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dispatcher::{Dispatcher, Input};
use crate::policy::Policy;

/// A node's dispatcher from when it begins until it begins anew: what was begun in one life is
/// reported in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Life {
    pub(super) node: usize,
    pub(super) number: u32,
}

/// The lease of a node's claims, as the node knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClaimsLease {
    pub(super) number: u64,
    pub(super) until: Duration,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) dispatcher: Dispatcher,
    pub(super) policy: Policy,
    pub(super) life: Life,
    /// How long the leases of its claims last.
    pub(super) lease_lasts: Duration,
    /// `None` before the first is told.
    pub(super) lease: Option<ClaimsLease>,
    /// What happened while the lease was over.
    pub(super) deferred: VecDeque<Input>,
    /// Nothing happens in it before: it is stopped, or down.
    pub(super) frozen_until: Duration,
    /// Its renewals fail until then.
    pub(super) cut_off_until: Duration,
    pub(super) wall_offset_ms: i64,
    pub(super) next_tick: Option<Duration>,
}

impl Node {
    pub(super) fn new(node: usize, policy: Policy, lease_lasts: Duration) -> Self {
        Self {
            dispatcher: Dispatcher::new(policy.clone()),
            policy,
            life: Life { node, number: 0 },
            lease_lasts,
            lease: None,
            deferred: VecDeque::new(),
            frozen_until: Duration::ZERO,
            cut_off_until: Duration::ZERO,
            wall_offset_ms: 0,
            next_tick: None,
        }
    }

    /// Whether it may act.
    pub(super) fn holds_its_lease(&self, now: Duration) -> bool {
        self.lease.is_some_and(|lease| now < lease.until)
    }

    /// Begins anew after its claims were lost, in another life.
    pub(super) fn begin_anew(&mut self) {
        let nothing = Dispatcher::new(self.policy.clone());
        let dispatcher = std::mem::replace(&mut self.dispatcher, nothing);
        self.next_life();
        self.dispatcher = dispatcher.anew();
    }

    fn next_life(&mut self) {
        self.life.number += 1;
        self.deferred.clear();
        self.next_tick = None;
    }

    /// The process ends, and another begins, in another life.
    pub(super) fn begin(&mut self) {
        self.next_life();
        let planted = self.dispatcher.planted;
        self.dispatcher = Dispatcher::new(self.policy.clone());
        self.dispatcher.planted = planted;
    }
}
