//! Bounds on the memory that large bodies, and large answers, take together.

use std::sync::Arc;

use ledger::Unavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// What has up to this size needs no place: the number of connections bounds it.
const SMALL_BYTES: usize = 16 * 1024;
/// What room is counted in.
const ROOM_BYTES: usize = 1024;

/// Room that is shared.
pub(crate) struct Room(Arc<Semaphore>);

/// A place in the room, given back when it is dropped.
pub(crate) struct Place(Option<OwnedSemaphorePermit>);

impl Room {
    /// Room for this many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let permits = (bytes_max / ROOM_BYTES).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// A place for so many bytes, at once or not at all.
    pub(crate) fn take(&self, bytes: usize) -> Result<Place, Problem> {
        let Some(permits) = permits(bytes) else {
            return Ok(Place(None));
        };
        match Arc::clone(&self.0).try_acquire_many_owned(permits) {
            Ok(permit) => Ok(Place(Some(permit))),
            Err(_) => Err(Unavailable::Overloaded.into()),
        }
    }
}

impl Place {
    /// Gives back what is not needed for so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let needed = permits(bytes).unwrap_or(0) as usize;
        if let Some(permit) = &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }
}

fn permits(bytes: usize) -> Option<u32> {
    let permits = || u32::try_from(bytes.div_ceil(ROOM_BYTES)).unwrap_or(u32::MAX);
    (bytes > SMALL_BYTES).then(permits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_as_far_as_it_is_not_needed() {
        let room = Room::new(100 * 1024);
        let small: Vec<_> = (0..100).map(|_| room.take(SMALL_BYTES)).collect();
        assert!(small.iter().all(Result::is_ok), "small ones take no room");
        let mut first = room.take(90 * 1024).unwrap();
        let refused = room.take(20 * 1024).map(|_| ()).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code), (503, "overloaded"));
        first.shrink_to(80 * 1024);
        let second = room.take(20 * 1024).unwrap();
        assert!(room.take(20 * 1024).is_err());
        first.shrink_to(10);
        assert!(room.take(80 * 1024).is_ok());
        drop((first, second));
        assert!(room.take(100 * 1024).is_ok());
        assert!(room.take(101 * 1024).is_err());
    }
}
