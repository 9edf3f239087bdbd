//! Many commands in one request: each alone, or all or nothing.
//!
//! A member that is not a well-formed command refuses the whole batch, naming its `index`, and nothing
//! is done. What the ledger refuses is that member's outcome; in an atomic batch it fails the
//! others too.

pub(super) mod give;
mod members;
pub(super) mod outcomes;

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{BATCH_BYTES_MAX, Batch, BatchInvalid};
use serde::Deserialize;

use super::ids::{self, Asked};
use super::path::batch_in_path;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Text};
use crate::problem::Problem;
use crate::request_id::RequestId;

use members::Members;

pub(crate) use members::CommandRequest;
pub(crate) use outcomes::{BatchFailedView, BatchView, DecidedBatchView, OutcomeView};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "atomic": true,
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "commands": [
        {
            "kind": "transfer", "id": "01890a5d-ac96-774b-bcce-b302099a8058",
            "debit_account_id": "users:42", "credit_account_id": "shops:7", "amount": 990,
            "description": "book",
        },
        {
            "kind": "transfer", "id": "01890a5d-ac96-774b-bcce-b302099a8059",
            "debit_account_id": "shops:7", "credit_account_id": "fees", "amount": 10,
            "description": "fee",
        },
    ],
}))]
pub(crate) struct BatchRequest<'a> {
    /// The id of an atomic batch; an `Idempotency-Key` can replace it. Other batches have no id.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Text<'a>>,
    /// Whether all commands are applied or none.
    atomic: bool,
    /// Applied in this order.
    #[serde(borrow)]
    #[schema(value_type = Vec<CommandRequest>, min_items = 1, max_items = 8190)]
    commands: Members<'a>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    dry_run: bool,
}

impl BatchRequest<'_> {
    pub(super) fn batch(&self, asked: &Asked<'_>) -> Result<Batch, Problem> {
        let body_id = self.id.as_ref().map(|id| &*id.0);
        let batch = if self.atomic {
            let id = ids::batch_id(body_id, asked)?;
            Batch::atomic(id, self.commands.commands(Some(id))?)
        } else {
            if body_id.is_some() || ids::batch_key(asked)?.is_some() {
                return Err(errors::batch_id_unexpected());
            }
            Batch::independent(self.commands.commands(None)?)
        };
        batch.map_err(|invalid| match invalid {
            BatchInvalid::Empty => errors::batch_empty(),
            BatchInvalid::TooLarge => errors::batch_too_large(),
        })
    }
}

/// Applies commands in order: each stands alone, or, with `atomic`, all are applied or none.
///
/// At most 8,190 commands, and 4 MiB of them. The outcomes are in the commands' order, each with
/// the status that it would have on a route of its own. A command that is not well formed refuses
/// the whole batch: the problem's `detail` names the command and its error, `index` is its place
/// unless the JSON itself is invalid, and nothing is done.
///
/// An atomic batch has an id of its own, under which its outcomes are remembered. In a new atomic
/// batch a command whose id was used before fails the batch. Its commands can be without ids of their own: each then
/// has one that follows from the id of the batch and its place in it, and the same request has the same ids.
#[utoipa::path(
    post, path = "/v1/batches", tag = "batches",
    params(("Idempotency-Key" = Option<String>, Header, description = "Replaces the `id` of an atomic batch; a key that is not a UUID is hashed to \
            128 bits")),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "Independent commands: the outcome of each, refusals too. \
            Atomic ones: all were applied. With `Idempotency-Replayed: true` where every outcome \
            is one that was answered before. With `dry_run`: what would be answered, with \
            `Dry-Run: true`; nothing is done", body = BatchView),
        (status = 400, description = "Not well formed, without an id, or with one too many"),
        (status = 409, description = "`exists_with_different_members`: the batch's id was used \
            with other commands"),
        (status = 413, description = "`batch_too_large`, `body_too_large`"),
        (status = 422, description = "An atomic batch that failed (`batch_member_failed`): `index` is the command \
            that failed, its outcome is the reason, and nothing was applied. Or an amount \
            that is not an amount, before anything was decided",
            body = BatchFailedView, content_type = "application/problem+json"),
        (status = 503, description = "The ledger did not answer"),
        (status = 504, description = "The outcome is unknown: ask again with the same ids"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn batch(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let body = call.batch_body(body).await?;
    let request = json::parse::<BatchRequest<'_>>(&body)?;
    let dry_run = request.dry_run;
    let batch = request.batch(&Asked::of(&call, &parts.headers))?;
    drop(request);
    drop(body);
    give::give(&call, batch, dry_run, RequestId::of(&parts.headers)).await
}

/// Returns the outcomes of an atomic batch, as they were first answered.
///
/// A key that is bound to accounts is shown a batch that was applied, if it may use an account of each outcome.
#[utoipa::path(
    get, path = "/v1/batches/{id}", tag = "batches",
    params(("id" = String, Path, description = "The id of an atomic batch",
        example = "01890a5d-ac96-774b-bcce-b302099a8057")),
    responses(
        (status = 200, description = "What was decided: all was applied, or, with `index`, nothing",
            body = DecidedBatchView),
        (status = 400, description = "`id_invalid`, `path_invalid`"),
        (status = 404, description = "`batch_not_found`: no atomic batch has this id"),
        (status = 501, description = "`not_supported`: the batches are kept in Redis. Send the batch again with \
            the same id"),
    )
)]
pub(crate) async fn batch_by_id(call: Call, request: Request) -> Answered {
    let id = batch_in_path(request.uri().path())?;
    let mut place = call.place(BATCH_BYTES_MAX)?;
    let Some(outcomes) = call.batch(id).await? else {
        return Err(errors::batch_not_found(id));
    };
    place.grow_to(outcomes::read_bytes_max(&outcomes))?;
    let view = DecidedBatchView::new(id, give::failed_index(&outcomes), &outcomes);
    Ok(json::respond_in(place, StatusCode::OK, &view))
}
