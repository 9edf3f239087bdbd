//! One amount for several accounts: a transfer that is split, and a post whose money goes on. Each is an atomic batch, under
//! the id of the request: all of it is done, or none.

use axum::http::HeaderMap;
use ledger::{Batch, BatchId, Command, MoveMoney, Refusal, TransferId, TransferKind};
use ledger::{Transfer, UsedTransfer};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::batches::give;
use super::batches::outcomes::BatchView;
use super::ids::{self, Asked};
use super::mark;
use super::notes::{MetadataRequest, notes};
use super::transfer_request::{TransferRequest, account_id};
use super::views::TransferView;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{Integer, Text};
use crate::problem::{Problem, REPLAYED};
use crate::request_id::RequestId;

/// The most shares of one request.
const SPLITS_MAX: usize = 100;

/// One of the accounts, and its share.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitRequest<'a> {
    /// The account that the share goes to.
    #[serde(borrow)]
    #[schema(value_type = String, example = "shops:7")]
    credit_account_id: Text<'a>,
    /// In minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 900)]
    amount: Integer,
    /// The text in the statements, where it is another one than that of the whole.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140)]
    description: Option<Text<'a>>,
}

/// A transfer to several accounts at once: an atomic batch with a transfer for each.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitTransferRequest<'a> {
    /// The id of the batch; an `Idempotency-Key` can replace it. The transfers' ids follow from it and their places. It is an
    /// id of a batch: a transfer without `splits` that has the same one is another.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Text<'a>>,
    /// The account the money leaves.
    #[serde(borrow)]
    #[schema(value_type = String, example = "users:42")]
    debit_account_id: Text<'a>,
    /// Who gets how much.
    #[serde(borrow)]
    #[schema(min_items = 1, max_items = 100)]
    splits: Vec<SplitRequest<'a>>,
    /// The text in the statements; no control characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "order 1017")]
    description: Text<'a>,
    /// The caller's own text for each of the transfers.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "order 1017")]
    reference: Option<Text<'a>>,
    /// The caller's own texts by name for each of them; at most 1,000 bytes as JSON without blanks.
    #[serde(borrow, default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<MetadataRequest<'a>>,
    /// If it is given, the transfers are pending, each for itself.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    timeout_s: Option<Integer>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    dry_run: bool,
}

/// What `POST /v1/transfers` takes: one transfer, or one to several accounts.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it is only described: which of the two a body is shows in its members"
)]
pub(crate) enum TransferBody<'a> {
    One(#[serde(borrow)] TransferRequest<'a>),
    Split(#[serde(borrow)] SplitTransferRequest<'a>),
}

/// What was made: a transfer, or with `splits` the batch of them.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described: each is answered by itself")]
pub(crate) enum MovedView<'a> {
    Transfer(Box<TransferView<'a>>),
    Batch(BatchView<'a>),
}

/// Whether the body is that of a transfer to several accounts.
pub(super) fn is_split(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Members {
        splits: Option<IgnoredAny>,
    }
    const NAME: &[u8] = b"\"splits\"";
    // Hardly any is: most are not read twice.
    memchr::memmem::find(body, NAME).is_some()
        && serde_json::from_slice::<Members>(body).is_ok_and(|members| members.splits.is_some())
}

impl SplitTransferRequest<'_> {
    /// Makes the transfers, or asks what they would be answered.
    pub(super) async fn give(&self, call: &Call, headers: &HeaderMap) -> Answered {
        let body_id = self.id.as_ref().map(|id| &*id.0);
        let id = ids::batch_id(body_id, &Asked::of(call, headers))?;
        let debit_account_id = account_id(&self.debit_account_id, "debit_account_id")?;
        let notes = notes(self.reference.as_ref(), self.metadata.as_ref())?;
        let timeout_s = self.timeout_s.map(Integer::timeout_s).transpose()?;
        let mut members = Members::of(id);
        for (index, split) in checked(&self.splits)?.iter().enumerate() {
            let description = split.description.as_ref().unwrap_or(&self.description);
            members.add(|id| {
                let transfer = MoveMoney {
                    id,
                    debit_account_id: debit_account_id.clone(),
                    credit_account_id: split.credit_account_id(index)?,
                    amount: split.amount(index)?,
                    description: (&*description.0).into(),
                    notes: notes.clone(),
                };
                Ok(match timeout_s {
                    None => Command::Transfer(transfer),
                    Some(timeout_s) => Command::Pend {
                        transfer,
                        timeout_s,
                    },
                })
            })?;
        }
        members.give(call, self.dry_run, headers).await
    }
}

/// Posts a pending transfer, and moves shares of what was posted on from its credit account.
pub(super) async fn post(
    call: &Call,
    asked: &Asked<'_>,
    pending_id: TransferId,
    post: SplitPost<'_>,
) -> Answered {
    let body_id = post.id.map(|id| &*id.0);
    let id = ids::batch_id(body_id, asked)?;
    let splits = checked(post.splits)?;
    let Some(amount) = post.amount else {
        return Err(errors::json_invalid(
            "a post with splits needs an amount: how much of what is reserved it moves",
        ));
    };
    let amount = amount.amount("amount")?;
    let mut shared: u64 = 0;
    for (index, split) in splits.iter().enumerate() {
        // At most 100 amounts of 53 bits.
        shared += split.amount(index)?;
    }
    if shared > amount {
        let detail = format!("the splits are {shared} together, more than the amount {amount}");
        return Err(errors::json_invalid(detail));
    }
    let pending = pending(call, pending_id).await?;
    let mut members = Members::of(id);
    members.add(|id| {
        Ok(match post.is_final {
            true => Command::Post {
                id,
                pending_id,
                amount: Some(amount),
            },
            false => Command::PostPart {
                id,
                pending_id,
                amount,
            },
        })
    })?;
    for (index, split) in splits.iter().enumerate() {
        members.add(|id| {
            let description = split.description.as_ref();
            Ok(Command::Transfer(MoveMoney {
                id,
                debit_account_id: pending.credit_account_id.clone(),
                credit_account_id: split.credit_account_id(index)?,
                amount: split.amount(index)?,
                description: description.map_or_else(
                    || pending.description.clone(),
                    |description| (&*description.0).into(),
                ),
                notes: pending.notes.clone().said_again(),
            }))
        })?;
    }
    members.give(call, post.dry_run, asked.headers).await
}

/// A post's body with `splits`.
pub(super) struct SplitPost<'a> {
    pub(super) id: Option<&'a Text<'a>>,
    pub(super) amount: Option<Integer>,
    pub(super) is_final: bool,
    pub(super) splits: &'a [SplitRequest<'a>],
    pub(super) dry_run: bool,
}

