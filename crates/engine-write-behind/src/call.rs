//! One call: its commands as the library takes them, and its answers as outcomes.
//!
//! What is refused whatever the ledger holds is answered here and never sent, but as a member of an
//! atomic batch, which it fails.

use std::collections::HashMap;

use ledger::{
    Batch, BatchId, Command, Digest, Field, Outcome, Refusal, Timestamp, TransferId, UsedBatch,
    UsedId, UsedTransfer,
};
use redis::{Cmd, Value};

use crate::error::Damaged;
use crate::filter::Hash;
use crate::form::Form;
use crate::layout::{answer, batch_key, operation, transfer_key};
use crate::link::{Function, bytes, number};
use crate::moment::Moment;
use crate::record::{Record, content, encode_used, outcome_of};

/// What the database said of ids that Redis did not know for certain, by their keys in Redis.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    records: HashMap<Vec<u8>, Vec<u8>>,
    batches: HashMap<BatchId, UsedBatch>,
}

/// Stands for a batch's record that the database has.
const PERSISTED: &[u8] = b"persisted";

impl Checked {
    pub(crate) fn transfer(
        &mut self,
        id: TransferId,
        used: Option<&UsedTransfer>,
    ) -> Result<(), Damaged> {
        let record = match used {
            Some(used) => encode_used(used)?,
            // The id was not used.
            None => Vec::new(),
        };
        self.records.insert(transfer_key(id), record);
        Ok(())
    }

    pub(crate) fn batch(&mut self, id: BatchId, used: Option<UsedBatch>) {
        let record = used.as_ref().map_or(Vec::new(), |_| PERSISTED.to_vec());
        self.records.insert(batch_key(id), record);
        self.batches.extend(used.map(|used| (id, used)));
    }
}

/// The call of this function, which applies these batches or previews them; nothing is done by a clock that is later than `latest`.
pub(crate) fn encode(
    function: Function,
    token: &[u8],
    latest: Timestamp,
    batches: &[Batch],
    checked: &Checked,
) -> Cmd {
    let mut call = function.call();
    call.arg(token).arg(Moment::from(latest).us);
    call.arg(checked.records.len());
    for (key, record) in &checked.records {
        call.arg(key).arg(record);
    }
    for batch in batches {
        let commands = batch.commands();
        if let Some(id) = batch.atomic_id() {
            call.arg(letter(operation::ATOMIC_BATCH).as_slice())
                .arg(batch_name(id));
            call.arg(Digest::of(commands).0.as_slice());
            call.arg(commands.len());
            for command in commands {
                add(&mut call, command, &Form::of(command));
            }
            continue;
        }
        let sent: Vec<(&Command, Form)> = commands
            .iter()
            .map(|command| (command, Form::of(command)))
            .filter(|(_, form)| !matches!(form, Form::Malformed(_)))
            .collect();
        if !sent.is_empty() {
            call.arg(letter(operation::INDEPENDENT_BATCH).as_slice())
                .arg(sent.len());
            for (command, form) in &sent {
                add(&mut call, command, form);
            }
        }
    }
    call
}

/// An id with its hash.
pub(crate) fn transfer_name(id: TransferId) -> Vec<u8> {
    [id.to_bytes(), Hash::of_transfer(id).to_bytes()].concat()
}

fn batch_name(id: BatchId) -> Vec<u8> {
    [id.to_bytes(), Hash::of_batch(id).to_bytes()].concat()
}

/// A letter as an argument.
const fn letter(letter: u8) -> [u8; 1] {
    [letter]
}

