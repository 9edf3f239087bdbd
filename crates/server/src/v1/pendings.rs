//! What follows upon pending transfers: posting them, in full, in part or in several parts, and voiding them.

use axum::extract::Request;
use ledger::{Command, TransferId};
use serde::Deserialize;

use super::ids::Asked;
use super::path::transfer_in_path;
use super::splits::{MovedView, SplitPost, SplitRequest};
use super::views::TransferView;
use super::{ids, splits, transfers};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::problem::Problem;

/// Optional if an `Idempotency-Key` is given.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058", "amount": 600}))]
pub(crate) struct PostRequest<'a> {
    /// The post's own id; an `Idempotency-Key` can replace it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Text<'a>>,
    /// How much to move, in minor units. Without it, all that is still reserved.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    amount: Option<Integer>,
    /// Whether this is the last post: then what is not posted is released. With `false` the rest stays reserved for
    /// further posts, and `amount` is needed.
    #[serde(default = "is_final", rename = "final")]
    #[schema(default = true)]
    is_final: bool,
    /// Shares of `amount`, which is needed then, that go on from the account that the pending transfer credits; what is in none stays
    /// there. The post and the transfers of the shares are an atomic batch under this `id`.
    #[serde(borrow, default)]
    #[schema(min_items = 1, max_items = 100)]
    splits: Option<Vec<SplitRequest<'a>>>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    dry_run: bool,
}

/// Optional if an `Idempotency-Key` is given.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058"}))]
pub(crate) struct VoidRequest<'a> {
    /// The void's own id; an `Idempotency-Key` can replace it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Text<'a>>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    dry_run: bool,
}

const fn is_final() -> bool {
    true
}

impl Default for PostRequest<'_> {
    fn default() -> Self {
        Self {
            id: None,
            amount: None,
            is_final: is_final(),
            splits: None,
            dry_run: false,
        }
    }
}

/// Posts a pending transfer: the money moves, and what is not posted is released, or stays reserved for further
/// posts with `"final": false`.
///
/// Each post has an id of its own. The post that reaches the whole amount ends the pending transfer in any case.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/post", tag = "transfers",
    params(
        ("id" = String, Path, description = "The pending transfer's id"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits"),
    ),
    request_body = PostRequest,
    responses(
        (status = 201, description = "Posted: a transfer of its own, of kind `post`; with `splits` the batch of it and the transfers of \
            the shares", body = MovedView),
        (status = 200, description = "Posted before under this id with this content: the first \
            answer, with `Idempotency-Replayed: true`. With `dry_run`: what would be done, with \
            `Dry-Run: true`", body = MovedView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`pending_not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "Refused: `pending_already_posted`, `pending_already_voided`, \
            `pending_expired`, `amount_exceeds_pending`, `amount_out_of_range`; with `splits` `batch_member_failed`"),
        crate::openapi::responses::NoAnswer,
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn post_pending(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let pending_id = transfer_in_path(parts.uri.path())?;
    let body = call.body(body).await?;
    let asked = Asked::of(&call, &parts.headers);
    let request: PostRequest<'_> = json::parse_or_default(&body, asked.headers)?;
    if let Some(splits) = &request.splits {
        let post = SplitPost {
            id: request.id.as_ref(),
            amount: request.amount,
            is_final: request.is_final,
            splits,
            dry_run: request.dry_run,
        };
        return splits::post(&call, &asked, pending_id, post).await;
    }
    let id = own_id(request.id.as_ref(), &asked)?;
    let command = post_command(id, pending_id, request.amount, request.is_final)?;
    transfers::give(&call, command, request.dry_run).await
}

/// Voids a pending transfer: what it reserved is released.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/void", tag = "transfers",
    params(
        ("id" = String, Path, description = "The pending transfer's id"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits"),
    ),
    request_body = VoidRequest,
    responses(
        (status = 201, description = "Voided: a transfer of its own, of kind `void`",
            body = TransferView),
        (status = 200, description = "Voided before under this id: the first answer, with \
            `Idempotency-Replayed: true`. With `dry_run`: what would be done, with `Dry-Run: true`",
            body = TransferView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`pending_not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "Refused: `pending_already_posted`, `pending_already_voided`, \
            `pending_expired`"),
        crate::openapi::responses::NoAnswer,
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn void_pending(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let pending_id = transfer_in_path(parts.uri.path())?;
    let body = call.body(body).await?;
    let asked = Asked::of(&call, &parts.headers);
    let request: VoidRequest<'_> = json::parse_or_default(&body, asked.headers)?;
    let command = Command::Void {
        id: own_id(request.id.as_ref(), &asked)?,
        pending_id,
    };
    transfers::give(&call, command, request.dry_run).await
}

/// A post, which ends the pending transfer unless it is not final.
pub(super) fn post_command(
    id: TransferId,
    pending_id: TransferId,
    amount: Option<Integer>,
    is_final: bool,
) -> Result<Command, Problem> {
    let amount = amount.map(|amount| amount.amount("amount")).transpose()?;
    match (amount, is_final) {
        (amount, true) => Ok(Command::Post {
            id,
            pending_id,
            amount,
        }),
        (Some(amount), false) => Ok(Command::PostPart {
            id,
            pending_id,
            amount,
        }),
        (None, false) => Err(errors::json_invalid(
            "a post with \"final\": false needs an amount: how much of what is reserved it moves",
        )),
    }
}

fn own_id(body_id: Option<&Text<'_>>, asked: &Asked<'_>) -> Result<TransferId, Problem> {
    let body_id = body_id.map(|id| &*id.0);
    Ok(TransferId::from_u128(ids::transfer_id(body_id, asked)?))
}
