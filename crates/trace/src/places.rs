//! For which spans a task works: what it does is a part of each of them.

use std::sync::Arc;

use futures_util::future::Either;
use tokio::task::futures::TaskLocalFuture;

use crate::context::SpanContext;
use crate::queue::is_on;
use crate::span::Anchor;

/// A span that others are made under.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub(crate) context: SpanContext,
    pub(crate) anchor: Anchor,
}

/// The spans that a task works for, at least one: a call of another node may be for several requests, each with
/// a trace of its own.
#[derive(Debug, Clone)]
pub struct Places(Arc<[Place]>);

tokio::task_local! {
    static PLACES: Places;
}

impl Places {
    pub(crate) fn new(places: impl Iterator<Item = Place>) -> Option<Self> {
        let places: Arc<[Place]> = places.collect();
        (!places.is_empty()).then_some(Self(places))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        self.0.iter().copied()
    }
}

/// The spans that this task works for; `None` where it works for no traced request.
#[must_use]
pub fn places() -> Option<Places> {
    if !is_on() {
        return None;
    }
    PLACES.try_with(Places::clone).ok()
}

/// Works for these spans.
pub fn within<F: Future>(places: Option<Places>, work: F) -> Either<TaskLocalFuture<Places, F>, F> {
    match places {
        Some(places) => Either::Left(PLACES.scope(places, work)),
        None => Either::Right(work),
    }
}
