//! The outcomes of a batch as they are answered.

use axum::http::StatusCode;
use ledger::{BatchId, Outcome, Record, Refusal};
use serde::Serialize;

use super::super::views::{AccountView, TransferView};
use crate::problem::Problem;

/// The outcomes of a batch, in the order of its commands.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BatchView<'a> {
    /// An atomic batch's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<String>,
    atomic: bool,
    outcomes: Vec<OutcomeView<'a>>,
}

impl<'a> BatchView<'a> {
    pub(super) fn new(id: Option<BatchId>, outcomes: &'a [Outcome]) -> Self {
        Self {
            id: id.map(|id| id.to_string()),
            atomic: id.is_some(),
            outcomes: outcomes.iter().map(OutcomeView::new).collect(),
        }
    }
}

/// An atomic batch that failed: a problem body with the outcomes beside it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BatchFailedView<'a> {
    #[schema(example = "about:blank")]
    r#type: &'static str,
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    /// For people.
    detail: String,
    /// For programs: stable for good.
    #[schema(example = "batch_member_failed")]
    code: &'static str,
    /// Which command failed the batch, from 0.
    index: usize,
    #[serde(flatten)]
    batch: BatchView<'a>,
}

impl<'a> BatchFailedView<'a> {
    pub(super) fn new(id: Option<BatchId>, index: usize, outcomes: &'a [Outcome]) -> Self {
        let why = match &outcomes[index].result {
            Err(refusal) => refusal.to_string(),
            Ok(_) => "its id was used before".to_owned(),
        };
        Self {
            r#type: "about:blank",
            title: "Unprocessable Entity",
            status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
            detail: format!("nothing was applied, because of commands[{index}]: {why}"),
            code: Refusal::BatchMemberFailed.code(),
            index,
            batch: BatchView::new(id, outcomes),
        }
    }
}

/// What became of one command: a transfer, an account, or a problem.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OutcomeView<'a> {
    /// As on the command's own route: 201 created, 200 the first outcome again, else a refusal.
    #[schema(example = 201)]
    status: u16,
    /// `created`, `exists`, or the refusal's code.
    #[schema(example = "created")]
    code: &'static str,
    /// Whether this was answered before under the command's id.
    replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<AccountView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::openapi::ProblemBody>)]
    problem: Option<Problem>,
}

impl<'a> OutcomeView<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let mut view = Self {
            status: if outcome.replayed { 200 } else { 201 },
            code: outcome.code(),
            replayed: outcome.replayed,
            transfer: None,
            account: None,
            problem: None,
        };
        match &outcome.result {
            Ok(Record::Transfer(transfer)) => {
                view.transfer = Some(TransferView::new(transfer, None));
            }
            Ok(Record::Account { id, account }) => {
                view.account = Some(AccountView::new(id, account));
            }
            // No command of a batch over HTTP makes these.
            Ok(Record::Payment(_) | Record::Purge { .. }) => {}
            Err(refusal) => {
                let problem = Problem::from(refusal);
                view.status = problem.status.as_u16();
                view.problem = Some(problem);
            }
        }
        view
    }
}
