//! `GET /payments-summary`: what each processor has recorded, by the time it was told.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::Millis;
use serde::Serialize;
use serde_json::value::RawValue;

use super::DECIMALS;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;
use crate::rfc3339;
use crate::v1;

/// The challenge's own processors: they are told also where they have nothing.
const NAMES: [&str; 2] = ["default", "fallback"];
const NANOS_PER_MILLI: u64 = 1_000_000;

/// Each processor's sums by its name.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SummaryView {
    #[serde(flatten)]
    processors: BTreeMap<String, SummaryOfProcessor>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryOfProcessor {
    /// How many payments.
    total_requests: u64,
    /// Their exact sum, in reais.
    #[schema(value_type = f64, example = 415_542_345.98)]
    total_amount: Box<RawValue>,
}

/// Counts and exact sums of settled payments per processor, by the time that was sent to the
/// processor; both ends are included.
#[utoipa::path(
    get, path = "/payments-summary", tag = "challenge 2025",
    params(
        ("from" = Option<String>, Query, description = "A time of RFC 3339; without it: from the first payment on", example = "2025-07-15T12:34:56.000Z"),
        ("to" = Option<String>, Query, description = "A time of RFC 3339; without it: up to the last payment", example = "2025-07-15T12:35:56.000Z"),
    ),
    responses(
        (status = 200, description = "The sums", body = SummaryView),
        (status = 400, description = "`time_invalid`, `query_invalid`"),
    )
)]
pub(crate) async fn summary(call: Call, request: Request) -> Answered {
    let (from, to) = bounds(request.uri().query())?;
    let summaries = call.payments_summary(from, to).await?;
    let mut processors = BTreeMap::new();
    for name in NAMES {
        processors.insert(name.to_owned(), of_processor(0, 0)?);
    }
    for summary in summaries {
        let sums = of_processor(summary.payments_count, summary.amount)?;
        processors.insert(summary.processor.as_str().to_owned(), sums);
    }
    Ok(json::respond(StatusCode::OK, &SummaryView { processors }))
}

fn of_processor(total_requests: u64, amount: u128) -> Result<SummaryOfProcessor, Problem> {
    let text = payments::decimal_text(amount, DECIMALS);
    Ok(SummaryOfProcessor {
        total_requests,
        total_amount: RawValue::from_string(text).map_err(|_| errors::internal())?,
    })
}

/// Reads `from=&to=`, each at most once and nothing else, as whole milliseconds inside.
fn bounds(query: Option<&str>) -> Result<(Option<Millis>, Option<Millis>), Problem> {
    let (mut from, mut to) = (None, None);
    let members = query.unwrap_or_default().split('&');
    for member in members.filter(|member| !member.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let (bound, field) = match name {
            "from" => (&mut from, "from"),
            "to" => (&mut to, "to"),
            _ => return Err(errors::query_invalid("the query takes from and to")),
        };
        let nanos = v1::percent_decoded(value)
            .and_then(|text| rfc3339::parse(&text))
            .ok_or_else(|| errors::time_invalid(field))?
            .as_nanos();
        let millis = if field == "from" {
            nanos.div_ceil(NANOS_PER_MILLI)
        } else {
            nanos / NANOS_PER_MILLI
        };
        if bound.replace(Millis(millis)).is_some() {
            return Err(errors::query_invalid("from and to are given once"));
        }
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_milliseconds_inside() {
        let read = |query| bounds(Some(query)).map_err(|problem| problem.code.as_str());
        let at = |millis| Some(Millis(millis));
        assert_eq!(read(""), Ok((None, None)));
        let query = "from=1970-01-01T00:00:01.000Z&to=1970-01-01T00:00:02.001Z";
        assert_eq!(read(query), Ok((at(1_000), at(2_001))));
        let query = "from=1970-01-01T00:00:01.0001Z&to=1970-01-01T00:00:02.0019Z";
        assert_eq!(read(query), Ok((at(1_001), at(2_001))));
        let query = "to=1970-01-01T00%3A00%3A02%2B00:00";
        assert_eq!(read(query), Ok((None, at(2_000))));
        assert_eq!(read("from=x").err(), Some("time_invalid"));
        for field in ["from", "to"] {
            let problem = bounds(Some(&format!("{field}=x"))).unwrap_err();
            assert!(problem.detail.starts_with(field), "{}", problem.detail);
            assert_eq!(problem.members, [("field", field.into())]);
        }
        assert_eq!(read("since=1").err(), Some("query_invalid"));
        let twice = "to=1970-01-01T00:00:01Z&to=1970-01-01T00:00:01Z";
        assert_eq!(read(twice).err(), Some("query_invalid"));
    }
}
