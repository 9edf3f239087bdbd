//! A page of events, which may wait for its first.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use ledger::EventsFrom;

use super::reading::{EVENT_BYTES_MAX, PIECE_BYTES_MAX, PieceMax, Reading};
use super::view;
use crate::call::Answered;
use crate::ending::Ending;
use crate::json;
use crate::problem::Problem;
use crate::room::Place;

/// A page ends with the event that passes this.
const PAGE_BYTES: usize = 1024 * 1024;
/// How much of it is written at a time.
const STEP_BYTES: usize = 128 * 1024;
/// How many events a request looks at, whatever it shows of them.
const LOOKED_AT_MAX: usize = 10_000;

const BEGINNING: &[u8] = b"{\"events\":[";

/// Answers with the next page.
pub(super) async fn respond(
    mut reading: Reading,
    limit: usize,
    wait: Duration,
    mut ending: Ending,
) -> Answered {
    let until = Instant::now() + wait;
    let (place, mut body) = loop {
        let page = gather(&mut reading, limit).await?;
        let may_wait = Instant::now() < until && !ending.is_here();
        if !page.is_at_end || page.shown > 0 || !may_wait {
            break (page.place, page.body);
        }
        // Where too many wait already the answer comes at once: who wants more asks again.
        let Some(_waits) = reading.call.place_to_wait() else {
            break (page.place, page.body);
        };
        // Who waits holds no room.
        let Gathered { place, body, .. } = page;
        drop((place, body));
        reading.wait(until, &mut ending).await?;
    };
    let EventsFrom::After(next) = reading.from else {
        unreachable!("a piece was read: the reading is behind it");
    };
    body.extend_from_slice(format!("],\"next\":\"{next}\"}}").as_bytes());
    Ok(json::respond_written(place, StatusCode::OK, body))
}

struct Gathered {
    place: Place,
    /// The beginning of the answer, with its events.
    body: Vec<u8>,
    shown: usize,
    /// Whether there was nothing more.
    is_at_end: bool,
}

/// Reads on until the page is full, enough was looked at, or there is nothing more.
async fn gather(reading: &mut Reading, limit: usize) -> Result<Gathered, Problem> {
    let mut place = reading.call.place(0)?;
    let mut body = BEGINNING.to_vec();
    let (mut shown, mut looked_at) = (0, 0);
    let write = |placed: &_, to: &mut Vec<u8>| {
        if to.len() > BEGINNING.len() {
            to.push(b',');
        }
        view::write(placed, to);
    };
    let is_at_end = loop {
        let bytes = (body.len() + STEP_BYTES).min(PAGE_BYTES);
        place.grow_to(bytes + EVENT_BYTES_MAX + PIECE_BYTES_MAX)?;
        let max = PieceMax {
            events: limit - shown,
            bytes,
        };
        let piece = reading.piece(max, &mut body, write).await?;
        shown += piece.shown;
        looked_at += piece.looked_at;
        if piece.looked_at == 0 {
            break true;
        }
        if shown >= limit || body.len() >= PAGE_BYTES || looked_at >= LOOKED_AT_MAX {
            break false;
        }
    };
    Ok(Gathered {
        place,
        body,
        shown,
        is_at_end,
    })
}
