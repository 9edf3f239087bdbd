//! Leases of claims: asked for, given by the ledger, and heard of.

use std::time::Duration;

use super::super::node::{ClaimsLease, Life};
use super::{Happening, RENEW_INTERVAL, World};
use crate::dispatcher::Input;

impl World {
    pub(super) fn renew(&mut self, life: Life) {
        self.at(self.now + RENEW_INTERVAL, Happening::Renew(life));
        self.tell(life, Input::Accepted);
        let is_cut_off = self.now < self.nodes[life.node].cut_off_until;
        if !is_cut_off && !self.chance(self.faults.ledger_silent / 2) {
            let arrival = self.now + self.network();
            self.at(arrival, Happening::RenewAtLedger(life, self.now));
        }
    }

    pub(super) fn renew_at_ledger(&mut self, life: Life, asked_at: Duration) {
        let node = &self.nodes[life.node];
        // One that has ended has no lease to ask for; its question may arrive all the same.
        let held = node.lease.filter(|_| node.life == life);
        let lasts = node.lease_lasts;
        let held = held.map(|lease| lease.number);
        let (number, until) = if self.is_alone {
            (0, Duration::MAX)
        } else {
            let number = self.claims.renew(held, self.now, lasts);
            (number, asked_at + lasts)
        };
        if !self.chance(self.faults.ledger_silent / 2) {
            let soon = self.now + self.network();
            let lease = ClaimsLease { number, until };
            self.at(soon, Happening::Leased(life, lease));
        }
    }

    pub(super) fn leased(&mut self, life: Life, lease: ClaimsLease) {
        let node = &mut self.nodes[life.node];
        match node.lease {
            Some(held) if held.number == lease.number => {
                node.lease = Some(ClaimsLease {
                    until: held.until.max(lease.until),
                    ..lease
                });
                let deferred = std::mem::take(&mut node.deferred);
                for input in deferred {
                    self.tell(life, input);
                }
            }
            // An answer that was overtaken by that to a later question.
            Some(held) if held.number > lease.number => {}
            held => {
                self.tally.claims_lost += u64::from(held.is_some());
                match held {
                    Some(_) => node.begin_anew(),
                    None => node.begin(),
                }
                node.lease = Some(lease);
                let life = node.life;
                self.at(self.now, Happening::Renew(life));
                self.tell(life, Input::Tick);
            }
        }
    }
}
