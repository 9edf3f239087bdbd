//! Who waits for whom: the deliveries of each lane, in their order.

use std::collections::VecDeque;

use hashbrown::HashMap;
use stdx::invariant;

use super::delivery::Lane;

/// A lane, and whether it is one of dead letters that are tried again.
type Key = (bool, Lane);

/// The deliveries in hand, by lane, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<Key, VecDeque<u64>>);

impl Lanes {
    /// The delivery waits behind all others of its lanes.
    pub(super) fn enter(&mut self, number: u64, was_dead: bool, lanes: &[Lane]) {
        for lane in lanes {
            let line = self.0.entry((was_dead, lane.clone())).or_default();
            line.push_back(number);
        }
    }

    /// Whether it waits for none.
    pub(super) fn is_first(&self, number: u64, was_dead: bool, lanes: &[Lane]) -> bool {
        lanes.iter().all(|lane| {
            let line = self.0.get(&(was_dead, lane.clone()));
            line.and_then(VecDeque::front) == Some(&number)
        })
    }

    /// The first of all its lanes has ended.
    pub(super) fn leave(&mut self, number: u64, was_dead: bool, lanes: &[Lane]) {
        for lane in lanes {
            let key = (was_dead, lane.clone());
            let Some(line) = self.0.get_mut(&key) else {
                unreachable!("a delivery leaves the lanes that it entered");
            };
            let first = line.pop_front();
            invariant!(
                first == Some(number),
                "only the first of a lane is sent, so only it ends"
            );
            if line.is_empty() {
                self.0.remove(&key);
            }
        }
    }
}
