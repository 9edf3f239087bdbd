//! Which processor a waiting payment goes to, and when.

use std::time::Duration;

use ledger::{DuePlace, PaymentStateName};

#[cfg(test)]
use super::Planted;
use super::payment::{Pin, Proof, Stage};
use super::processor::Room;
use super::queue::Line;
use super::{Dispatcher, Effect, Question};
use crate::answer::Found;

/// What is best for the payment at the head of a line.
enum Choice {
    To(usize),
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
            let mut best: Option<(DuePlace, usize)> = None;
            let mut patience_until = None;
            for (line, place) in self.queue.heads() {
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
        for processor in 0..self.processors.len() {
            let rooms = self.rooms(now);
            let room = rooms[processor];
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
            } else if let Some(held) = self.held.get(&place.id) {
                self.processors[processor].probe(now);
                self.questions_count += 1;
                effects.push(Effect::Probe(Question {
                    id: place.id,
                    currency: held.currency,
                    processor,
                    number: self.questions_count,
                }));
            }
        }
    }

    /// The payment with which to find out whether a processor is back; none where it would rather
    /// go, or wait, elsewhere.
    pub(super) fn prober(
        &self,
        processor: usize,
        rooms: &[Room],
        now: Duration,
    ) -> Option<DuePlace> {
        #[cfg(test)]
        match self.planted {
            Some(Planted::OldestProbes) => {
                return self.queue.heads().next().map(|(_, place)| place);
            }
            Some(Planted::ProbesOnlyWhenIdle) if self.processors[processor].pinned_count > 0 => {
                return None;
            }
            _ => {}
        }
        let place = self.queue.newest(processor)?;
        let held = self.held.get(&place.id)?;
        let is_allowed = |place: &usize| held.line.admits(*place);
        let others = (0..rooms.len()).filter(|other| *other != processor);
        let mut others = others.filter(is_allowed);
        let has_waited_enough = held.held_up_at & (1 << processor) != 0
            || now >= held.since + self.policy.deadline
            || self.processors[processor].says_failing(now);
        let is_better = |other: usize| match rooms[other] {
            Room::Free => other < processor || has_waited_enough,
            Room::Saturated => has_waited_enough,
            Room::Probe | Room::Ask | Room::Broken => false,
        };
        (!others.any(is_better)).then_some(place)
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
            Found::Failed | Found::Absent | Found::Unclear => {}
            Found::Recorded {
                amount,
                requested_at,
            } => {
                let (id, processor) = (question.id, question.processor);
                let proof = Proof {
                    processor,
                    requested_at,
                    attempt: self.held.get(&id).map_or(0, |held| held.attempt),
                    amount,
                };
                self.prove(id, proof, now, effects);
            }
        }
    }

    pub(super) fn rooms(&mut self, now: Duration) -> Vec<Room> {
        let delay_max = self.policy.delay_max;
        self.processors
            .iter_mut()
            .map(|processor| {
                let room = processor.room(now, delay_max);
                match room {
                    Room::Broken => processor.broken_since = processor.broken_since.or(Some(now)),
                    Room::Probe | Room::Ask => {}
                    Room::Free | Room::Saturated => processor.broken_since = None,
                }
                room
            })
            .collect()
    }

    fn choose(&self, rooms: &[Room], line: Line, place: DuePlace, now: Duration) -> Choice {
        let since = self.held.get(&place.id).map_or(now, |held| held.since);
        let is_allowed = |place: usize| line.refused_by & (1 << place) == 0;
        let last = (0..rooms.len()).rev().find(|place| is_allowed(*place));
        for (place, room) in rooms.iter().enumerate().filter(|(p, _)| is_allowed(*p)) {
            let waits_since = match room {
                Room::Free if line.admits(place) => return Choice::To(place),
                Room::Free | Room::Saturated => since,
                Room::Probe | Room::Ask | Room::Broken => self.processors[place]
                    .broken_since
                    .unwrap_or(now)
                    .min(since),
            };
            let until = waits_since + self.policy.preferred_wait;
            if Some(place) != last && now < until {
                return Choice::Wait(until);
            }
        }
        let until = since + self.policy.deadline;
        if now >= until {
            // Better late than never: how slow it is no longer matters.
            let works =
                |place: &usize| self.processors[*place].room(now, Duration::MAX) == Room::Free;
            if let Some(place) = (0..rooms.len()).filter(|p| line.admits(*p)).find(works) {
                return Choice::To(place);
            }
        }
        Choice::Wait(until)
    }

    fn begin(
        &mut self,
        place: DuePlace,
        processor: usize,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&place.id) else {
            return;
        };
        self.queue.remove(held.line, place);
        let lease_until = now + self.policy.processors[processor].lease;
        let pin = Pin::fresh(processor, self.wall, now, lease_until);
        held.stage = Stage::Sending(pin);
        self.processors[processor].pinned_count += 1;
        self.processors[processor].start(place.id, now);
        self.submit_send(place.id, PaymentStateName::Accepted, pin, effects);
    }
}
