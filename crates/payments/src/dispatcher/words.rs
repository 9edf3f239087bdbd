//! Processors' words that came for payments that are not held, one of each processor: the ledger is asked
//! for these payments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ledger::PaymentId;

use super::io::Effect;
use super::payment::Proof;
use crate::policy::ProcessorIndex;

/// How long to wait before the ledger is asked again for a payment that it could not show.
const LOOK_WAIT: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Words {
    kept: BTreeMap<(PaymentId, ProcessorIndex), Proof>,
    /// The payments that the ledger could not show, by when to look again.
    looks: BTreeSet<(Duration, PaymentId)>,
}

impl Words {
    /// Keeps a processor's word, and has the ledger asked for the payment unless it is being asked
    /// already.
    pub(super) fn look(&mut self, id: PaymentId, proof: Proof, effects: &mut Vec<Effect>) {
        let is_first = !self.has(id);
        self.keep(id, proof);
        if is_first {
            effects.push(Effect::Look(id));
        }
    }

    /// Keeps a processor's word.
    pub(super) fn keep(&mut self, id: PaymentId, proof: Proof) {
        let kept = self.kept.entry((id, proof.processor)).or_insert(proof);
        kept.confirm(&proof);
    }

    /// Has the ledger asked for every payment of which there is a word, at once.
    pub(super) fn look_for_all(&mut self) {
        let all = self.kept.keys();
        self.looks = all.map(|(id, _)| (Duration::ZERO, *id)).collect();
    }

    /// The ledger could not show a payment: it is asked again later, unless nothing is to be known.
    pub(super) fn look_later(&mut self, id: PaymentId, now: Duration) {
        if self.has(id) {
            self.looks.insert((now + LOOK_WAIT, id));
        }
    }

    /// Has the ledger asked again for what is due.
    pub(super) fn look_again(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.looks.first().copied() {
            if at > now {
                return;
            }
            self.looks.remove(&(at, id));
            effects.push(Effect::Look(id));
        }
    }

    pub(super) fn has(&self, id: PaymentId) -> bool {
        self.of(id).next().is_some()
    }

    /// All words about a payment, which are kept no more, by processor.
    pub(super) fn take(&mut self, id: PaymentId) -> Vec<Proof> {
        let taken: Vec<Proof> = self.of(id).copied().collect();
        for proof in &taken {
            self.kept.remove(&(id, proof.processor));
        }
        taken
    }

    /// When the ledger is to be asked again next.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.looks.first().map(|(at, _)| *at)
    }

    fn of(&self, id: PaymentId) -> impl Iterator<Item = &Proof> {
        let range = (id, ProcessorIndex::MIN)..=(id, ProcessorIndex::MAX);
        self.kept.range(range).map(|(_, proof)| proof)
    }
}