/// The seven arguments of an operation.
fn add(call: &mut Cmd, command: &Command, form: &Form) {
    match form {
        Form::WellFormed => {}
        Form::RepetitionOnly => {
            let Some(UsedId::Transfer(id)) = command.used_id() else {
                unreachable!("only transfers have texts here: payments are refused before");
            };
            let named = call
                .arg(letter(operation::REPETITION_ONLY).as_slice())
                .arg(transfer_name(id));
            named.arg("").arg("").arg("").arg("").arg(content(command));
            return;
        }
        Form::Malformed(_) => {
            let nothing = call
                .arg(letter(operation::MALFORMED).as_slice())
                .arg("")
                .arg("")
                .arg("")
                .arg("")
                .arg("");
            nothing.arg(content(command));
            return;
        }
    }
    match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            let (kind, timeout_s) = if let Command::Pend { timeout_s, .. } = command {
                (operation::PEND, *timeout_s)
            } else {
                (operation::TRANSFER, 0)
            };
            call.arg(letter(kind).as_slice())
                .arg(transfer_name(transfer.id))
                .arg(transfer.debit_account_id.as_str())
                .arg(transfer.credit_account_id.as_str())
                .arg(transfer.amount)
                .arg(timeout_s);
        }
        Command::Post {
            id,
            pending_id,
            amount,
        } => {
            call.arg(letter(operation::POST).as_slice())
                .arg(transfer_name(*id));
            call.arg(transfer_name(*pending_id)).arg("");
            call.arg(amount.map_or_else(String::new, |amount| amount.to_string()));
            call.arg("");
        }
        Command::Void { id, pending_id } => {
            call.arg(letter(operation::VOID).as_slice())
                .arg(transfer_name(*id));
            call.arg(transfer_name(*pending_id)).arg("").arg("").arg("");
        }
        Command::Expire { pending_id } => {
            call.arg(letter(operation::EXPIRE).as_slice())
                .arg("")
                .arg(transfer_name(*pending_id));
            call.arg("").arg("").arg("");
        }
        Command::OpenAccount(open) => {
            call.arg(letter(operation::OPEN_ACCOUNT).as_slice())
                .arg(open.id.as_str());
            call.arg(open.currency.as_str()).arg("");
            // The table of currencies is the node's: the library knows none.
            let is_current = open.currency.check_current().is_ok();
            call.arg(open.credit_limit)
                .arg(if is_current { "c" } else { "" });
        }
        Command::ChangeLimit {
            account_id,
            credit_limit,
            expected_credit_limit,
            by: _,
        } => {
            call.arg(letter(operation::CHANGE_LIMIT).as_slice())
                .arg(account_id.as_str())
                .arg("")
                .arg("");
            call.arg(*credit_limit)
                .arg(expectation(*expected_credit_limit));
        }
        Command::CloseAccount {
            account_id,
            expected_entry_count,
            by: _,
        } => {
            call.arg(letter(operation::CLOSE_ACCOUNT).as_slice())
                .arg(account_id.as_str())
                .arg("")
                .arg("");
            call.arg("").arg(expectation(*expected_entry_count));
        }
        Command::AcceptPayment(_)
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::ResolvePayment(_)
        | Command::PurgePayments { .. }
        | Command::Reverse(_)
        | Command::PostPart { .. }
        | Command::ChangeFreeze { .. } => {
            unreachable!("what is not supported over this engine is refused before")
        }
    }
    call.arg(content(command));
}

/// What a command expects of its account, in decimal digits; empty where it expects nothing.
fn expectation(expected: Option<u64>) -> String {
    expected.map_or_else(String::new, |expected| expected.to_string())
}

/// What a call answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// The ledger's position afterwards, and up to where it is persisted.
    pub(crate) position: u64,
    pub(crate) persisted: u64,
}

/// The outcomes of the batches that were sent with [`encode`].
pub(crate) fn decode(
    values: &[Value],
    batches: &[Batch],
    checked: &Checked,
) -> Result<Answered, Damaged> {
    let (figures, answers) = values.split_at_checked(2).ok_or(Damaged)?;
    let mut answers = answers.iter();
    let mut next = || bytes(answers.next())?.ok_or(Damaged);
    let mut outcomes = Vec::with_capacity(batches.len());
    for batch in batches {
        let commands = batch.commands();
        outcomes.push(match batch.atomic_id() {
            Some(id) => batch_outcomes(id, commands, next()?, checked)?,
            None => commands
                .iter()
                .map(|command| match Form::of(command) {
                    Form::Malformed(refusal) => Ok(Outcome::refused(refusal)),
                    Form::RepetitionOnly | Form::WellFormed => outcome_of(command, next()?),
                })
                .collect::<Result<_, _>>()?,
        });
    }
    Ok(Answered {
        outcomes,
        position: number(figures.first())?,
        persisted: number(figures.last())?,
    })
}

fn batch_outcomes(
    id: BatchId,
    commands: &[Command],
    answered: &[u8],
    checked: &Checked,
) -> Result<Vec<Outcome>, Damaged> {
    let (kind, record) = answered.split_first().ok_or(Damaged)?;
    let used = if record == PERSISTED {
        checked.batches.get(&id).cloned().ok_or(Damaged)?
    } else {
        Record::decode(record)?.batch.ok_or(Damaged)?.1
    };
    Ok(match kind {
        &answer::CREATED => used.outcomes,
        _ if used.digest == Digest::of(commands) => {
            let first = used.outcomes.into_iter();
            first.map(|first| Outcome::exists(first.result)).collect()
        }
        _ => {
            let refusal = Refusal::ExistsWithDifferent(Field::Members);
            vec![Outcome::refused(refusal); commands.len()]
        }
    })
}
