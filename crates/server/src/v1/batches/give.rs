//! Giving the ledger a batch, and what it is answered with.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use ledger::{Batch, BatchId, Outcome, Refusal};

use super::outcomes::{self, BatchFailedView, BatchView};
use crate::call::{Answered, Call};
use crate::json;
use crate::problem::{DRY_RUN, Problem, ProblemCode, REPLAYED};
use crate::request_id::RequestId;
use crate::room::Place;

/// Gives the ledger a batch, or asks what it would answer; an atomic one that fails is answered with its outcomes, too.
pub(in crate::v1) async fn give(
    call: &Call,
    batch: Batch,
    dry_run: bool,
    request_id: RequestId,
) -> Answered {
    let id = batch.atomic_id();
    let place = call.place(outcomes::bytes_max(batch.commands()))?;
    let outcomes = match dry_run {
        false => call.submit_batch(batch).await?,
        true => call.preview_batch(batch).await?,
    };
    let mut response = match id.and_then(|_| failed_index(&outcomes)) {
        None => json::respond_in(place, StatusCode::OK, &BatchView::new(id, &outcomes)),
        Some(index) => failed(place, id, index, &outcomes, request_id)?,
    };
    if outcomes.iter().all(|outcome| outcome.replayed) {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if dry_run {
        let headers = response.headers_mut();
        headers.insert(DRY_RUN, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The member that failed an atomic batch: the one that is not refused for another's sake.
pub(super) fn failed_index(outcomes: &[Outcome]) -> Option<usize> {
    let for_anothers_sake = Err(Refusal::BatchMemberFailed);
    let refused = outcomes.iter().any(|outcome| outcome.result.is_err());
    refused
        .then(|| {
            outcomes
                .iter()
                .position(|outcome| outcome.result != for_anothers_sake)
        })
        .flatten()
}

fn failed(
    place: Place,
    id: Option<BatchId>,
    index: usize,
    outcomes: &[Outcome],
    request_id: RequestId,
) -> Answered {
    if let Err(refusal @ Refusal::ExistsWithDifferent(ledger::Field::Members)) =
        &outcomes[index].result
    {
        return Err(Problem::from(refusal));
    }
    let view = BatchFailedView::new(id, index, outcomes, request_id);
    let mut response = json::respond_in(place, StatusCode::UNPROCESSABLE_ENTITY, &view);
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    let code = ProblemCode(Refusal::BatchMemberFailed.code());
    response.extensions_mut().insert(code);
    Ok(response)
}
