//! Request bodies: each bounded in bytes and time, and all that wait together bounded too.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes};
use ledger::Unavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors;
use crate::problem::Problem;

/// Bodies up to this size need no room of their own: the number of connections bounds them.
const SMALL_BYTES: usize = 16 * 1024;
/// What room is counted in.
const ROOM_BYTES: usize = 1024;

/// The room that large bodies share.
pub(crate) struct Room(Arc<Semaphore>);

/// A body that has arrived as a whole, with the room it takes.
pub(crate) struct BodyBytes {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl std::ops::Deref for BodyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Room {
    /// Room for this many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let permits = (bytes_max / ROOM_BYTES).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// Reads a body of `bytes_max` bytes at most.
    pub(crate) async fn read(
        &self,
        body: Body,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<BodyBytes, Problem> {
        let size = body.size_hint();
        let announced = usize::try_from(size.lower()).unwrap_or(usize::MAX);
        if announced > bytes_max {
            return Err(errors::body_too_large(bytes_max));
        }
        // A body in chunks does not say how large it will be.
        let needed = size.exact().map_or(bytes_max, |_| announced);
        let room = self.take(needed)?;
        let collected = Limited::new(body, bytes_max).collect();
        match tokio::time::timeout_at(deadline.into(), collected).await {
            Ok(Ok(body)) => Ok(BodyBytes {
                bytes: body.to_bytes(),
                _room: room,
            }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(errors::body_too_large(bytes_max))
            }
            Ok(Err(_)) => Err(errors::body_incomplete()),
            Err(_) => Err(errors::request_timeout()),
        }
    }

    fn take(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if bytes <= SMALL_BYTES {
            return Ok(None);
        }
        let permits = u32::try_from(bytes.div_ceil(ROOM_BYTES)).unwrap_or(u32::MAX);
        match Arc::clone(&self.0).try_acquire_many_owned(permits) {
            Ok(room) => Ok(Some(room)),
            Err(_) => Err(Unavailable::Overloaded.into()),
        }
    }
}
