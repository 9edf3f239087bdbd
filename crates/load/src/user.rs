//! One request, from its planned arrival to its place in the record.

use std::cell::RefCell;
use std::time::Instant;

use crate::http::{Answer, Client, HttpFailure};
use crate::recorder::{Fault, Recorder, Sample, Verdict};

/// Asks once, judges and records. What the judge kept is returned.
pub(crate) async fn ask<T>(
    client: &Client,
    recorder: &RefCell<Recorder>,
    kind: usize,
    planned: Instant,
    request: &[u8],
    judge: impl FnOnce(&Answer<'_>) -> (Verdict, Option<T>),
) -> Option<T> {
    let started = Instant::now();
    let exchanged = client.exchange(request, |answer| judge(&answer)).await;
    let ended = Instant::now();
    let (verdict, kept) = exchanged.unwrap_or_else(|failure| (no_answer(failure), None));
    recorder.borrow_mut().record(Sample {
        kind,
        planned,
        started,
        ended,
        verdict,
    });
    kept
}

/// No answer is never right.
pub(crate) fn no_answer(failure: HttpFailure) -> Verdict {
    Verdict::Wrong(Fault {
        code: failure.code(),
        detail: "no answer".to_owned(),
        is_inconsistent: false,
    })
}
