//! What a walk hands out and where it ends.

use crate::address::Address;
use crate::format::{FrameInfo, Seal};
use crate::head::Head;

/// One record, as the walk hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Visited<'a> {
    /// Where it lies.
    pub address: Address,
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
#[derive(Debug)]
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
    /// The last segment's number.
    pub(crate) fn last_segment(&self) -> u64 {
        self.first_segment + self.segments.saturating_sub(1)
    }
}
