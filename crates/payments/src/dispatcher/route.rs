//! Which processor a waiting payment goes to, and when.

use std::time::Duration;

use ledger::{DuePlace, PaymentStateName};

#[cfg(test)]
use super::Planted;
use super::payment::{Pin, Proof, Stage};
use super::processor::Room;
use super::window::Line;
use super::{Dispatcher, Effect, Question};
use crate::answer::Found;
use crate::policy::ProcessorIndex;

/// What is best for the payment at the head of a line.
enum Choice {
    To(ProcessorIndex),
    /// Nothing before then.
    Wait(Duration),
}

impl Dispatcher {
    /// Sends what can be sent, oldest first.
    pub(super) fn route(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.patience_until = None;
        self.find_out(now, effects);
        loop {
            let rooms = self.rooms(now);
            let mut best: Option<(DuePlace, ProcessorIndex)> = None;
            let mut patience_until = None;
            for (line, place) in self.window.heads() {
                match self.choose(&rooms, line, place, now) {
                    Choice::To(processor) if best.is_none_or(|(oldest, _)| place < oldest) => {
                        best = Some((place, processor));
                    }
                    Choice::To(_) => {}
                    Choice::Wait(until) => {
                        patience_until = Some(patience_until.map_or(until, |u| until.min(u)));
                    }
                }
            }
            let Some((place, processor)) = best else {
                self.patience_until = patience_until.filter(|until| *until > now);
                return;
            };
            self.begin(place, processor, now, effects);
        }
    }

    /// Finds out which processors are back, with one payment each that has waited least, or first by
    /// a question where a processor was silent.
    fn find_out(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        for processor in self.processors.indices() {
            let rooms = self.rooms(now);
            let room = rooms[processor.get()];
            #[cfg(test)]
            let room = match room {
                Room::Ask if self.planted == Some(Planted::OldestProbes) => Room::Probe,
                room => room,
            };
            if !matches!(room, Room::Probe | Room::Ask) {
                continue;
            }
            let Some(place) = self.prober(processor, &rooms, now) else {
                continue;
            };
            if room == Room::Probe {
                self.begin(place, processor, now, effects);
            } else if let Some(held) = self.window.get(place.id) {
                self.processors[processor].probe(now);
                effects.push(Effect::Probe(Question {
                    id: place.id,
                    currency: held.currency,
                    processor,
                    number: self.questions.probe(),
                }));
            }
        }
    }

    /// The payment with which to find out whether a processor is back; none where it would rather
    /// go, or wait, elsewhere.
    pub(super) fn prober(
        &self,
        processor: ProcessorIndex,
        rooms: &[Room],
        now: Duration,
    ) -> Option<DuePlace> {
        #[cfg(test)]
        match self.planted {
            Some(Planted::OldestProbes) => {
                return self.window.heads().next().map(|(_, place)| place);
            }
            Some(Planted::ProbesOnlyWhenIdle) if self.processors[processor].pinned_count() > 0 => {
                return None;
            }
            _ => {}
        }
        let place = self.window.newest(processor)?;
        let held = self.window.get(place.id)?;
        let has_waited_enough = held.held_up_at.contains(processor)
            || now >= held.since + self.policy.deadline
            || self.processors[processor].says_failing(now);
        let is_better = |other: ProcessorIndex| match rooms[other.get()] {
            Room::Free => other < processor || has_waited_enough,
            Room::Saturated => has_waited_enough,
            Room::Probe | Room::Ask | Room::Broken => false,
        };
        let mut others = self.processors.indices();
        let is_wanted_elsewhere =
            others.any(|other| other != processor && held.line().admits(other) && is_better(other));
        (!is_wanted_elsewhere).then_some(place)
    }

    /// What a processor said to the question whether it is back.
    pub(super) fn probed(
        &mut self,
        question: Question,
        found: Found,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if found != Found::Failed {
            self.processors[question.processor].is_heard(now);
        }
        self.found_unasked(question, found, now, effects);
    }

    /// What a processor said about a payment that is not being asked for: where it has it, that is its
    /// word.
    pub(super) fn found_unasked(
        &mut self,
        question: Question,
        found: Found,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        match found {
            // Where it is sent there, it is declined.
            Found::Failed | Found::Absent | Found::Unclear | Found::Declined => {}
            Found::Pending => self.found_pending(question, now, effects),
            Found::Recorded {
                amount,
                requested_at,
            } => {
                let (id, processor) = (question.id, question.processor);
                let attempt = self
                    .window
                    .get(id)
                    .map(|held| held.attempt_at(processor, requested_at));
                let proof = Proof {
                    processor,
                    requested_at,
                    attempt: attempt.unwrap_or(0),
                    amount,
                };
                self.prove(id, proof, now, effects);
            }
        }
    }

    /// What room each processor has, in the policy's order.
    pub(super) fn rooms(&mut self, now: Duration) -> Vec<Room> {
        let delay_max = self.policy.delay_max;
        let processors = self.processors.iter_mut();
        processors
            .map(|processor| processor.look_for_room(now, delay_max))
            .collect()
    }

    fn choose(&self, rooms: &[Room], line: Line, place: DuePlace, now: Duration) -> Choice {
        let since = self.window.get(place.id).map_or(now, |held| held.since);
        let is_allowed = |processor: &ProcessorIndex| !line.refused_by.contains(*processor);
        let last = self.processors.indices().rfind(is_allowed);
        for processor in self.processors.indices().filter(is_allowed) {
            let waits_since = match rooms[processor.get()] {
                Room::Free if line.admits(processor) => return Choice::To(processor),
                Room::Free | Room::Saturated => since,
                Room::Probe | Room::Ask | Room::Broken => {
                    let broken_since = self.processors[processor].broken_since();
                    broken_since.unwrap_or(now).min(since)
                }
            };
            let until = waits_since + self.policy.preferred_wait;
            if Some(processor) != last && now < until {
                return Choice::Wait(until);
            }
        }
        let until = since + self.policy.deadline;
        if now >= until {
            // Better late than never: how slow it is no longer matters.
            let works = |processor: &ProcessorIndex| {
                let room = self.processors[*processor].room(now, Duration::MAX);
                line.admits(*processor) && room == Room::Free
            };
            if let Some(processor) = self.processors.indices().find(works) {
                return Choice::To(processor);
            }
        }
        Choice::Wait(until)
    }

    fn begin(
        &mut self,
        place: DuePlace,
        processor: ProcessorIndex,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let begun = &mut self.processors[processor];
        let lease_until = now + begun.policy().lease;
        begun.pin();
        begun.start(place.id, now);
        let pin = Pin::fresh(processor, self.wall, now, lease_until);
        self.window.set_stage(place.id, Stage::Sending(pin));
        self.submit_send(place.id, PaymentStateName::Accepted, pin, effects);
    }
}
