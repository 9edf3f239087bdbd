//! Operations: accepted now, applied later.

use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{Command, TransferId, UsedId, UsedTransfer, check_form};
use outbox::{NotAnOperation, Operation, OperationState};
use serde::Serialize;

use super::TransferRequest;
use super::ids::Asked;
use super::path::operation_in_path;
use super::views::{TransferView, printed};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::{Problem, REPLAYED};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OperationView<'a> {
    #[serde(serialize_with = "printed")]
    #[schema(value_type = String, format = "uuid")]
    id: TransferId,
    /// `queued`, `applied` or `refused`.
    #[schema(example = "queued")]
    state: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "insufficient_funds")]
    code: Option<&'static str>,
    /// What was applied, if the ledger was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferView<'a>>,
}

impl OperationView<'_> {
    const fn new(id: TransferId, state: OperationState) -> Self {
        let (state, code) = match state {
            OperationState::Queued => ("queued", None),
            OperationState::Applied => ("applied", None),
            OperationState::Refused(code) => ("refused", Some(code)),
        };
        Self {
            id,
            state,
            code,
            transfer: None,
        }
    }
}

/// Accepts a transfer to be applied later, also while the ledger is down. Operations that share an
/// account are applied in the order in which this node accepted them.
///
/// The answer comes once the operation is durable on this node. The same id with the same content
/// is the same operation.
#[utoipa::path(
    post, path = "/v1/operations", tag = "operations",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits")),
    request_body = TransferRequest,
    responses(
        (status = 202, description = "Durable here, and applied or refused later; the outcome is at `Location`. \
            `Idempotency-Replayed: true` if it was accepted before",
            body = OperationView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`operations_not_served`: this node accepts no operations"),
        (status = 409, description = "The id was accepted here with other content; `field` names \
            the first that differs"),
        (status = 422, description = "It could never be applied; `code` is the reason"),
        (status = 503, description = "Not accepted now: `overloaded` (too many operations are queued), \
            `storage_full` or `storage_failed`"),
        (status = 504, description = "It is unknown whether it was accepted: send it again with the same id"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn operate(call: Call, request: Request) -> Answered {
    // A node that accepts no operations answers that whatever the body is.
    call.operations()?;
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let body = call.body(body).await?;
    let request = json::parse::<TransferRequest<'_>>(&body)?;
    if request.dry_run {
        return Err(errors::json_invalid(
            "an operation is applied later and has no dry_run: ask POST /v1/transfers for one",
        ));
    }
    let command = request.command(&Asked::of(&call, &parts.headers))?;
    let operation = match Operation::new(command.clone()) {
        Err(NotAnOperation::Malformed(_)) if check_form(&command).is_ok() => {
            return again(&call, command).await;
        }
        operation => operation.map_err(not_an_operation)?,
    };
    let id = operation.id();
    let accepted = call.accept(operation).await?;
    let view = OperationView::new(id, accepted.state);
    let response = json::respond(StatusCode::ACCEPTED, &view);
    Ok(mark(response, id, accepted.replayed))
}

/// What an earlier version took and this one does not: only the ledger knows whether it was taken, and
/// records nothing new of it.
async fn again(call: &Call, command: Command) -> Answered {
    let Some(UsedId::Transfer(id)) = command.used_id() else {
        tracing::error!("an operation without the id of a transfer was accepted");
        return Err(errors::internal());
    };
    let outcome = call.submit(command).await?;
    let state = match outcome.result {
        Ok(_) => OperationState::Applied,
        Err(refusal) if outcome.replayed => OperationState::Refused(refusal.code()),
        Err(refusal) => return Err(Problem::from(&refusal)),
    };
    let response = json::respond(StatusCode::ACCEPTED, &OperationView::new(id, state));
    Ok(mark(response, id, true))
}

fn not_an_operation(why: NotAnOperation) -> Problem {
    match why {
        NotAnOperation::Malformed(refusal) => Problem::from(&refusal),
        NotAnOperation::Kind => {
            tracing::error!("the engine answered an operation without a transfer");
            errors::internal()
        }
    }
}

fn mark(mut response: Response, id: TransferId, replayed: bool) -> Response {
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/operations/{id}")) {
        headers.insert(LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Returns the state of an operation. Once it is `applied`, every read shows it.
///
/// While it is queued, only the node that accepted it knows it; afterwards every node does.
#[utoipa::path(
    get, path = "/v1/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "The operation's id")),
    responses(
        (status = 200, description = "Its state", body = OperationView),
        (status = 404, description = "`operation_not_found`: neither this node nor the ledger knows it. If a payment \
            will settle under this id, `payment_id` is the id of that payment"),
        (status = 503, description = "It is not queued here, and the ledger does not answer"),
        (status = 400, description = "`id_invalid`, `path_invalid`"),
    )
)]
pub(crate) async fn operation_by_id(call: Call, request: Request) -> Answered {
    let id = operation_in_path(request.uri().path())?;
    if let Some(state) = call.operation_here(id) {
        return Ok(json::respond(
            StatusCode::OK,
            &OperationView::new(id, state),
        ));
    }
    let used = call.transfer(id).await?;
    let view = match &used {
        Some(UsedTransfer::Created(transfer, standing)) => OperationView {
            transfer: Some({
                let end = call.pending_end(id, *standing).await?;
                TransferView::new(transfer).standing_so(*standing, end)
            }),
            ..OperationView::new(id, OperationState::Applied)
        },
        Some(UsedTransfer::Refused(_, refusal)) => {
            OperationView::new(id, OperationState::Refused(refusal.code()))
        }
        Some(UsedTransfer::Payment(payment_id)) => {
            let not_found = errors::operation_not_found(id);
            return Err(not_found.with("payment_id", payment_id.to_string()));
        }
        None => return Err(errors::operation_not_found(id)),
    };
    Ok(json::respond(StatusCode::OK, &view))
}
