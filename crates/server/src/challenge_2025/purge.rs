//! `POST /purge-payments`: for tests, and only where it was enabled.
//!
//! The request carries nothing, so this node says for it which payments it may take: those that were
//! accepted when it looked. Whatever delays the command from there on, it takes no payment that was
//! accepted later. Where one was, the refusal says when the newest was, and the node gives the command
//! again for these too: its caller is still waiting, and wants all that there is.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{Command, Record, Refusal};
use serde::Serialize;

use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::v1;

/// How often a purge is given that loses its races against acceptances, before it says so.
const ATTEMPTS_MAX: u32 = 16;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PurgeView {
    /// How many waiting payments were given up.
    payments_count: u64,
}

/// Gives up the waiting payments, and resets the summaries. Ids stay used, and money that has moved
/// stays where it is. Only enabled with `--enable-purge`.
#[utoipa::path(
    post, path = "/purge-payments", tag = "challenge 2025",
    responses(
        (status = 200, description = "Purged", body = PurgeView),
        (status = 404, description = "Not enabled"),
        (status = 409, description = "`payments_in_other_state`: payments were accepted while this \
            was decided; nothing was purged"),
        (status = 501, description = "`not_supported`: this ledger does not support payments"),
        (status = 503, description = "The ledger did not answer"),
        (status = 504, description = "The outcome is unknown"),
    )
)]
pub(crate) async fn purge(call: Call, _: Request) -> Answered {
    if !call.is_purge_enabled() {
        return Err(errors::route_not_found());
    }
    let mut newest_accepted_at = call.newest_payment_accepted_at().await?;
    let mut attempts_left = ATTEMPTS_MAX;
    let outcome = loop {
        let outcome = call
            .submit(Command::PurgePayments {
                expected_accepted_at: Some(newest_accepted_at),
            })
            .await?;
        attempts_left -= 1;
        match outcome.result {
            Err(Refusal::PaymentsInOtherState { accepted_at }) if attempts_left > 0 => {
                newest_accepted_at = accepted_at;
            }
            _ => break outcome,
        }
    };
    let (Record::Purge { payments_count, .. }, _) = v1::first_or_again(outcome)? else {
        tracing::error!("the engine answered a purge without its count");
        return Err(errors::internal());
    };
    Ok(json::respond(StatusCode::OK, &PurgeView { payments_count }))
}
