//! The parameters of a list's query: each given at most once, and none that is not known.

use std::borrow::Cow;
use std::str::FromStr;

use ledger::AccountId;

use super::path::percent_decoded;
use crate::errors;
use crate::problem::Problem;

/// The parameters that are times: programs write the plus sign of an offset as it is.
const TIMES: [&str; 3] = ["at", "from", "to"];

/// What each parameter of these names is given as. A plus sign is a space, as forms and most libraries write one
/// (`application/x-www-form-urlencoded` in the WHATWG's URL standard); but in a time it is itself.
///
/// # Errors
///
/// `query_invalid` if one is given twice, is not known, or is not well encoded.
pub(super) fn read<const COUNT: usize>(
    query: Option<&str>,
    names: [&'static str; COUNT],
) -> Result<[Option<String>; COUNT], Problem> {
    let mut given = [const { None }; COUNT];
    let Some(query) = query else {
        return Ok(given);
    };
    for member in query.split('&').filter(|member| !member.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let Some(place) = names.iter().position(|known| *known == name) else {
            let detail = format!("the query takes {}", listed(&names));
            return Err(errors::query_invalid(detail));
        };
        let value = match TIMES.contains(&name) {
            true => percent_decoded(value).map(Cow::into_owned),
            false => percent_decoded(&value.replace('+', " ")).map(Cow::into_owned),
        };
        let value = value.ok_or_else(|| errors::query_invalid("it is not well percent-encoded"))?;
        if given[place].replace(value).is_some() {
            let detail = format!("{} are given once at most", listed(&names));
            return Err(errors::query_invalid(detail));
        }
    }
    Ok(given)
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

/// How many a page has at most.
pub(super) fn limit(
    text: Option<&str>,
    limit_default: usize,
    limit_max: usize,
) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(limit_default);
    };
    whole_number(text)
        .filter(|limit| (1..=limit_max).contains(limit))
        .ok_or_else(|| errors::limit_invalid(limit_max))
}

/// A number of digits alone.
pub(super) fn whole_number<N: FromStr>(text: &str) -> Option<N> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits_only)
}

/// An account's id, or the beginning of one, which has the same form.
pub(super) fn account_id(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<AccountId>, Problem> {
    let id = text.map(AccountId::new).transpose();
    id.map_err(|_| errors::account_id_invalid(field))
}
