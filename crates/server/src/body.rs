//! Request bodies: each bounded in bytes and time, and all that wait together bounded too.

use std::time::Instant;

use axum::body::Body;
use hyper::body::{Body as _, Bytes};
use ledger::Unavailable;

use crate::arrival::{Arrival, NotArrived, Pieces};
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
    mut body: Body,
    bytes_max: usize,
    deadline: Instant,
) -> Result<BodyBytes, Problem> {
    let announced = body.size_hint();
    if announced.lower() > bytes_max as u64 {
        return Err(errors::body_too_large(bytes_max));
    }
    let mut arrival = Arrival::new(room, deadline);
    let mut pieces = Pieces::default();
    while let Some(piece) = arrival.next(&mut body).await? {
        if pieces.len() + piece.len() > bytes_max {
            return Err(errors::body_too_large(bytes_max));
        }
        pieces.push(piece, bytes_max);
    }
    Ok(BodyBytes {
        bytes: pieces.into_bytes(),
        _place: arrival.into_place(),
    })
}

impl From<NotArrived> for Problem {
    fn from(why: NotArrived) -> Self {
        match why {
            NotArrived::Overloaded => Unavailable::Overloaded.into(),
            NotArrived::Late => errors::request_timeout(),
            NotArrived::Broken => errors::body_incomplete(),
        }
    }
}
