//! The checked walk from the first segment to the last whole frame, shared by opening and
//! scanning. It changes nothing.

mod frames;
mod header;
mod walked;

use crate::error::OpenError;
use crate::head::Head;
use crate::storage::{Storage, segment_name, segment_number};
use frames::Segment;

pub use walked::Visited;
pub(crate) use walked::{Ending, Walked};

/// How a journal is walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// A writer may be appending meanwhile.
    pub(crate) live: bool,
    /// The oldest segments may have been retired.
    pub(crate) retires: bool,
}

/// Walks all segments.
pub(crate) fn walk<S: Storage, E>(
    storage: &S,
    how: Walk,
    mut visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Walked, OpenError<E>> {
    let (first_segment, segments) = find_segments(storage, how.retires)?;
    let mut walked = Walked {
        seal: None,
        segment_bytes: 0,
        first_segment,
        segments,
        head: Head::default(),
        last_frame: None,
        offset: 0,
        ending: Ending::Clean,
    };
    for number in first_segment..first_segment + segments {
        let name = segment_name(number);
        let file = storage
            .open_read_only(&name)
            .map_err(OpenError::io("open", &name))?;
        let mut segment = Segment {
            name: &name,
            number,
            last: number == walked.last_segment(),
            live: how.live,
            file: &file,
        };
        segment.walk(&mut walked, &mut visit)?;
    }
    Ok(walked)
}

/// The oldest segment's number and how many there are; they must be numbered without a gap, and
/// from 0 unless older ones may have been retired.
fn find_segments<S: Storage, E>(storage: &S, retires: bool) -> Result<(u64, u64), OpenError<E>> {
    let names = storage
        .list()
        .map_err(OpenError::io("list", &storage.place()))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    let oldest = numbers.first().copied().filter(|_| retires);
    let first = oldest.unwrap_or_default();
    for (expected, number) in (first..).zip(&numbers) {
        if *number != expected {
            let what = format!(
                "the file is missing, though {} is there",
                segment_name(*number)
            );
            return Err(OpenError::damaged(&segment_name(expected), 0, what));
        }
    }
    Ok((first, numbers.len() as u64))
}
