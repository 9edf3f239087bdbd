//! What a walk hands out and where it ends.

use crate::address::Address;
use crate::format::{FrameInfo, Seal};
use crate::head::Head;
use crate::segment_start::SegmentStart;

/// One record, as the walk hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Visited<'a> {
    /// Where it lies.
    pub address: Address,
    /// The number of its segment.
    pub segment: u64,
    /// Size of the journal's segments in bytes.
    pub segment_bytes: u64,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The frame it was committed in.
    pub frame: &'a FrameInfo,
    /// 0 for the frame's first record.
    pub index_in_frame: u32,
    /// Whether it is the frame's last record.
    pub last_in_frame: bool,
}

/// What lies after the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Zeros.
    Clean,
    /// A torn write of that many bytes.
    Torn(u64),
    /// The last segment has no header yet, or a torn one of that many bytes.
    NoHeader(u64),
}

/// Where the walk ended.
#[derive(Clone, Debug)]
pub(crate) struct Walked {
    /// The journal's identity; `None` if it has no segment with a header yet.
    pub(crate) seal: Option<Seal>,
    pub(crate) segment_bytes: u64,
    /// Number of the oldest segment file: 0, unless older ones were retired.
    pub(crate) first_segment: u64,
    /// Number of segment files.
    pub(crate) segments: u64,
    pub(crate) head: Head,
    pub(crate) last_frame: Option<FrameInfo>,
    /// End of the last whole frame, in the last segment.
    pub(crate) offset: u64,
    pub(crate) ending: Ending,
}

impl Walked {
    /// A walk that has not begun, over so many segments; `from` is where it begins, if not with
    /// the oldest one.
    pub(crate) fn before(from: Option<&SegmentStart>, first_segment: u64, segments: u64) -> Self {
        Self {
            seal: from.map(|from| Seal::new(from.id)),
            segment_bytes: from.map_or(0, |from| from.segment_bytes),
            first_segment,
            segments,
            head: from.map_or_else(Head::default, |from| from.head),
            last_frame: None,
            offset: 0,
            ending: Ending::Clean,
        }
    }

    /// The last segment's number.
    pub(crate) fn last_segment(&self) -> u64 {
        self.first_segment + self.segments.saturating_sub(1)
    }
}
