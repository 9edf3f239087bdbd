//! The checked walk from the first segment to the last whole frame, shared by opening and
//! scanning. It changes nothing.

mod frames;
mod header;
mod walked;

use crate::error::OpenError;
use crate::segment_start::{SegmentStart, read_segment_start};
use crate::storage::{Storage, segment_name, segment_number};
pub(crate) use frames::Segment;

pub use walked::Visited;
pub(crate) use walked::{Ending, Walked};

/// How a journal is walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// A writer may be appending meanwhile.
    pub(crate) live: bool,
    /// The oldest segments may have been retired.
    pub(crate) retires: bool,
    /// Where the walk begins, if not with the oldest segment.
    pub(crate) from: Option<SegmentStart>,
}

/// Walks all segments, or those from [`Walk::from`] on.
pub(crate) fn walk<S: Storage, E>(
    storage: &S,
    how: Walk,
    mut visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Walked, OpenError<E>> {
    let (first_segment, segments) = find_segments(storage, how.retires)?;
    let mut walked = Walked::before(how.from.as_ref(), first_segment, segments);
    let first_walked = how.from.map_or(first_segment, |from| from.number);
    for number in first_walked..first_segment + segments {
        let last = number == walked.last_segment();
        walk_one(storage, number, last, how.live, &mut walked, &mut visit)?;
    }
    Ok(walked)
}

/// Walks sealed segments only, `from` and those after it up to and without `end`, which must be
/// there: its header is checked against what was reached.
pub(crate) fn walk_sealed<S: Storage, E>(
    storage: &S,
    from: &SegmentStart,
    end: u64,
    mut visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<(), OpenError<E>> {
    let mut walked = Walked::before(Some(from), 0, end + 1);
    for number in from.number..end {
        walk_one(storage, number, false, false, &mut walked, &mut visit)?;
    }
    let name = segment_name(end);
    let next = read_segment_start(storage, end).map_err(OpenError::io("read", &name))?;
    if next.is_none_or(|next| next.head != walked.head || next.id != from.id) {
        let what = "its header does not continue the segment before it";
        return Err(OpenError::damaged(&name, 0, what));
    }
    Ok(())
}

fn walk_one<S: Storage, E>(
    storage: &S,
    number: u64,
    last: bool,
    live: bool,
    walked: &mut Walked,
    visit: &mut impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<(), OpenError<E>> {
    let name = segment_name(number);
    let file = storage
        .open_read_only(&name)
        .map_err(OpenError::io("open", &name))?;
    let mut segment = Segment {
        name: &name,
        number,
        last,
        live,
        file: &file,
    };
    segment.walk(walked, visit)
}

/// The oldest segment's number and how many there are; they must be numbered without a gap, and
/// from 0 unless older ones may have been retired.
pub(crate) fn find_segments<S: Storage, E>(
    storage: &S,
    retires: bool,
) -> Result<(u64, u64), OpenError<E>> {
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
