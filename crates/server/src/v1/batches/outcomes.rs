//! The outcomes of a batch as they are answered.

use axum::http::StatusCode;
use ledger::{
    ACCOUNT_ID_LENGTH_MAX, BatchId, Command, DESCRIPTION_LENGTH_MAX, Outcome, Record, Refusal,
};
use serde::{Serialize, Serializer};

use super::super::notes::{self, REFERENCE_JSON_BYTES_MAX};
use super::super::views::{AccountView, TRANSFER_BYTES_MAX, TransferView};
use crate::codes::{Code, TypeUri};
use crate::problem::Problem;
use crate::request_id::RequestId;

/// What is around a record or a refusal, and a refusal's own words and figures.
const AROUND: usize = 208;
const ID: usize = ACCOUNT_ID_LENGTH_MAX;

/// How large the answer with these outcomes may become, in bytes.
pub(super) fn read_bytes_max(outcomes: &[Outcome]) -> usize {
    let of_one = |outcome: &Outcome| match &outcome.result {
        Ok(Record::Transfer(transfer)) => {
            let ids = transfer.debit_account_id.as_str().len()
                + transfer.credit_account_id.as_str().len();
            2 * (ids + transfer.description.len()) + notes::json_bytes_max(&transfer.notes)
        }
        Ok(Record::Account { .. } | Record::Payment(_) | Record::Purge { .. }) | Err(_) => 2 * ID,
    };
    1024 + outcomes.iter().map(of_one).sum::<usize>()
        + outcomes.len() * (AROUND + TRANSFER_BYTES_MAX)
}

/// How large the answer to these commands may become, in bytes.
pub(super) fn bytes_max(commands: &[Command]) -> usize {
    // A quotation mark takes two bytes in JSON; a refusal says an id twice.
    let of_one = |command: &Command| match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            let ids = transfer.debit_account_id.as_str().len()
                + transfer.credit_account_id.as_str().len();
            2 * (ids + transfer.description.len()) + notes::json_bytes_max(&transfer.notes)
        }
        // The texts are the pending transfer's: up to four bytes a character.
        Command::Post { .. } | Command::PostPart { .. } | Command::Void { .. } => {
            2 * ID + 4 * DESCRIPTION_LENGTH_MAX + REFERENCE_JSON_BYTES_MAX
        }
        // The ids are those of the transfer that is reversed.
        Command::Reverse(reverse) => {
            2 * (ID + reverse.description.len()) + notes::json_bytes_max(&reverse.notes)
        }
        _ => 2 * ID,
    };
    let outcomes = commands.iter().map(of_one).sum::<usize>();
    1024 + outcomes + commands.len() * (AROUND + TRANSFER_BYTES_MAX)
}

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

/// What was decided of an atomic batch.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DecidedBatchView<'a> {
    /// Of a batch of which nothing was applied: which command failed it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    index: Option<usize>,
    #[serde(flatten)]
    batch: BatchView<'a>,
}

impl<'a> DecidedBatchView<'a> {
    pub(super) fn new(id: BatchId, index: Option<usize>, outcomes: &'a [Outcome]) -> Self {
        Self {
            index,
            batch: BatchView::new(Some(id), outcomes),
        }
    }
}

/// An atomic batch that failed: a problem body with the outcomes beside it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BatchFailedView<'a> {
    /// Where this code is explained, on the server itself.
    #[schema(value_type = String, format = "uri-reference", example = "/docs/errors#batch_member_failed")]
    r#type: TypeUri,
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
    /// The `X-Request-Id` of the answer.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "0b6e2f0d8e9c4a63a5d5a5a4d1c3f7b2")]
    request_id: RequestId,
}

