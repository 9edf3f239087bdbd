//! What can be chosen when a journal is opened, and the bounds of each choice.

use std::fmt;
use std::str::FromStr;

use crate::format::{FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// What `commit` waits for before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The frame is synced to the disk: it survives a power cut.
    #[default]
    Disk,
    /// The frame is in the page cache: it survives `kill -9`, not a power cut.
    Os,
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Disk => "disk",
            Self::Os => "os",
        })
    }
}

impl FromStr for Durability {
    type Err = UnknownDurability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "disk" => Ok(Self::Disk),
            "os" => Ok(Self::Os),
            _ => Err(UnknownDurability(text.to_owned())),
        }
    }
}

/// The text named no durability.
#[derive(Debug, thiserror::Error)]
#[error("unknown durability \"{0}\": use disk or os")]
pub struct UnknownDurability(String);

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Size of one segment file in bytes, 64 MiB by default. Chosen at creation: an existing
    /// journal keeps its own. Must hold a segment header and a maximal frame, and be at most 1 TiB.
    pub segment_bytes: u64,
    /// The longest frame that may be written, its header included; 8 MiB by default, below 4 GiB.
    pub frame_bytes_max: usize,
    /// What `commit` waits for.
    pub durability: Durability,
    /// How many sealed segments are kept open for readers, 256 by default; at least one. Where more
    /// are read, the longest unused are closed.
    pub open_files_max: usize,
    /// Whether the oldest segments may be retired ([`Journal::retire_before`]): the journal then
    /// begins with the oldest segment there is. Otherwise one without segment 0 is damaged.
    ///
    /// [`Journal::retire_before`]: crate::Journal::retire_before
    pub retires: bool,
    /// Whether a new journal is made where there is none, as by default. Otherwise its absence is
    /// [`OpenError::Missing`], and nothing is written but the lock.
    ///
    /// [`OpenError::Missing`]: crate::OpenError::Missing
    pub creates: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            frame_bytes_max: 8 << 20,
            durability: Durability::Disk,
            open_files_max: 256,
            retires: false,
            creates: true,
        }
    }
}

/// Keeps offsets and file sizes far from overflow.
const SEGMENT_BYTES_MAX: u64 = 1 << 40;

impl JournalOptions {
    /// Says why these options cannot work over segments of that size.
    pub(crate) fn check(&self, segment_bytes: u64) -> Result<(), String> {
        let frame_bytes_max = self.frame_bytes_max;
        if frame_bytes_max <= FRAME_HEADER_BYTES || u32::try_from(frame_bytes_max).is_err() {
            return Err(format!(
                "frame_bytes_max is {frame_bytes_max}: it must be above {FRAME_HEADER_BYTES} and \
                 below 2^32"
            ));
        }
        let needed = (SEGMENT_HEADER_BYTES + frame_bytes_max) as u64;
        if segment_bytes < needed || segment_bytes > SEGMENT_BYTES_MAX {
            return Err(format!(
                "a segment has {segment_bytes} bytes: with a frame_bytes_max of {frame_bytes_max} \
                 it must have {needed} to {SEGMENT_BYTES_MAX}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_reads_what_it_prints() {
        for durability in [Durability::Disk, Durability::Os] {
            assert_eq!(
                durability.to_string().parse::<Durability>().unwrap(),
                durability
            );
        }
        let refused = "Disk".parse::<Durability>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "unknown durability \"Disk\": use disk or os"
        );
    }

    #[test]
    fn a_segment_holds_a_maximal_frame() {
        let options = JournalOptions {
            frame_bytes_max: 4096,
            ..JournalOptions::default()
        };
        assert!(options.check(4096 + 128).is_ok());
        assert!(options.check(4096 + 127).is_err());
        assert!(options.check(u64::MAX).is_err());
        assert!(
            JournalOptions {
                frame_bytes_max: 120,
                ..JournalOptions::default()
            }
            .check(4096)
            .is_err()
        );
    }
}
