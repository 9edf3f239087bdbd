//! Which processor a waiting payment goes to, and when.

use std::time::Duration;

use ledger::{DuePlace, PaymentStateName};

use super::payment::{Pin, Stage};
use super::processor::Room;
use super::{Dispatcher, Effect};

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
        loop {
            let rooms = self.rooms(now);
            let mut best: Option<(DuePlace, usize)> = None;
            let mut patience_until = None;
            for (refused_by, place) in self.queue.heads() {
                match self.choose(&rooms, refused_by, place, now) {
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

    fn rooms(&mut self, now: Duration) -> Vec<Room> {
        let delay_max = self.policy.delay_max;
        self.processors
            .iter_mut()
            .map(|processor| {
                let room = processor.room(now, delay_max);
                match room {
                    Room::Broken => processor.broken_since = processor.broken_since.or(Some(now)),
                    Room::Probe => {}
                    Room::Free | Room::Saturated => processor.broken_since = None,
                }
                room
            })
            .collect()
    }

    fn choose(&self, rooms: &[Room], refused_by: u64, place: DuePlace, now: Duration) -> Choice {
        let since = self.held.get(&place.id).map_or(now, |held| held.since);
        let is_allowed = |place: usize| refused_by & (1 << place) == 0;
        let last = (0..rooms.len()).rev().find(|place| is_allowed(*place));
        for (place, room) in rooms.iter().enumerate().filter(|(p, _)| is_allowed(*p)) {
            let waits_since = match room {
                Room::Free | Room::Probe => return Choice::To(place),
                Room::Saturated => since,
                Room::Broken => self.processors[place]
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
            if let Some(place) = (0..rooms.len()).filter(|p| is_allowed(*p)).find(works) {
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
        self.queue.remove(held.refused_by, place);
        let lease_until = now + self.policy.processors[processor].lease;
        let pin = Pin::fresh(processor, self.wall, now, lease_until);
        held.stage = Stage::Sending(pin);
        self.processors[processor].pinned_count += 1;
        self.processors[processor].start(place.id, now);
        self.submit_send(place.id, PaymentStateName::Accepted, pin, effects);
    }
}
