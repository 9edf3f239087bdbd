//! What the fixtures hold: shared by the generator and by the test that reads them.

use journal::{Durability, JournalOptions};

/// Frames in a fixture; frame `n` (from 0) has `n % 8 + 1` records and the time `1000 + n`.
pub(crate) const FRAMES: u64 = 80;

pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 4 << 10,
        frame_bytes_max: 2 << 10,
        durability: Durability::Disk,
        ..JournalOptions::default()
    }
}

pub(crate) fn records_of(frame: u64) -> Vec<Vec<u8>> {
    (0..=frame % 8)
        .map(|index| {
            let text = format!("frame {frame} record {index} ");
            text.repeat(usize::try_from(frame * index % 9).unwrap_or(0))
                .into_bytes()
        })
        .collect()
}
