//! Bounds on the memory that large bodies, and large answers, take together.

use std::sync::Arc;

use ledger::Unavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What has up to this size needs no place over HTTP: the number of connections bounds it.
const SMALL_BYTES: usize = 16 * 1024;
/// What room is counted in.
const ROOM_BYTES: usize = 1024;

/// Room that is shared.
pub(crate) struct Room {
    permits: Arc<Semaphore>,
    /// What needs no place.
    free_bytes: usize,
}

/// A place in the room, given back when it is dropped.
pub(crate) struct Place {
    room: Arc<Semaphore>,
    free_bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for this many bytes, where small things need none.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self::counting_from(bytes_max, SMALL_BYTES)
    }

    /// Room for this many bytes, where everything needs a place: over HTTP/2 a connection has many
    /// streams.
    pub(crate) fn of_streams(bytes_max: usize) -> Self {
        Self::counting_from(bytes_max, 0)
    }

    fn counting_from(bytes_max: usize, free_bytes: usize) -> Self {
        let permits = (bytes_max / ROOM_BYTES).min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            free_bytes,
        }
    }

    /// A place that has nothing in it yet.
    pub(crate) fn place(&self) -> Place {
        Place {
            room: Arc::clone(&self.permits),
            free_bytes: self.free_bytes,
            permit: None,
        }
    }

    /// A place for so many bytes, at once or not at all.
    pub(crate) fn take(&self, bytes: usize) -> Result<Place, Unavailable> {
        let mut place = self.place();
        place.grow_to(bytes)?;
        Ok(place)
    }
}

impl Place {
    /// Takes what is missing for so many bytes, at once or not at all.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Unavailable> {
        let missing = self.permits(bytes).saturating_sub(self.held());
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| Unavailable::Overloaded)?;
        let more = Arc::clone(&self.room)
            .try_acquire_many_owned(missing)
            .map_err(|_| Unavailable::Overloaded)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Gives back what is not needed for so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let needed = self.permits(bytes);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }

    fn held(&self) -> usize {
        let permit = self.permit.as_ref();
        permit.map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn permits(&self, bytes: usize) -> usize {
        if bytes <= self.free_bytes {
            0
        } else {
            bytes.div_ceil(ROOM_BYTES)
        }
    }
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
        assert_eq!(refused, Unavailable::Overloaded);
        first.shrink_to(80 * 1024);
        let second = room.take(20 * 1024).unwrap();
        assert!(room.take(20 * 1024).is_err());
        first.shrink_to(10);
        assert!(room.take(80 * 1024).is_ok());
        drop((first, second));
        assert!(room.take(100 * 1024).is_ok());
        assert!(room.take(101 * 1024).is_err());
    }

    #[test]
    fn a_place_grows_as_far_as_there_is_room() {
        let room = Room::of_streams(100 * 1024);
        let mut first = room.place();
        for bytes in [1, 10, 1024, 1025, 90 * 1024] {
            first.grow_to(bytes).unwrap();
        }
        let mut second = room.take(1).unwrap();
        assert_eq!(second.grow_to(11 * 1024), Err(Unavailable::Overloaded));
        second.grow_to(10 * 1024).unwrap();
        assert!(room.take(1).is_err(), "the smallest takes room too");
        drop(first);
        second.grow_to(100 * 1024).unwrap();
    }
}
