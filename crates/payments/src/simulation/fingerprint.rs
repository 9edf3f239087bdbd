//! One figure for all that the dispatchers of a run decided, in order: two builds that show the same
//! figure for the same seed decide the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::dispatcher::{ConflictKind, Effect, Question, SendRequest};

/// Grows with each effect.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    /// Takes in what a node was to do at a time.
    pub(super) fn add(&mut self, at: Duration, node: usize, effect: &Effect) {
        (at, node).hash(&mut self.0);
        match effect {
            Effect::Submit { id, command } => {
                (1, id.to_u128(), format!("{command:?}")).hash(&mut self.0);
            }
            Effect::Send(request) => self.request(request),
            Effect::Ask(question) => self.question(3, question),
            Effect::Probe(question) => self.question(4, question),
            Effect::Look(id) => (5, id.to_u128()).hash(&mut self.0),
            Effect::Report(conflict) => {
                let kind = match conflict.kind {
                    ConflictKind::Late => 1,
                    ConflictKind::Amount => 2,
                    ConflictKind::SettledAmount => 3,
                };
                let place = (conflict.id.to_u128(), conflict.processor, conflict.attempt);
                (6, place, conflict.requested_at.0, kind).hash(&mut self.0);
            }
            Effect::PollHealth(processor) => (7, processor).hash(&mut self.0),
            Effect::ReadDue(query) => (8, format!("{query:?}")).hash(&mut self.0),
        }
    }

    fn request(&mut self, request: &SendRequest) {
        let place = (request.id.to_u128(), request.attempt, request.processor);
        let times = (request.requested_at.0, request.lease_until);
        (2, place, request.amount, times).hash(&mut self.0);
    }

    fn question(&mut self, kind: u8, question: &Question) {
        let place = (question.id.to_u128(), question.processor, question.number);
        (kind, place).hash(&mut self.0);
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
