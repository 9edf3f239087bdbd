//! A stream of server-sent events: memory holds one piece at a time, and nothing while there is nothing to send.

use std::io;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures_util::stream;
use hyper::body::Bytes;
use ledger::{EventsFrom, PlacedEvent, Unavailable};
use tokio::sync::OwnedSemaphorePermit;

use super::kind::EventKind;
use super::reading::{EVENT_BYTES_MAX, PIECE_BYTES_MAX, PieceMax, Reading};
use super::view;
use crate::call::Answered;
use crate::ending::Ending;
use crate::problem::Problem;
use crate::room::Place;

/// How much is sent at once.
const PIECE: PieceMax = PieceMax {
    events: 250,
    bytes: 64 * 1024,
};
const PLACE_BYTES: usize = PIECE.bytes + EVENT_BYTES_MAX + PIECE_BYTES_MAX;
/// After how long without an event a comment is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After how long a stream ends: its caller comes again, and its key is looked at again.
const STREAM_TIME: Duration = Duration::from_secs(600);
/// How often a piece is asked for again where the ledger does not answer, and how long is waited before.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Answers with the events as they come. The first piece is read before the answer begins, so that what is wrong is told
/// as ever; later a piece that cannot be read breaks the stream off.
pub(super) async fn respond(reading: Reading, ending: Ending) -> Answered {
    let Some(waits) = reading.call.place_to_wait() else {
        return Err(Problem::of_read(Unavailable::Overloaded));
    };
    let mut streaming = Streaming {
        reading,
        _waits: waits,
        ending,
        ends_at: Instant::now() + STREAM_TIME,
        heartbeat_at: Instant::now() + HEARTBEAT,
        place: None,
        is_at_end: false,
    };
    let first = streaming.piece().await?;
    let pieces = stream::unfold(Some((streaming, first)), |state| async move {
        let (mut streaming, piece) = state?;
        if !piece.is_empty() {
            return Some((Ok(Bytes::from(piece)), Some((streaming, Vec::new()))));
        }
        match streaming.next().await {
            Ok(Some(piece)) => Some((Ok(Bytes::from(piece)), Some((streaming, Vec::new())))),
            Ok(None) => None,
            Err(problem) => {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "a stream of events was broken off, as the next events could not be read: {}",
                    problem.detail
                );
                Some((Err(io::Error::other(problem.code.as_str())), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// A stream in progress.
struct Streaming {
    reading: Reading,
    /// For as long as the stream lasts.
    _waits: OwnedSemaphorePermit,
    ending: Ending,
    ends_at: Instant,
    heartbeat_at: Instant,
    /// Of the piece that is being sent.
    place: Option<Place>,
    /// Whether the last piece looked at nothing: there was nothing more.
    is_at_end: bool,
}

impl Streaming {
    /// What is sent next; `None` at the end of the stream.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        // What was handed over before is on its way.
        self.place = None;
        loop {
            let now = Instant::now();
            if self.ending.is_here() || self.ends_at <= now {
                return Ok(None);
            }
            if self.heartbeat_at <= now {
                self.heartbeat_at = now + HEARTBEAT;
                return Ok(Some(self.heartbeat()));
            }
            if self.is_at_end {
                let until = self.heartbeat_at.min(self.ends_at);
                self.is_at_end = false;
                match self.reading.wait(until, &mut self.ending).await {
                    Ok(()) => continue,
                    // Whether it lasts is seen when the next piece is read.
                    Err(problem) if problem.status.is_server_error() => {}
                    Err(problem) => return Err(problem),
                }
            }
            let piece = self.patiently().await?;
            if !piece.is_empty() {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Ok(Some(piece));
            }
        }
    }

    /// A comment; with it the position moves on over events that are not shown.
    fn heartbeat(&self) -> Vec<u8> {
        let id = match self.reading.from {
            EventsFrom::After(position) => format!("id: {position}\n"),
            EventsFrom::Beginning | EventsFrom::Now => String::new(),
        };
        format!(": nothing new\n{id}\n").into_bytes()
    }

    /// Reads a piece when it is this stream's turn: until then it holds no room.
    async fn piece(&mut self) -> Result<Vec<u8>, Problem> {
        let (turns, count) = (
            self.reading.call.feed_turns(),
            self.reading.call.waits_count(),
        );
        turns.take(count, self.make()).await
    }

    async fn make(&mut self) -> Result<Vec<u8>, Problem> {
        let mut place = self.reading.call.place(PLACE_BYTES)?;
        let mut piece = Vec::new();
        let read = self.reading.piece(PIECE, &mut piece, write).await?;
        self.is_at_end = read.looked_at == 0;
        place.shrink_to(piece.len());
        self.place = Some(place);
        Ok(piece)
    }

    /// Reads a piece, and again where the ledger does not answer or there is no room.
    async fn patiently(&mut self) -> Result<Vec<u8>, Problem> {
        let mut attempt = 1;
        loop {
            // Neither the turns of others nor a slow ledger hold up the stop.
            let Some(piece) = self.ending.clone().unless_here(self.piece()).await else {
                return Ok(Vec::new());
            };
            match piece {
                Err(problem) if problem.status.is_server_error() && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    let pause = tokio::time::sleep(PAUSE);
                    if self.ending.unless_here(pause).await.is_none() {
                        return Ok(Vec::new());
                    }
                }
                done => return done,
            }
        }
    }
}

/// An event as it is sent; its JSON has no line break.
fn write(placed: &PlacedEvent, to: &mut Vec<u8>) {
    let kind = EventKind::of(&placed.event).name();
    let head = format!("id: {}\nevent: {kind}\ndata: ", placed.position);
    to.extend_from_slice(head.as_bytes());
    view::write(placed, to);
    to.extend_from_slice(b"\n\n");
}
