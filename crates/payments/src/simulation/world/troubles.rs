//! What befalls nodes from second to second.

use rand::Rng;

use super::super::ms;
use super::{Happening, STOPPED_MAX, World};

impl World {
    pub(super) fn second(&mut self) {
        for node in 0..self.nodes.len() {
            if self.chance(self.faults.crash_in_s) {
                self.crash(node);
            }
            if self.chance(self.faults.frozen_in_s) {
                self.tally.frozen += 1;
                let stopped_max_ms = u64::try_from(STOPPED_MAX.as_millis()).unwrap();
                let thawed_at = self.now + ms(self.rng.random_range(0..stopped_max_ms));
                self.nodes[node].frozen_until = thawed_at;
            }
            if self.chance(self.faults.cut_off_in_s) {
                let until = self.now + ms(self.rng.random_range(0..15_000));
                self.nodes[node].cut_off_until = until;
            }
            if self.chance(self.faults.clock_step_in_s) {
                self.nodes[node].wall_offset_ms = self.rng.random_range(-60_000..60_000);
            }
        }
        if self.chance(self.faults.operator_in_s) {
            self.operate();
        }
        self.at(self.now + ms(1_000), Happening::Second);
    }

    /// The process ends, and another begins at once or after a while. Its lease runs out.
    pub(super) fn crash(&mut self, place: usize) {
        self.tally.restarts += 1;
        let down = [ms(0), ms(0), ms(3_000), STOPPED_MAX][self.rng.random_range(0..4)];
        let node = &mut self.nodes[place];
        node.begin();
        node.lease = None;
        node.frozen_until = self.now + down;
        let life = node.life;
        self.at(self.now + down, Happening::Renew(life));
    }
}
