//! One message in and one message out: five bytes of prefix, then the message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use ledger::Unavailable;

use super::status::{self, Status};
use crate::room::{Place, Room};

/// A flag (compressed or not) and the message's length.
const PREFIX_BYTES: usize = 5;

/// A message that has arrived as a whole, with the room it takes.
pub(super) struct Message {
    bytes: Bytes,
    _place: Place,
}

impl std::ops::Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a request's one message.
pub(super) async fn read(
    body: Body,
    bytes_max: usize,
    room: &Room,
    deadline: Instant,
) -> Result<Message, Status> {
    let reading = read_all(body, bytes_max, room);
    match tokio::time::timeout_at(deadline.into(), reading).await {
        Ok(read) => read,
        Err(_) => Err(Status::late()),
    }
}

async fn read_all(mut body: Body, bytes_max: usize, room: &Room) -> Result<Message, Status> {
    let mut first = Bytes::new();
    while first.len() < PREFIX_BYTES {
        let data = next(&mut body).await?.ok_or_else(Status::broken_off)?;
        first = if first.is_empty() {
            data
        } else {
            [first, data].concat().into()
        };
    }
    let prefix = first.split_to(PREFIX_BYTES);
    if prefix[0] != 0 {
        return Err(Status::compressed());
    }
    let length = prefix[1..]
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    if length > bytes_max {
        return Err(Status::too_large(bytes_max));
    }
    let place = room
        .take(length)
        .map_err(|_| Status::from(Unavailable::Overloaded))?;
    let bytes = if first.len() == length {
        first
    } else {
        rest(&mut body, first, length).await?
    };
    // The end of the request: more than one message is no unary call.
    while let Some(data) = next(&mut body).await? {
        if !data.is_empty() {
            return Err(Status::invalid("a request has one message"));
        }
    }
    Ok(Message {
        bytes,
        _place: place,
    })
}

/// A message that comes in several pieces.
async fn rest(body: &mut Body, first: Bytes, length: usize) -> Result<Bytes, Status> {
    // Room grows with what arrives, not with what was announced.
    let mut bytes = Vec::from(first);
    while bytes.len() < length {
        let data = next(body).await?.ok_or_else(Status::broken_off)?;
        bytes.extend_from_slice(&data);
    }
    if bytes.len() > length {
        return Err(Status::invalid("a request has one message"));
    }
    Ok(bytes.into())
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Status> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::broken_off())?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Begins an answer: its prefix, to be filled in by [`respond`].
pub(super) fn begin() -> Vec<u8> {
    vec![0; PREFIX_BYTES]
}

/// The response that carries this answer, or says why there is none.
pub(super) fn respond(answer: Result<Vec<u8>, Status>) -> Response {
    let content_type = HeaderValue::from_static("application/grpc");
    let mut response = match answer {
        Ok(mut message) => {
            let length = u32::try_from(message.len() - PREFIX_BYTES).unwrap_or(u32::MAX);
            message[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
            Response::new(Body::new(Reply {
                message: Some(message.into()),
                trailers: Some(status::ok()),
            }))
        }
        Err(status) => {
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = status.into_headers();
            response
        }
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// A message and the trailers after it.
struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
