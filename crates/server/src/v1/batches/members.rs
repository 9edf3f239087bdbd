//! The commands of a batch as they are written.

use std::fmt;

use axum::http::HeaderMap;
use ledger::{AccountId, BATCH_COMMANDS_MAX, BatchId, By, Command, TransferId};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::super::account_change::{self, frozen};
use super::super::accounts::OpenAccountRequest;
use super::super::ids::{self, Asked};
use super::super::notes::MetadataRequest;
use super::super::pendings::post_command;
use super::super::reversals::ReverseRequest;
use super::super::transfer_request::{TransferRequest, account_id};
use crate::errors;
use crate::json::{Integer, Text};
use crate::problem::Problem;

/// A batch's commands: no more are kept than a batch may have, however many are sent.
pub(super) struct Members<'a> {
    commands: Vec<CommandRequest<'a>>,
    are_too_many: bool,
}

impl Members<'_> {
    /// The commands, of the atomic batch with this id, if it is one: there a member may be without an id of its own.
    pub(super) fn commands(&self, batch_id: Option<BatchId>) -> Result<Vec<Command>, Problem> {
        if self.are_too_many {
            return Err(errors::batch_too_large());
        }
        let commands = self.commands.iter().enumerate();
        commands
            .map(|(index, request)| {
                let derived = batch_id.map(|id| ids::member_id(id, index));
                request.command(derived).map_err(|problem| Problem {
                    detail: format!("commands[{index}]: {}", problem.detail).into(),
                    ..problem.with("index", index)
                })
            })
            .collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of commands")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut commands = Vec::new();
        loop {
            let index = commands.len();
            if index == BATCH_COMMANDS_MAX {
                break;
            }
            let next = seq.next_element();
            match next.map_err(|error| A::Error::custom(format!("commands[{index}]: {error}")))? {
                Some(command) => commands.push(command),
                None => break,
            }
        }
        let mut are_too_many = false;
        while commands.len() == BATCH_COMMANDS_MAX && seq.next_element::<IgnoredAny>()?.is_some() {
            are_too_many = true;
        }
        Ok(Members {
            commands,
            are_too_many,
        })
    }
}

/// One command of a batch. Its kind says which members it takes:
///
/// - `transfer`: what `POST /v1/transfers` takes; with `timeout_s` it is pending
/// - `post`: `id`, `pending_id` and, where not all of it is posted, `amount`; with `"final": false` the rest stays
///   reserved
/// - `void`: `id`, `pending_id`
/// - `reverse`: `id`, `reverses`, `description`, and if wanted `amount`, `reference`, `metadata`
/// - `open_account`: `account_id`, `currency`, `credit_limit`
/// - `change_limit`: `account_id`, `credit_limit` and, where it should take the place of no other
///   limit, `expected_credit_limit`
/// - `change_freeze`: `account_id`, `frozen` and, where it should take the place of nothing else,
///   `expected_frozen`
/// - `close_account`: `account_id` and, where nothing may have moved since the account was looked at,
///   `expected_entry_count`
///
/// The last three take `who` and `why`, too.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandRequest<'a> {
    #[serde(borrow)]
    #[schema(value_type = String, example = "transfer",
        pattern = "^(transfer|post|void|reverse|open_account|change_limit|change_freeze|close_account)$")]
    kind: Text<'a>,
    /// The id of a `transfer`, `post`, `void` or `reverse`. In an atomic batch it can be left out: it follows from
    /// the id of the batch and the command's place in it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid",
        example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "world:BRL")]
    debit_account_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "users:42")]
    credit_account_id: Option<Text<'a>>,
    /// In minor units.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64,
        example = 1000)]
    amount: Option<Integer>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140, example = "top-up")]
    description: Option<Text<'a>>,
    /// The caller's own text for a `transfer` or `reverse`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "order 1017")]
    reference: Option<Text<'a>>,
    /// The caller's own texts by name for a `transfer` or `reverse`; at most 1,000 bytes as JSON without blanks.
    #[serde(borrow, default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<MetadataRequest<'a>>,
    /// Makes a `transfer` pending; in seconds; 0: without a timeout.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    timeout_s: Option<Integer>,
    /// The pending transfer that a `post` or `void` ends.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    pending_id: Option<Text<'a>>,
    /// Whether a `post` is the last one: with `false` the rest stays reserved, and `amount` is needed.
    #[serde(default, rename = "final")]
    is_final: Option<bool>,
    /// The transfer that a `reverse` moves back.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    reverses: Option<Text<'a>>,
    /// The account that is opened, limited, frozen or closed.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    account_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    currency: Option<Text<'a>>,
    /// In minor units.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    credit_limit: Option<Integer>,
    /// The limit that a `change_limit` replaces; if the account has another one, the command is
    /// refused with `account_in_other_state`.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expected_credit_limit: Option<Integer>,
    /// What a `change_freeze` freezes from now on: `none`, `debits`, `credits` or `both`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "debits")]
    frozen: Option<Text<'a>>,
    /// What a `change_freeze` replaces; if the account has something else frozen, the command is refused with
    /// `account_in_other_state`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "none")]
    expected_frozen: Option<Text<'a>>,
    /// The `entry_count` with which a `close_account` expects the account; with another one it is
    /// refused with `account_in_other_state`.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expected_entry_count: Option<Integer>,
    /// Who decides a `change_limit`, `change_freeze` or `close_account`; without it, the name of the caller's key.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140, example = "ana")]
    who: Option<Text<'a>>,
    /// Why.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 140, example = "ticket 4711")]
    why: Option<Text<'a>>,
}

