//! Reversing transfers: moving back what they moved, in full or in parts.

use axum::extract::Request;
use ledger::{Command, ReverseTransfer, TransferId};
use serde::Deserialize;

use super::ids::Asked;
use super::notes::{MetadataRequest, notes};
use super::path::transfer_in_path;
use super::views::TransferView;
use super::{ids, transfers};
use crate::call::{Answered, Call};
use crate::json::{self, Integer, Text};
use crate::problem::Problem;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseRequest<'a> {
    /// The reversal's own id; an `Idempotency-Key` can replace it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) id: Option<Text<'a>>,
    /// How much to move back, in minor units. Without it, all that was not reversed before.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 250)]
    pub(super) amount: Option<Integer>,
    /// The text in the statement; no control characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "refund")]
    pub(super) description: Text<'a>,
    /// The caller's own text for it, which several transfers may share; no control characters. A UUID
    /// is kept in small letters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "return 88")]
    pub(super) reference: Option<Text<'a>>,
    /// The caller's own texts by name; at most 1,000 bytes as JSON without blanks. No name is empty, and
    /// nothing has control characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(super) metadata: Option<MetadataRequest<'a>>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    pub(super) dry_run: bool,
}

impl ReverseRequest<'_> {
    /// The command under the id that body and header give.
    pub(super) fn command(
        &self,
        reverses: TransferId,
        asked: &Asked<'_>,
    ) -> Result<Command, Problem> {
        let body_id = self.id.as_ref().map(|id| &*id.0);
        Ok(Command::Reverse(ReverseTransfer {
            id: TransferId::from_u128(ids::transfer_id(body_id, asked)?),
            reverses,
            amount: match self.amount {
                Some(amount) => Some(amount.amount("amount")?),
                None => None,
            },
            description: (&*self.description.0).into(),
            notes: notes(self.reference.as_ref(), self.metadata.as_ref())?,
        }))
    }
}

/// Reverses a transfer, in full or in part: money goes back from the account that got it to the one that
/// paid it.
///
/// The reversal is a transfer of its own, of kind `reverse`, with an id of its own. A transfer that moved money
/// (`transfer`, `post` or `settle`) can be reversed several times, until all of it is moved back; never more.
/// The limits hold as for any transfer: the account that gives the money back needs it.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/reverse", tag = "transfers",
    params(
        ("id" = String, Path, description = "The id of the transfer to reverse"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits"),
    ),
    request_body = ReverseRequest,
    responses(
        (status = 201, description = "Moved back: a transfer of its own, of kind `reverse`",
            body = TransferView),
        (status = 200, description = "Done before under this id with this content: the first \
            answer, with `Idempotency-Replayed: true`. With `dry_run`: what would be done, with \
            `Dry-Run: true`", body = TransferView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`transfer_not_reversible` with the `reason` `not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "Refused: `transfer_not_reversible` with a `reason`, \
            `amount_exceeds_reversible` with what is left as `available`, `insufficient_funds` and \
            the other refusals of a transfer"),
        crate::openapi::responses::NoAnswer,
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn reverse_transfer(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let reverses = transfer_in_path(parts.uri.path())?;
    let body = call.body(body).await?;
    let request = json::parse::<ReverseRequest<'_>>(&body)?;
    let command = request.command(reverses, &Asked::of(&call, &parts.headers))?;
    transfers::give(&call, command, request.dry_run).await
}