fn as_text<S: Serializer>(id: &RequestId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

impl<'a> BatchFailedView<'a> {
    pub(super) fn new(
        id: Option<BatchId>,
        index: usize,
        outcomes: &'a [Outcome],
        request_id: RequestId,
    ) -> Self {
        let why = match &outcomes[index].result {
            Err(refusal) => refusal.to_string(),
            Ok(_) => "its id was used before".to_owned(),
        };
        Self {
            r#type: TypeUri(Code::of_refusal(&Refusal::BatchMemberFailed)),
            title: "Unprocessable Entity",
            status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
            detail: format!("nothing was applied, because of commands[{index}]: {why}"),
            code: Refusal::BatchMemberFailed.code(),
            index,
            batch: BatchView::new(id, outcomes),
            request_id,
        }
    }
}

/// The outcome of one command: a transfer, an account, or a problem.
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
    #[schema(value_type = Option<crate::problem::ProblemBody>)]
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
                view.transfer = Some(TransferView::new(transfer));
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

#[cfg(test)]
mod tests {
    use ledger::{
        Account, AccountId, After, Currency, Limit, Metadata, MoveMoney, NotReversible, Notes,
        Reference, ReverseTransfer, Timestamp, Transfer, TransferId, TransferKind,
    };

    use super::*;

    const MAX: u64 = u64::MAX;

    fn id(letter: &str) -> AccountId {
        AccountId::new(&letter.repeat(ACCOUNT_ID_LENGTH_MAX)).unwrap()
    }

    fn transfer_id() -> TransferId {
        TransferId::from_u128(u128::MAX)
    }

    fn move_money(description: &str) -> MoveMoney {
        MoveMoney {
            id: transfer_id(),
            debit_account_id: id("d"),
            credit_account_id: id("c"),
            amount: MAX,
            description: description.into(),
            notes: Notes::new(
                Some(Reference::new(&"\u{1f600}".repeat(128)).unwrap()),
                Metadata::new([("\"", &*"\"".repeat(490))]).unwrap(),
            ),
        }
    }

    fn made(kind: TransferKind, description: &str) -> Record {
        let moved = move_money(description);
        let after = After {
            entry_number: MAX,
            balance: i64::MIN,
            credit_limit: MAX,
        };
        Record::Transfer(Transfer {
            id: moved.id,
            kind,
            debit_account_id: moved.debit_account_id,
            credit_account_id: moved.credit_account_id,
            amount: MAX,
            description: moved.description,
            notes: match kind {
                TransferKind::Void { .. } | TransferKind::PostPart { .. } => {
                    moved.notes.said_again()
                }
                _ => moved.notes,
            },
            timestamp: Timestamp::from_nanos(MAX),
            debit: Some(after),
            credit: Some(after),
        })
    }

    fn refusals() -> Vec<Refusal> {
        let (account_id, pending_id) = (id("a"), transfer_id());
        vec![
            Refusal::ExistsWithDifferent(ledger::Field::CreditAccountId),
            Refusal::InsufficientFunds {
                account_id: account_id.clone(),
                available: MAX,
                required: MAX,
                credit_limit: MAX,
            },
            Refusal::AccountInUse {
                account_id: account_id.clone(),
                balance: i64::MIN,
                debits_pending: MAX,
                credits_pending: MAX,
            },
            Refusal::AccountFrozen {
                account_id: account_id.clone(),
                side: ledger::Side::Credit,
            },
            Refusal::BalanceOverflow { account_id },
            Refusal::PendingAlreadyPosted { pending_id },
            Refusal::AmountExceedsPending {
                available: MAX,
                required: MAX,
            },
            Refusal::DescriptionInvalid,
            Refusal::BatchMemberFailed,
            Refusal::TransferNotReversible {
                transfer_id: pending_id,
                reason: NotReversible::Reversal,
            },
            Refusal::AmountExceedsReversible {
                available: MAX,
                required: MAX,
            },
        ]
    }

    /// Whatever becomes of a command, its answer fits into the place that is taken for it.
    #[track_caller]
    fn check(command: &Command, record: Record) {
        let outcomes = refusals().into_iter().map(Outcome::refused);
        for outcome in outcomes.chain([Outcome::created(record)]) {
            let taken = bytes_max(std::slice::from_ref(command)) - bytes_max(&[]);
            let needed = serde_json::to_vec(&OutcomeView::new(&outcome)).unwrap();
            let text = String::from_utf8_lossy(&needed);
            // One byte for the comma.
            assert!(needed.len() < taken, "{} of {taken}: {text}", needed.len());
        }
    }

    #[test]
    fn no_answer_is_larger_than_its_place() {
        let (pending_id, timeout_s) = (transfer_id(), u32::MAX);
        for character in ["x", "\"", "\u{1f600}"] {
            let description = &*character.repeat(DESCRIPTION_LENGTH_MAX);
            let transfer = || move_money(description);
            let pend = Command::Pend {
                transfer: transfer(),
                timeout_s,
            };
            check(
                &Command::Transfer(transfer()),
                made(TransferKind::Transfer, description),
            );
            check(&pend, made(TransferKind::Pend { timeout_s }, description));
            let void = Command::Void {
                id: transfer_id(),
                pending_id,
            };
            check(&void, made(TransferKind::Void { pending_id }, description));
            let part = Command::PostPart {
                id: transfer_id(),
                pending_id,
                amount: MAX,
            };
            let kind = TransferKind::PostPart {
                pending_id,
                pending_amount: MAX,
            };
            check(&part, made(kind, description));
            let reverse = Command::Reverse(ReverseTransfer {
                id: transfer_id(),
                reverses: pending_id,
                amount: Some(MAX),
                description: description.into(),
                notes: transfer().notes,
            });
            let kind = TransferKind::Reverse {
                reverses: pending_id,
                reversed_before: MAX,
                in_full: false,
            };
            check(&reverse, made(kind, description));
        }
        let account = Account {
            frozen: ledger::Frozen::Credits,
            debits_posted: MAX,
            credits_posted: MAX,
            debits_pending: MAX,
            credits_pending: MAX,
            entry_count: MAX,
            ..Account::new(
                Currency::new("BRL").unwrap(),
                Limit::Unlimited,
                Timestamp::from_nanos(MAX),
            )
        };
        let close = Command::CloseAccount {
            account_id: id("a"),
            expected_entry_count: None,
            by: None,
        };
        check(
            &close,
            Record::Account {
                id: id("a"),
                account,
            },
        );
    }
}
