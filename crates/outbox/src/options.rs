//! What can be chosen, and its bounds.

use std::time::Duration;

use journal::Durability;

/// The least a disk quota can be: four of the smallest segments.
const BYTES_MIN: u64 = 4 * SEGMENT_BYTES_MIN;
const SEGMENT_BYTES_MIN: u64 = 512 << 10;
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// One write and one sync have at most so many bytes.
const FRAME_BYTES_MAX: u64 = 256 << 10;
/// Marks keep so much of each segment for themselves, so that they go on when the disk is full.
const RESERVE_BYTES_MAX: u64 = 64 << 10;
/// Room for one mark at least.
const RESERVE_BYTES_MIN: u64 = 64;

/// How an outbox is kept.
#[derive(Clone, Debug)]
pub struct OutboxOptions {
    /// What a 202 waits for.
    pub durability: Durability,
    /// How much of the disk the outbox may take, the segment that is prepared ahead included:
    /// 1 GiB. Beyond: `overloaded`.
    pub bytes_max: u64,
    /// The most operations that may be queued: 1,000,000, about 90 MB of memory. Beyond:
    /// `overloaded`.
    pub operations_max: usize,
    /// Size of one segment file; an existing outbox keeps its own.
    pub segment_bytes: u64,
    /// How long one call of the engine may take: 5 s. Beyond, it is repeated with fewer operations.
    pub submit_timeout: Duration,
    /// The longest wait before a call is repeated: 1 s. The first is 10 ms, and it doubles.
    pub pause_max: Duration,
}

/// The options cannot work.
#[derive(Debug, thiserror::Error)]
#[error(
    "an outbox of {bytes_max} bytes is too small: with segments of {segment_bytes} bytes it needs {least}"
)]
pub struct OptionsInvalid {
    bytes_max: u64,
    segment_bytes: u64,
    least: u64,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Disk,
            bytes_max: 1 << 30,
            operations_max: 1_000_000,
            segment_bytes: SEGMENT_BYTES_MAX,
            submit_timeout: Duration::from_secs(5),
            pause_max: Duration::from_secs(1),
        }
    }
}

impl OutboxOptions {
    /// The defaults within a disk quota, with segments that suit it.
    ///
    /// # Errors
    ///
    /// When the quota is below 2 MiB.
    pub fn within(bytes_max: u64) -> Result<Self, OptionsInvalid> {
        if bytes_max < BYTES_MIN {
            return Err(OptionsInvalid {
                bytes_max,
                segment_bytes: SEGMENT_BYTES_MIN,
                least: BYTES_MIN,
            });
        }
        Ok(Self {
            bytes_max,
            segment_bytes: (bytes_max / 16).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
            ..Self::default()
        })
    }

    /// Whether the quota suits the segments there are.
    pub(crate) fn check(&self, segment_bytes: u64) -> Result<(), OptionsInvalid> {
        // The first, the one prepared ahead, the next, and one that only marks may begin.
        let least = segment_bytes.saturating_mul(4);
        if self.bytes_max < least {
            return Err(OptionsInvalid {
                bytes_max: self.bytes_max,
                segment_bytes,
                least,
            });
        }
        Ok(())
    }

    pub(crate) fn journal(&self) -> journal::JournalOptions {
        let frame_bytes_max = FRAME_BYTES_MAX.min(self.segment_bytes / 2);
        journal::JournalOptions {
            segment_bytes: self.segment_bytes,
            frame_bytes_max: usize::try_from(frame_bytes_max).expect("`FRAME_BYTES_MAX` bounds it"),
            durability: self.durability,
            // They are read in order.
            open_files_max: 16,
            retires: true,
            creates: true,
        }
    }
}

/// How much of a segment of this size only marks may take.
pub(crate) fn reserve_bytes(segment_bytes: u64) -> usize {
    let bytes = (segment_bytes / 64).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
    usize::try_from(bytes).expect("`RESERVE_BYTES_MAX` bounds it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_suit_the_quota() {
        for (bytes_max, segment_bytes) in [
            (2 << 20, 512 << 10),
            (64 << 20, 4 << 20),
            (1 << 30, 8 << 20),
            (1 << 40, 8 << 20),
        ] {
            let options = OutboxOptions::within(bytes_max).unwrap();
            assert_eq!(options.segment_bytes, segment_bytes);
            assert!(options.check(segment_bytes).is_ok());
        }
        let error = OutboxOptions::within((2 << 20) - 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("needs 2097152"), "{error}");
        let small = OutboxOptions::within(2 << 20).unwrap();
        assert!(small.check(8 << 20).is_err());
    }
}
