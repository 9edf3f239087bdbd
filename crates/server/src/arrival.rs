//! Bytes that arrive in pieces: room for them is taken as they come, and they have to keep coming.
//!
//! A caller that announces much and sends little takes little room, and one that holds much room has to
//! go on sending: [`PACE_BYTES`] within each [`PACE_INTERVAL`].

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use ledger::Unavailable;
use tokio::time::{Instant, timeout_at};

use crate::room::{Place, Room};

/// What has to come within [`PACE_INTERVAL`] where more than this has come: 8 kB a second.
const PACE_BYTES: usize = 16 * 1024;
const PACE_INTERVAL: Duration = Duration::from_secs(2);

/// Why not all of it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotArrived {
    /// There is no room for it.
    Overloaded,
    /// It was not there in time.
    Late,
    /// It broke off, or is not well framed.
    Broken,
}

/// What has arrived of a body.
pub(crate) struct Arrival {
    place: Place,
    bytes_count: usize,
    deadline: Instant,
    pace_checked_at: Instant,
    pace_bytes_count: usize,
}

impl Arrival {
    /// Of a body that has to be there by then.
    pub(crate) fn new(room: &Room, deadline: std::time::Instant) -> Self {
        Self {
            place: room.place(),
            bytes_count: 0,
            deadline: deadline.into(),
            pace_checked_at: Instant::now(),
            pace_bytes_count: 0,
        }
    }

    /// The next piece, once there is room for it; `None` at the end.
    pub(crate) async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, NotArrived> {
        let piece = self.next_unplaced(body).await?;
        self.take_room()?;
        Ok(piece)
    }

    /// Takes the room for what has come.
    pub(crate) fn take_room(&mut self) -> Result<(), NotArrived> {
        let taken = self.place.grow_to(self.bytes_count);
        taken.map_err(|_: Unavailable| NotArrived::Overloaded)
    }

    /// The next piece, which may be the one that says that there will be too many.
    pub(crate) async fn next_unplaced(
        &mut self,
        body: &mut Body,
    ) -> Result<Option<Bytes>, NotArrived> {
        loop {
            let frame = match timeout_at(self.wait_until(), body.frame()).await {
                Ok(Some(frame)) => frame.map_err(|_| NotArrived::Broken)?,
                Ok(None) => return Ok(None),
                Err(_) => {
                    self.check_pace()?;
                    continue;
                }
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.bytes_count += data.len();
            self.check_pace()?;
            return Ok(Some(data));
        }
    }

    /// The room that it takes.
    pub(crate) fn into_place(self) -> Place {
        self.place
    }

    fn wait_until(&self) -> Instant {
        if self.bytes_count > PACE_BYTES {
            self.deadline.min(self.pace_checked_at + PACE_INTERVAL)
        } else {
            self.deadline
        }
    }

    fn check_pace(&mut self) -> Result<(), NotArrived> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(NotArrived::Late);
        }
        if now < self.pace_checked_at + PACE_INTERVAL {
            return Ok(());
        }
        let came = self.bytes_count - self.pace_bytes_count;
        if self.bytes_count > PACE_BYTES && came < PACE_BYTES {
            return Err(NotArrived::Late);
        }
        self.pace_checked_at = now;
        self.pace_bytes_count = self.bytes_count;
        Ok(())
    }
}

/// Pieces one after the other: copied only where there are several.
#[derive(Default)]
pub(crate) struct Pieces {
    first: Bytes,
    joined: Vec<u8>,
}

impl Pieces {
    /// Adds a piece; all together have `bytes_max` bytes at most.
    pub(crate) fn push(&mut self, piece: Bytes, bytes_max: usize) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined = std::mem::take(&mut self.first).into();
        }
        let length = self.joined.len() + piece.len();
        if length > self.joined.capacity() {
            // Twice as much, as vectors grow, but no more than there will be.
            let capacity = (2 * length).min(bytes_max.max(length));
            self.joined.reserve_exact(capacity - self.joined.len());
        }
        self.joined.extend_from_slice(&piece);
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    /// A body that brings a piece of so many bytes each time so much time has passed.
    fn dribbling(piece_bytes: usize, pause: Duration) -> Body {
        let first = stream::once(async { Ok::<_, Infallible>(Bytes::from(vec![0; 64 << 10])) });
        let others = stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(pause).await;
            Ok(Bytes::from(vec![0; piece_bytes]))
        });
        Body::from_stream(first.chain(others.boxed()))
    }

    async fn arrive(body: Body, room: &Room, patience: Duration) -> (usize, NotArrived) {
        let mut body = body;
        let deadline = Instant::now() + patience;
        let mut arrival = Arrival::new(room, deadline.into_std());
        loop {
            match arrival.next(&mut body).await {
                Ok(piece) => assert!(piece.is_some(), "it never ends"),
                Err(why) => return (arrival.bytes_count, why),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_holds_much_room_has_to_keep_coming() {
        let room = Room::new(1 << 30);
        let patience = Duration::from_secs(60);
        let started = Instant::now();
        let slow = dribbling(1, Duration::from_millis(100));
        let (_, why) = arrive(slow, &room, patience).await;
        assert_eq!(why, NotArrived::Late);
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
        let started = Instant::now();
        let fast = dribbling(16 << 10, Duration::from_millis(1_900));
        assert_eq!(arrive(fast, &room, patience).await.1, NotArrived::Late);
        let elapsed = started.elapsed();
        assert!(
            elapsed >= patience,
            "its own deadline, not the pace: {elapsed:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_as_bytes_arrive() {
        let room = Room::new(100 << 10);
        let body = dribbling(16 << 10, Duration::from_millis(10));
        let patience = Duration::from_secs(60);
        let (came, why) = arrive(body, &room, patience).await;
        assert_eq!((came, why), ((64 + 3 * 16) << 10, NotArrived::Overloaded));
        assert!(room.take(100 << 10).is_ok(), "all was given back");
    }

    #[test]
    fn pieces_are_put_together() {
        let mut pieces = Pieces::default();
        for text in ["ab", "", "cde", "f"] {
            pieces.push(Bytes::from(text), 6);
        }
        assert_eq!(pieces.len(), 6);
        assert_eq!(pieces.into_bytes(), "abcdef");
        assert_eq!(Pieces::default().into_bytes(), "");
    }
}
