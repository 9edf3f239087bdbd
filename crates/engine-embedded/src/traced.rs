//! What a traced request leaves of its way through the writer.
//!
//! The writer only notes times, and only for traced requests; the spans are made of them by the caller's
//! task when it has its answer. So the writer neither makes spans nor waits for anybody who takes them.
//!
//! | span | from | to |
//! |---|---|---|
//! | `queue` | put in the queue | taken by the writer |
//! | `frame` | taken by the writer | about to be answered: decided, durable, published |
//! | `sync`, a part of `frame` | the write of the frame begins | it is durable |
//!
//! A request that leaves no record has `decide` in the place of `frame`: it waits for no write of its own.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use trace::{Places, Spans};

/// The frame that a request waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameNote {
    pub(crate) sequence: u64,
    pub(crate) records_count: u32,
    pub(crate) bytes: u64,
    /// How many requests waited for it.
    pub(crate) requests_count: usize,
    pub(crate) write_started: Instant,
    pub(crate) write_elapsed: Duration,
}

/// A request's way through the writer.
#[derive(Debug, Clone, Copy)]
struct Way {
    taken: Instant,
    frame: Option<FrameNote>,
    answered: Instant,
}

/// What the writer notes of a traced request.
pub(crate) struct Notes {
    way: Arc<OnceLock<Way>>,
    taken: Option<Instant>,
}

impl Notes {
    /// The writer has taken the request from the queue.
    pub(crate) fn taken(&mut self) {
        self.taken = Some(Instant::now());
    }

    /// The request is about to be answered.
    pub(crate) fn answered(self, frame: Option<FrameNote>) {
        let answered = Instant::now();
        let way = Way {
            taken: self.taken.unwrap_or(answered),
            frame,
            answered,
        };
        // Nobody else sets it.
        let _ = self.way.set(way);
    }
}

/// A traced request, as its caller holds it.
pub(crate) struct Traced {
    places: Places,
    queued: Instant,
    way: Arc<OnceLock<Way>>,
}

impl Traced {
    /// The request of this task, if it is traced, as it is put in the queue.
    pub(crate) fn begin() -> Option<Self> {
        Some(Self {
            places: trace::places()?,
            queued: Instant::now(),
            way: Arc::default(),
        })
    }

    /// The writer's end.
    pub(crate) fn notes(&self) -> Box<Notes> {
        Box::new(Notes {
            way: Arc::clone(&self.way),
            taken: None,
        })
    }

    /// Makes the spans of a request that was answered.
    pub(crate) fn end(self) {
        let Some(way) = self.way.get() else {
            return;
        };
        Spans::part_of(&self.places, "queue", self.queued).end(way.taken);
        let Some(frame) = way.frame else {
            Spans::part_of(&self.places, "decide", way.taken).end(way.answered);
            return;
        };
        let mut spans = Spans::part_of(&self.places, "frame", way.taken);
        spans.set("lastro.frame.sequence", frame.sequence);
        spans.set("lastro.frame.records", u64::from(frame.records_count));
        spans.set("lastro.frame.bytes", frame.bytes);
        spans.set("lastro.frame.requests", frame.requests_count);
        if let Some(places) = spans.places() {
            let written = frame.write_started + frame.write_elapsed;
            Spans::part_of(&places, "sync", frame.write_started).end(written);
        }
        spans.end(way.answered);
    }
}
