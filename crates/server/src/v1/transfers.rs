//! Moving money, and looking at what was moved.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{Command, Outcome, Record, UsedTransfer};

use super::ids::Asked;
use super::path::transfer_in_path;
use super::splits::{MovedView, SplitTransferRequest, TransferBody};
use super::transfer_request::TransferRequest;
use super::views::TransferView;
use super::{first_or_again, mark, mark_dry_run, splits};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::mapping::refused_before;

/// Gives the ledger a command that makes a transfer, or asks what it would answer.
pub(super) async fn give(call: &Call, command: Command, dry_run: bool) -> Answered {
    let outcome = match dry_run {
        false => call.submit(command).await?,
        true => call.preview(command).await?,
    };
    answer(outcome, dry_run)
}

/// What such a command is answered with.
fn answer(outcome: Outcome, dry_run: bool) -> Answered {
    let (Record::Transfer(transfer), replayed) = first_or_again(outcome)? else {
        tracing::error!("the engine answered a transfer without a transfer");
        return Err(errors::internal());
    };
    let view = TransferView::new(&transfer);
    let response = json::respond(StatusCode::OK, &view);
    if dry_run {
        return Ok(mark_dry_run(response, replayed));
    }
    let location = format!("/v1/transfers/{}", transfer.id);
    Ok(mark(response, replayed, &location))
}

/// Moves money at once, or reserves it. The same content again returns the first answer, also if
/// that was a refusal.
///
/// With `timeout_s` the transfer is pending: `POST /v1/transfers/{id}/post` moves the money, or a
/// part of it, `/void` releases it, and if neither happens within `timeout_s` seconds it expires.
///
/// With `splits` in the place of `credit_account_id` and `amount` each account gets its share, or none does: it is an atomic batch under
/// this `id`, with a transfer for each share, and is answered as one.
#[utoipa::path(
    post, path = "/v1/transfers", tag = "transfers",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits")),
    request_body = TransferBody,
    responses(
        (status = 201, description = "Moved, or reserved", body = MovedView),
        (status = 200, description = "Done before with this content: the first answer, with \
            `Idempotency-Replayed: true`. With `dry_run`: what would be done, with `Dry-Run: true`", body = MovedView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`account_not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "Refused; `code` is the reason, and further members have its figures. With `splits`: `batch_member_failed`, \
            with `index` and `outcomes`"),
        crate::openapi::responses::NoAnswer,
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn transfer(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let body = call.body(body).await?;
    if splits::is_split(&body) {
        let request = json::parse::<SplitTransferRequest<'_>>(&body)?;
        return request.give(&call, &parts.headers).await;
    }
    let request = json::parse::<TransferRequest<'_>>(&body)?;
    let command = request.command(&Asked::of(&call, &parts.headers))?;
    give(&call, command, request.dry_run).await
}

/// Returns a transfer as it was recorded, how it ended if it was pending, and how much of it was reversed.
#[utoipa::path(
    get, path = "/v1/transfers/{id}", tag = "transfers",
    params(("id" = String, Path, description = "The transfer's id")),
    responses(
        (status = 200, description = "The transfer", body = TransferView),
        (status = 404, description = "No transfer has this id. If a refused command used it, `refused` is the code \
            of the refusal and `refusal` the problem that was answered, with its figures; if a payment will settle under it, `payment_id` is the id of \
            that payment"),
        (status = 400, description = "`id_invalid`, `path_invalid`"),
    )
)]
pub(crate) async fn transfer_by_id(call: Call, request: Request) -> Answered {
    let id = transfer_in_path(request.uri().path())?;
    let not_found = errors::transfer_not_found(id);
    match call.transfer(id).await? {
        Some(UsedTransfer::Created(transfer, standing)) => {
            let end = call.pending_end(id, standing).await?;
            let view = TransferView::new(&transfer).standing_so(standing, end);
            Ok(json::respond(StatusCode::OK, &view))
        }
        Some(UsedTransfer::Refused(_, refusal)) => {
            let what = format_args!("the transfer {id}");
            Err(refused_before(not_found, what, &refusal))
        }
        Some(UsedTransfer::Payment(payment_id)) => {
            Err(not_found.with("payment_id", payment_id.to_string()))
        }
        None => Err(not_found),
    }
}
