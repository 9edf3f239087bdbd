//! One message in and one message out: five bytes of prefix, then the message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use ledger::Unavailable;
use proto::{PREFIX_BYTES, Prefix, finish_frame};

use super::status::{self, Status};
use crate::arrival::{Arrival, NotArrived, Pieces};
use crate::room::{Place, Room};

/// A message that has arrived as a whole, with the room it takes.
pub(super) struct Message {
    bytes: Bytes,
    _place: Place,
}

impl Message {
    /// Lets go of what has been decoded. The place stays taken: what was made of it takes more.
    pub(super) fn let_go(&mut self) {
        self.bytes = Bytes::new();
    }
}

impl std::ops::Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a request's one message: room for it is taken as it arrives.
pub(super) async fn read(
    mut body: Body,
    bytes_max: usize,
    room: &Room,
    deadline: Instant,
) -> Result<Message, Status> {
    let mut arrival = Arrival::new(room, deadline);
    let mut first = Bytes::new();
    while first.len() < PREFIX_BYTES {
        let data = arrival.next_unplaced(&mut body).await?;
        let data = data.ok_or_else(Status::broken_off)?;
        first = if first.is_empty() {
            data
        } else {
            [first, data].concat().into()
        };
    }
    let Some(prefix) = first.split_to(PREFIX_BYTES).first_chunk().copied() else {
        unreachable!("the loop ends with {PREFIX_BYTES} bytes");
    };
    let length = match Prefix::read(prefix) {
        Prefix::Plain { length } => length,
        Prefix::Compressed => return Err(Status::compressed()),
    };
    if length > bytes_max {
        return Err(Status::too_large(bytes_max));
    }
    arrival.take_room()?;
    let mut pieces = Pieces::default();
    pieces.push(first, length);
    // To the end of the request: a unary call has only one message.
    loop {
        if pieces.len() > length {
            return Err(Status::invalid(
                "a unary request must have exactly one message",
            ));
        }
        match arrival.next(&mut body).await? {
            Some(data) => pieces.push(data, length),
            None if pieces.len() < length => return Err(Status::broken_off()),
            None => break,
        }
    }
    Ok(Message {
        bytes: pieces.into_bytes(),
        _place: arrival.into_place(),
    })
}

impl From<NotArrived> for Status {
    fn from(why: NotArrived) -> Self {
        match why {
            NotArrived::Overloaded => Unavailable::Overloaded.into(),
            NotArrived::Late => Self::late(),
            NotArrived::Broken => Self::broken_off(),
        }
    }
}

/// An answer's message, begun by [`proto::begin_frame`], with the place it takes until its caller has
/// taken it.
pub(super) struct Written {
    pub(super) message: Vec<u8>,
    pub(super) place: Place,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

/// The response with this answer, or with the reason why the call has none.
pub(super) fn respond(answer: Result<Written, Status>) -> Response {
    let content_type = HeaderValue::from_static("application/grpc");
    let mut response = match answer {
        Ok(mut written) => {
            finish_frame(&mut written.message);
            written.place.shrink_to(written.message.len());
            Response::new(Body::new(Reply {
                // HTTP/2 may keep the message for long after it has taken the body: the place
                // goes with the bytes.
                message: Some(Bytes::from_owner(written)),
                trailers: Some(status::ok()),
            }))
        }
        Err(status) => {
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = status.into_headers();
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
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
