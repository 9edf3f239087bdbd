//! One file's bytes: as readers see them, and as they would be after a power cut.

use super::random::Random;

/// A disk may keep any of a write's sectors and lose the others.
const SECTOR_BYTES: usize = 512;

/// A write that is not durable.
#[derive(Clone, Debug)]
pub(super) struct Write {
    offset: usize,
    bytes: Vec<u8>,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What readers see.
    pub(super) now: Vec<u8>,
    /// What was synced.
    durable: Vec<u8>,
    /// Written since the last sync, oldest first.
    pending: Vec<Write>,
    /// Written before a sync that failed: no later sync makes these durable.
    doubtful: Vec<Write>,
}

impl Content {
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).map_or(self.now.len(), |at| at.min(self.now.len()));
        let count = buffer.len().min(self.now.len() - start);
        buffer[..count].copy_from_slice(&self.now[start..start + count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let write = Write {
            offset,
            bytes: bytes.to_vec(),
        };
        write.apply(&mut self.now);
        self.pending.push(write);
    }

    pub(super) fn sync(&mut self) {
        for write in self.pending.drain(..) {
            write.apply(&mut self.durable);
        }
    }

    pub(super) fn fail_sync(&mut self) {
        self.doubtful.append(&mut self.pending);
    }

    pub(super) fn alter(&mut self, change: &dyn Fn(&mut Vec<u8>)) {
        change(&mut self.now);
        // Un-synced writes still lie over it; what lies under them may be shorter.
        let length = self.now.len().max(self.durable.len());
        self.durable.resize(length, 0);
        change(&mut self.durable);
    }

    /// As it is now, all of it durable.
    pub(super) fn settled(&self) -> Self {
        Self {
            now: self.now.clone(),
            durable: self.now.clone(),
            ..Self::default()
        }
    }

    /// What a power cut leaves.
    pub(super) fn crash(&self, random: &mut Random) -> Self {
        let mut durable = self.durable.clone();
        for write in self.doubtful.iter().chain(&self.pending) {
            write.apply_in_part(&mut durable, random);
        }
        Self {
            now: durable.clone(),
            durable,
            ..Self::default()
        }
    }

    /// A write that fails: any part of it may be done.
    pub(super) fn write_in_part(&mut self, bytes: &[u8], offset: usize, random: &mut Random) {
        let keep = random.below(bytes.len() + 1);
        self.write(&bytes[..keep], offset);
    }
}

impl Write {
    fn apply(&self, target: &mut Vec<u8>) {
        self.apply_range(target, 0, self.bytes.len());
    }

    fn apply_range(&self, target: &mut Vec<u8>, start: usize, end: usize) {
        let range = self.offset + start..self.offset + end;
        if target.len() < range.end {
            target.resize(range.end, 0);
        }
        target[range].copy_from_slice(&self.bytes[start..end]);
    }

    /// Lost, whole, cut at a byte (either side kept), or a choice of its sectors.
    fn apply_in_part(&self, target: &mut Vec<u8>, random: &mut Random) {
        let length = self.bytes.len();
        match random.below(5) {
            0 => {}
            1 => self.apply(target),
            2 => self.apply_range(target, 0, random.below(length + 1)),
            3 => self.apply_range(target, random.below(length + 1), length),
            _ => {
                let mut start = 0;
                while start < length {
                    let to_next = SECTOR_BYTES - (self.offset + start) % SECTOR_BYTES;
                    let end = length.min(start + to_next);
                    if random.coin() {
                        self.apply_range(target, start, end);
                    }
                    start = end;
                }
            }
        }
    }
}
