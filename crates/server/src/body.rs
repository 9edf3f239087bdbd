//! Request bodies: each bounded in bytes and time, and all that wait together bounded too.

use std::time::Instant;

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes};

use crate::errors;
use crate::problem::Problem;
use crate::room::{Place, Room};

/// A body that has arrived as a whole, with the room it takes.
pub(crate) struct BodyBytes {
    bytes: Bytes,
    _place: Place,
}

impl std::ops::Deref for BodyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of `bytes_max` bytes at most.
pub(crate) async fn read(
    room: &Room,
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
    let place = room.take(needed)?;
    let collected = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout_at(deadline.into(), collected).await {
        Ok(Ok(body)) => Ok(BodyBytes {
            bytes: body.to_bytes(),
            _place: place,
        }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(errors::body_too_large(bytes_max)),
        Ok(Err(_)) => Err(errors::body_incomplete()),
        Err(_) => Err(errors::request_timeout()),
    }
}
