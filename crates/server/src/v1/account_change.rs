//! Changing an account: its limit, what of it is frozen, and that it is closed.
//!
//! The body names a state, so asking again is harmless by itself: a limit is set to what it is,
//! and an account that is closed already, with the limit asked for, is answered as it is. An
//! `Idempotency-Key` does more: the first answer is remembered under it, whatever was changed
//! meanwhile by others.
//!
//! A change may reach the ledger late, when others have changed the account and were answered. So it
//! names what it takes the place of: what the caller expects or, without that, what this node sees
//! when it takes the request. Where the ledger finds something else, the answer is 409
//! `account_in_other_state` and nothing is changed; the caller looks and decides anew. It is not
//! repeated here: the conflict may be with what was answered a moment ago.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{
    Account, AccountId, Batch, BatchId, By, Command, Frozen, Note, Outcome, Record, Refusal,
};
use serde::Deserialize;

use super::ids::Asked;
use super::path::account_in_path;
use super::views::AccountView;
use super::{first_or_again, ids};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::problem::{Problem, REPLAYED};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"credit_limit": 200_000}))]
pub(crate) struct ChangeAccountRequest<'a> {
    /// The new limit, in minor units.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    credit_limit: Option<Integer>,
    /// What is frozen from now on: `none`, `debits`, `credits` or `both`. A frozen account takes no new debits, credits
    /// or either; what was reserved before can be posted, voided and settled.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "debits")]
    frozen: Option<Text<'a>>,
    /// `true` closes the account, for good: its balance must be 0, and nothing may be pending.
    #[serde(default)]
    closed: Option<bool>,
    /// The limit that the new one replaces; without it, the limit at the arrival of the request. If
    /// the account has another one: 409 `account_in_other_state`.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expected_credit_limit: Option<Integer>,
    /// What the new freeze replaces; without it, what is frozen at the arrival of the request. If the account has
    /// something else frozen: 409 `account_in_other_state`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "none")]
    expected_frozen: Option<Text<'a>>,
    /// The `entry_count` of the account that is to be closed; without it, the count at the arrival
    /// of the request. If the account has another one: 409 `account_in_other_state`.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expected_entry_count: Option<Integer>,
    /// Who decides it; without it, the name of the caller's key. Kept with the change.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140, example = "ana")]
    who: Option<Text<'a>>,
    /// Why. Kept with the change.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140, example = "ticket 4711")]
    why: Option<Text<'a>>,
}

/// What is asked for.
struct Change {
    account_id: AccountId,
    credit_limit: Option<u64>,
    frozen: Option<Frozen>,
    close: bool,
    expected_credit_limit: Option<u64>,
    expected_frozen: Option<Frozen>,
    expected_entry_count: Option<u64>,
    by: Option<Box<By>>,
}

impl ChangeAccountRequest<'_> {
    fn of(&self, account_id: AccountId) -> Result<Change, Problem> {
        if self.closed == Some(false) {
            return Err(errors::closed_for_good());
        }
        let given = |number: Option<Integer>, name| number.map(|n| n.amount(name)).transpose();
        let credit_limit = given(self.credit_limit, "credit_limit")?;
        let frozen_to = |text: &Option<Text<'_>>, name| {
            text.as_ref().map(|text| frozen(text, name)).transpose()
        };
        let new_frozen = frozen_to(&self.frozen, "frozen")?;
        if credit_limit.is_none() && new_frozen.is_none() && self.closed.is_none() {
            return Err(errors::change_missing());
        }
        let (limit, count) = (self.expected_credit_limit, self.expected_entry_count);
        for (expected, change, names) in [
            (
                limit.is_some(),
                credit_limit.is_some(),
                ["expected_credit_limit", "credit_limit"],
            ),
            (
                self.expected_frozen.is_some(),
                new_frozen.is_some(),
                ["expected_frozen", "frozen"],
            ),
            (
                count.is_some(),
                self.closed.is_some(),
                ["expected_entry_count", "closed"],
            ),
        ] {
            if expected && !change {
                let [expected, change] = names;
                let detail = format!("{expected} is of use only together with {change}");
                return Err(errors::json_invalid(detail));
            }
        }
        Ok(Change {
            account_id,
            credit_limit,
            frozen: new_frozen,
            close: self.closed.is_some(),
            expected_credit_limit: given(limit, "expected_credit_limit")?,
            expected_frozen: frozen_to(&self.expected_frozen, "expected_frozen")?,
            expected_entry_count: given(count, "expected_entry_count")?,
            by: by(self.who.as_ref(), self.why.as_ref())?,
        })
    }
}

/// Who decides, and why, as far as the caller says it.
pub(super) fn by(
    who: Option<&Text<'_>>,
    why: Option<&Text<'_>>,
) -> Result<Option<Box<By>>, Problem> {
    let note = |text: Option<&Text<'_>>, detail| match text {
        None => Ok(None),
        Some(text) => Note::new(&text.0)
            .map(Some)
            .map_err(|_| errors::description_invalid(detail)),
    };
    Ok(By::new(
        note(who, super::payments::WHO_INVALID)?,
        note(why, super::payments::WHY_INVALID)?,
    ))
}

/// What is to be frozen, by its name.
pub(super) fn frozen(text: &Text<'_>, field: &'static str) -> Result<Frozen, Problem> {
    let mut all = Frozen::ALL.into_iter();
    let named = all.find(|frozen| frozen.as_str() == &*text.0);
    named.ok_or_else(|| errors::frozen_invalid(field))
}

