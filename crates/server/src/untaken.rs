//! Answers that their callers have not taken: how long a connection keeps them.
//!
//! HTTP/2 keeps what its peer's window does not let through, and is done with the call: so it is
//! counted by connection, in two halves that take turns. When a half's turn comes again, what is
//! still in it is older than a turn.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

use crate::tenure::Tenure;

/// How many pieces of answers a connection has not taken yet.
#[derive(Debug)]
pub(crate) struct Untaken {
    turn: AtomicUsize,
    counts: [AtomicUsize; 2],
    tenure: Arc<Tenure>,
}

impl Untaken {
    /// Of a connection: until its answers are taken it is not idle.
    pub(crate) fn new(tenure: Arc<Tenure>) -> Arc<Self> {
        Arc::new(Self {
            turn: AtomicUsize::new(0),
            counts: Default::default(),
            tenure,
        })
    }

    fn add(&self) -> usize {
        self.tenure.begin_request();
        let half = self.turn.load(Ordering::Relaxed) % 2;
        self.counts[half].fetch_add(1, Ordering::Relaxed);
        half
    }

    /// Begins the next turn, unless something is left of the one before this.
    fn begin_turn(&self) -> bool {
        let next = self.turn.load(Ordering::Relaxed) + 1;
        let is_clear = self.counts[next % 2].load(Ordering::Relaxed) == 0;
        if is_clear {
            self.turn.store(next, Ordering::Relaxed);
        }
        is_clear
    }

    /// Returns once something was not taken for `timeout`, at the latest after twice as long.
    pub(crate) async fn for_too_long(&self, timeout: Duration) {
        let mut interval = tokio::time::interval(timeout);
        loop {
            interval.tick().await;
            if !self.begin_turn() {
                return;
            }
        }
    }
}

/// An answer's body whose pieces are counted until they are on the wire, and that keeps its call's
/// place until its end.
pub(crate) struct Counted<P> {
    body: Body,
    untaken: Arc<Untaken>,
    _place: P,
}

impl<P> Counted<P> {
    pub(crate) fn new(body: Body, untaken: &Arc<Untaken>, place: P) -> Self {
        Self {
            body,
            untaken: Arc::clone(untaken),
            _place: place,
        }
    }
}

/// A piece of an answer.
struct Piece {
    bytes: Bytes,
    untaken: Arc<Untaken>,
    half: usize,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.untaken.counts[self.half].fetch_sub(1, Ordering::Relaxed);
        self.untaken.tenure.end_request();
    }
}

impl<P: Unpin> HttpBody for Counted<P> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|bytes| {
                let untaken = Arc::clone(&this.untaken);
                let half = untaken.add();
                Bytes::from_owner(Piece {
                    bytes,
                    untaken,
                    half,
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