const TRANSFER: [&str; 8] = [
    "id",
    "debit_account_id",
    "credit_account_id",
    "amount",
    "description",
    "reference",
    "metadata",
    "timeout_s",
];

const REVERSE: [&str; 6] = [
    "id",
    "reverses",
    "amount",
    "description",
    "reference",
    "metadata",
];

impl CommandRequest<'_> {
    /// The command, under the derived id where it has none of its own.
    fn command(&self, derived: Option<TransferId>) -> Result<Command, Problem> {
        match &*self.kind.0 {
            "transfer" => {
                self.takes(&TRANSFER)?;
                self.transfer(derived)
            }
            "post" => {
                self.takes(&["id", "pending_id", "amount", "final"])?;
                post_command(
                    self.own_id(derived)?,
                    self.pending_id()?,
                    self.amount,
                    self.is_final.unwrap_or(true),
                )
            }
            "void" => {
                self.takes(&["id", "pending_id"])?;
                Ok(Command::Void {
                    id: self.own_id(derived)?,
                    pending_id: self.pending_id()?,
                })
            }
            "reverse" => {
                self.takes(&REVERSE)?;
                self.reverse(derived)
            }
            "open_account" => {
                self.takes(&["account_id", "currency", "credit_limit"])?;
                let open = OpenAccountRequest {
                    id: needed(self.account_id.as_ref(), "account_id")?.clone(),
                    currency: needed(self.currency.as_ref(), "currency")?.clone(),
                    credit_limit: *needed(self.credit_limit.as_ref(), "credit_limit")?,
                };
                Ok(Command::OpenAccount(open.command("account_id")?))
            }
            "change_limit" => {
                self.takes(&[
                    "account_id",
                    "credit_limit",
                    "expected_credit_limit",
                    "who",
                    "why",
                ])?;
                let expected = self.expected_credit_limit;
                let credit_limit = needed(self.credit_limit.as_ref(), "credit_limit")?;
                Ok(Command::ChangeLimit {
                    account_id: self.account_id()?,
                    credit_limit: credit_limit.amount("credit_limit")?,
                    expected_credit_limit: given(expected, "expected_credit_limit")?,
                    by: self.by()?,
                })
            }
            "change_freeze" => {
                self.takes(&["account_id", "frozen", "expected_frozen", "who", "why"])?;
                let expected = self.expected_frozen.as_ref();
                Ok(Command::ChangeFreeze {
                    account_id: self.account_id()?,
                    frozen: frozen(needed(self.frozen.as_ref(), "frozen")?, "frozen")?,
                    expected_frozen: expected
                        .map(|text| frozen(text, "expected_frozen"))
                        .transpose()?,
                    by: self.by()?,
                })
            }
            "close_account" => {
                self.takes(&["account_id", "expected_entry_count", "who", "why"])?;
                let expected = self.expected_entry_count;
                Ok(Command::CloseAccount {
                    account_id: self.account_id()?,
                    expected_entry_count: given(expected, "expected_entry_count")?,
                    by: self.by()?,
                })
            }
            _ => Err(errors::json_invalid(
                "kind is transfer, post, void, reverse, open_account, change_limit, change_freeze or close_account",
            )),
        }
    }

    fn transfer(&self, derived: Option<TransferId>) -> Result<Command, Problem> {
        let needed_text = |text, name| needed::<Text<'_>>(text, name).cloned();
        let request = TransferRequest {
            id: Some(self.id_text(derived)?),
            debit_account_id: needed_text(self.debit_account_id.as_ref(), "debit_account_id")?,
            credit_account_id: needed_text(self.credit_account_id.as_ref(), "credit_account_id")?,
            amount: *needed(self.amount.as_ref(), "amount")?,
            description: needed_text(self.description.as_ref(), "description")?,
            reference: self.reference.clone(),
            metadata: self.metadata.clone(),
            timeout_s: self.timeout_s,
            dry_run: false,
        };
        request.command(&Asked::none(&HeaderMap::new()))
    }

    fn reverse(&self, derived: Option<TransferId>) -> Result<Command, Problem> {
        let request = ReverseRequest {
            id: Some(self.id_text(derived)?),
            amount: self.amount,
            description: needed::<Text<'_>>(self.description.as_ref(), "description")?.clone(),
            reference: self.reference.clone(),
            metadata: self.metadata.clone(),
            dry_run: false,
        };
        let reverses = other_id(self.reverses.as_ref(), "reverses")?;
        request.command(reverses, &Asked::none(&HeaderMap::new()))
    }

    fn own_id(&self, derived: Option<TransferId>) -> Result<TransferId, Problem> {
        let id = ids::uuid(&self.id_text(derived)?.0).ok_or_else(|| errors::id_invalid("id"))?;
        Ok(TransferId::from_u128(id))
    }

    fn id_text(&self, derived: Option<TransferId>) -> Result<Text<'_>, Problem> {
        let derived = || derived.map(|id| Text(id.to_string().into()));
        let id = self.id.clone().or_else(derived);
        id.ok_or_else(errors::member_id_missing)
    }

    fn pending_id(&self) -> Result<TransferId, Problem> {
        other_id(self.pending_id.as_ref(), "pending_id")
    }

    fn by(&self) -> Result<Option<Box<By>>, Problem> {
        account_change::by(self.who.as_ref(), self.why.as_ref())
    }

    fn account_id(&self) -> Result<AccountId, Problem> {
        account_id(
            needed(self.account_id.as_ref(), "account_id")?,
            "account_id",
        )
    }

    /// Refuses what this kind has no use for: it would be lost in silence.
    fn takes(&self, names: &[&str]) -> Result<(), Problem> {
        let given = [
            ("id", self.id.is_some()),
            ("debit_account_id", self.debit_account_id.is_some()),
            ("credit_account_id", self.credit_account_id.is_some()),
            ("amount", self.amount.is_some()),
            ("description", self.description.is_some()),
            ("reference", self.reference.is_some()),
            ("metadata", self.metadata.is_some()),
            ("timeout_s", self.timeout_s.is_some()),
            ("pending_id", self.pending_id.is_some()),
            ("final", self.is_final.is_some()),
            ("reverses", self.reverses.is_some()),
            ("account_id", self.account_id.is_some()),
            ("currency", self.currency.is_some()),
            ("credit_limit", self.credit_limit.is_some()),
            (
                "expected_credit_limit",
                self.expected_credit_limit.is_some(),
            ),
            ("frozen", self.frozen.is_some()),
            ("expected_frozen", self.expected_frozen.is_some()),
            ("expected_entry_count", self.expected_entry_count.is_some()),
            ("who", self.who.is_some()),
            ("why", self.why.is_some()),
        ];
        let unused = given
            .into_iter()
            .find(|(name, is_given)| *is_given && !names.contains(name));
        match unused {
            None => Ok(()),
            Some((name, _)) => {
                let kind = &self.kind.0;
                let detail = format!("a command of kind {kind} takes no {name}");
                Err(errors::json_invalid(detail))
            }
        }
    }
}

fn given(number: Option<Integer>, name: &'static str) -> Result<Option<u64>, Problem> {
    number.map(|number| number.amount(name)).transpose()
}

/// The id of a transfer that was made before.
fn other_id(text: Option<&Text<'_>>, name: &'static str) -> Result<TransferId, Problem> {
    ids::uuid(&needed(text, name)?.0)
        .map(TransferId::from_u128)
        .ok_or_else(|| errors::id_invalid(name))
}

fn needed<'m, T>(member: Option<&'m T>, name: &str) -> Result<&'m T, Problem> {
    member.ok_or_else(|| errors::json_invalid(format!("missing field `{name}`")))
}