impl Change {
    fn commands(&self) -> Vec<Command> {
        let account_id = || self.account_id.clone();
        let change_limit = self.credit_limit.map(|credit_limit| Command::ChangeLimit {
            account_id: account_id(),
            credit_limit,
            expected_credit_limit: self.expected_credit_limit,
            by: self.by.clone(),
        });
        let change_freeze = self.frozen.map(|frozen| Command::ChangeFreeze {
            account_id: account_id(),
            frozen,
            expected_frozen: self.expected_frozen,
            by: self.by.clone(),
        });
        let close = self.close.then(|| Command::CloseAccount {
            account_id: account_id(),
            expected_entry_count: self.expected_entry_count,
            by: self.by.clone(),
        });
        let changes = change_limit.into_iter().chain(change_freeze);
        changes.chain(close).collect()
    }

    /// Expects of the account what it is now, where the caller says nothing else.
    fn expect(&mut self, account: &Account) {
        let limit = self.expected_credit_limit;
        self.expected_credit_limit = limit.or(account.credit_limit());
        let frozen = self.expected_frozen;
        self.expected_frozen = frozen.or(Some(account.frozen));
        let count = self.expected_entry_count;
        self.expected_entry_count = count.or(Some(account.entry_count));
    }

    /// Whether a closed account is what the change asks for. It stays as it is for good.
    fn is_done(&self, account: &Account) -> bool {
        let has_limit = |limit| account.credit_limit() == Some(limit);
        self.close
            && account.closed
            && self.credit_limit.is_none_or(has_limit)
            && self.frozen.is_none_or(|frozen| account.frozen == frozen)
    }
}

/// Sets an account's limit, freezes or unfreezes it, closes it, or several of these at once: then all are done or none.
#[utoipa::path(
    patch, path = "/v1/accounts/{id}", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("Idempotency-Key" = Option<String>, Header, description = "The first answer is \
            remembered under it and returned again. Without it the change is made again, which is \
            harmless unless others change the account too"),
    ),
    request_body = ChangeAccountRequest,
    responses(
        (status = 200, description = "The account right after; with `Idempotency-Replayed: true` if it was so before", body = AccountView),
        (status = 400, description = "Not well formed, or nothing to change: `change_missing`, \
            `frozen_invalid`, `closed_invalid`, `description_invalid`"),
        (status = 404, description = "`account_not_found`"),
        (status = 409, description = "`account_in_other_state`: it was changed meanwhile, read it and decide again; \
            `exists_with_different_members`: the `Idempotency-Key` was used for something \
            else"),
        (status = 422, description = "Refused: `account_in_use` (its balance is not 0, or \
            something is pending), `insufficient_funds` (it has taken more than the new limit \
            allows), `account_closed`, `account_reserved`, `amount_out_of_range`, \
            `balance_overflow`"),
        (status = 503, description = "The ledger did not answer"),
        (status = 504, description = "The outcome is unknown: ask again"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn change_account(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let account_id = account_in_path(parts.uri.path())?;
    json::check_content_type(&parts.headers)?;
    let key = ids::batch_key(&Asked::of(&call, &parts.headers))?;
    let body = call.body(body).await?;
    let mut change = json::parse::<ChangeAccountRequest<'_>>(&body)?.of(account_id)?;
    // Where there is no such account, the ledger says so.
    if let Some(account) = call.account(change.account_id.clone()).await? {
        change.expect(&account);
    }
    let outcome = submit(&call, &change, key).await?;
    if matches!(&outcome.result, Err(Refusal::AccountClosed { .. }))
        && let Some(account) = call.account(change.account_id.clone()).await?
        && change.is_done(&account)
    {
        return Ok(answer(&change.account_id, &account, true));
    }
    if matches!(&outcome.result, Err(Refusal::AccountInOtherState { .. }))
        && change.frozen.is_some()
    {
        let problem = first_or_again(outcome)
            .err()
            .unwrap_or_else(errors::internal);
        let account = call.account(change.account_id.clone()).await?;
        return Err(match account {
            Some(account) => problem.with("frozen", account.frozen.as_str()),
            None => problem,
        });
    }
    let (Record::Account { id, account }, replayed) = first_or_again(outcome)? else {
        tracing::error!("the engine answered the change of an account without an account");
        return Err(errors::internal());
    };
    Ok(answer(&id, &account, replayed))
}

/// The outcome of the last command, or of the one that was refused.
async fn submit(call: &Call, change: &Change, key: Option<BatchId>) -> Result<Outcome, Problem> {
    let mut commands = change.commands();
    if key.is_none() && commands.len() == 1 {
        return match commands.pop() {
            Some(command) => call.submit(command).await,
            None => Err(errors::internal()),
        };
    }
    let id = key.unwrap_or_else(|| BatchId::from_u128(ids::minted(call.now())));
    let batch = Batch::atomic(id, commands).map_err(|_| errors::batch_too_large())?;
    let mut outcomes = call.submit_batch(batch).await?;
    let is_why = |outcome: &Outcome| matches!(&outcome.result, Err(refusal) if *refusal != Refusal::BatchMemberFailed);
    let last = outcomes.len().saturating_sub(1);
    let place = outcomes.iter().position(is_why).unwrap_or(last);
    Ok(outcomes.swap_remove(place))
}

fn answer(id: &AccountId, account: &Account, replayed: bool) -> Response {
    let mut response = json::respond(StatusCode::OK, &AccountView::new(id, account));
    if replayed {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
