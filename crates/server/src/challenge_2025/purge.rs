//! `POST /purge-payments`: for tests, and only where it was enabled.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{Command, Record};
use serde::Serialize;

use crate::call::Call;
use crate::errors;
use crate::json;
use crate::measure::Answered;
use crate::v1;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PurgeView {
    /// How many waiting payments were given up.
    payments_count: u64,
}

/// Gives up the payments that wait, and starts the summaries anew. Ids stay used, and money that
/// has moved stays where it is. Only there with `--enable-purge`.
#[utoipa::path(
    post, path = "/purge-payments", tag = "challenge 2025",
    responses(
        (status = 200, description = "Purged", body = PurgeView),
        (status = 404, description = "Not enabled", body = crate::openapi::ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn purge(call: Call, _: Request) -> Answered {
    if !call.is_purge_enabled() {
        return Err(errors::route_not_found());
    }
    let outcome = call.submit(Command::PurgePayments).await?;
    let (Record::Purge { payments_count, .. }, _) = v1::first_or_again(outcome)? else {
        tracing::error!("a purge made no purge");
        return Err(errors::internal());
    };
    Ok(json::respond(StatusCode::OK, &PurgeView { payments_count }))
}