/// The pending transfer with this id. What a split is made of does not change with how it stands.
async fn pending(call: &Call, pending_id: TransferId) -> Result<Transfer, Problem> {
    match call.transfer(pending_id).await? {
        Some(UsedTransfer::Created(transfer, _))
            if matches!(transfer.kind, TransferKind::Pend { .. }) =>
        {
            Ok(transfer)
        }
        Some(_) | None => Err(Problem::from(&Refusal::PendingNotFound { pending_id })),
    }
}

fn checked<'s, 'a>(splits: &'s [SplitRequest<'a>]) -> Result<&'s [SplitRequest<'a>], Problem> {
    match splits.len() {
        1..=SPLITS_MAX => Ok(splits),
        _ => Err(errors::json_invalid("splits has 1 to 100 members")),
    }
}

impl SplitRequest<'_> {
    fn credit_account_id(&self, index: usize) -> Result<ledger::AccountId, Problem> {
        let id = account_id(&self.credit_account_id, "credit_account_id");
        id.map_err(|problem| at(index, problem))
    }

    fn amount(&self, index: usize) -> Result<u64, Problem> {
        self.amount
            .amount("amount")
            .map_err(|problem| at(index, problem))
    }
}

/// Says in which share the error is.
fn at(index: usize, problem: Problem) -> Problem {
    Problem {
        detail: format!("splits[{index}]: {}", problem.detail).into(),
        ..problem
    }
}

/// The commands of the batch so far.
struct Members {
    batch_id: BatchId,
    commands: Vec<Command>,
}

impl Members {
    const fn of(batch_id: BatchId) -> Self {
        Self {
            batch_id,
            commands: Vec::new(),
        }
    }

    fn add(
        &mut self,
        command: impl FnOnce(TransferId) -> Result<Command, Problem>,
    ) -> Result<(), Problem> {
        let id = ids::member_id(self.batch_id, self.commands.len());
        self.commands.push(command(id)?);
        Ok(())
    }

    async fn give(self, call: &Call, dry_run: bool, headers: &HeaderMap) -> Answered {
        let batch =
            Batch::atomic(self.batch_id, self.commands).map_err(|_| errors::batch_too_large())?;
        let response = give::give(call, batch, dry_run, RequestId::of(headers)).await?;
        if dry_run || !response.status().is_success() {
            return Ok(response);
        }
        let replayed = response.headers().contains_key(REPLAYED);
        let location = format!("/v1/batches/{}", self.batch_id);
        Ok(mark(response, replayed, &location))
    }
}
