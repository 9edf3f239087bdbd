//! What a transfer is asked for with.

use ledger::{AccountId, Command, MoveMoney, TransferId};
use serde::Deserialize;

use super::ids::{self, Asked};
use super::notes::{MetadataRequest, notes};
use crate::errors;
use crate::json::{Integer, Text};
use crate::problem::Problem;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferRequest<'a> {
    /// The transfer's id; an `Idempotency-Key` can replace it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) id: Option<Text<'a>>,
    /// The account the money leaves; `world:BRL` for what comes in from outside.
    #[serde(borrow)]
    #[schema(value_type = String, example = "world:BRL")]
    pub(super) debit_account_id: Text<'a>,
    /// The account the money goes to.
    #[serde(borrow)]
    #[schema(value_type = String, example = "users:42")]
    pub(super) credit_account_id: Text<'a>,
    /// In minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub(super) amount: Integer,
    /// The text in the statement; no control characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "top-up")]
    pub(super) description: Text<'a>,
    /// The caller's own text for it, which several transfers may share; no control characters. A UUID
    /// is kept in small letters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "order 1017")]
    pub(super) reference: Option<Text<'a>>,
    /// The caller's own texts by name; at most 1,000 bytes as JSON without blanks. No name is empty, and
    /// nothing has control characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(super) metadata: Option<MetadataRequest<'a>>,
    /// If it is given, the transfer is pending: it reserves the money until it is posted or voided,
    /// or until so many seconds have passed; 0: without a timeout.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub(super) timeout_s: Option<Integer>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    pub(super) dry_run: bool,
}

impl TransferRequest<'_> {
    /// The command under the id that body and header give.
    pub(super) fn command(&self, asked: &Asked<'_>) -> Result<Command, Problem> {
        let body_id = self.id.as_ref().map(|id| &*id.0);
        let transfer = MoveMoney {
            id: TransferId::from_u128(ids::transfer_id(body_id, asked)?),
            debit_account_id: account_id(&self.debit_account_id, "debit_account_id")?,
            credit_account_id: account_id(&self.credit_account_id, "credit_account_id")?,
            amount: self.amount.amount("amount")?,
            description: (&*self.description.0).into(),
            notes: notes(self.reference.as_ref(), self.metadata.as_ref())?,
        };
        Ok(match self.timeout_s {
            None => Command::Transfer(transfer),
            Some(timeout_s) => Command::Pend {
                transfer,
                timeout_s: timeout_s.timeout_s()?,
            },
        })
    }
}

pub(super) fn account_id(text: &Text<'_>, field: &'static str) -> Result<AccountId, Problem> {
    AccountId::new(&text.0).map_err(|_| errors::account_id_invalid(field))
}
