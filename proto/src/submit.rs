//! The messages of the write entrance, written and read.
//!
//! They are what [`v1::SubmitRequest`] and [`v1::SubmitResponse`] are, byte for byte. Transfers and
//! the answers to them go straight between the ledger's types and the bytes, without a generated
//! message in between and its five allocations: at a million a second they are what the wire costs.
//! Everything else takes the way over the generated messages.
//!
//! A message may be written by several hands: the messages of two requests, one after the other,
//! are the message of both, and so are those of two answers.

use std::collections::BTreeMap;

use compact_str::CompactString;
use ledger::{
    After, BATCH_COMMANDS_MAX, Batch, BatchId, Command, MoveMoney, Notes, Outcome, Record,
    Reference, Transfer, TransferKind,
};
use prost::Message;

use crate::batch::assemble;
use crate::fields::{self, Invalid};
use crate::notes::notes;
use crate::outcome::{self, completed};
use crate::v1;
use crate::wire::{self, FIXED_64, LENGTH, Reader, VARINT, key};

/// The largest message of a submit, in bytes; [`Batch::size_bytes`] bounds what a batch takes.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// The most commands of a request, in all its batches together.
pub const REQUEST_COMMANDS_MAX: usize = 65_536;

/// Field 1 with a message: `batches`, `commands`, `outcomes`, and the first choice of each.
const FIRST: u64 = key(1, LENGTH);
const ID_BYTES: usize = 16;

/// Writes a [`v1::SubmitRequest`].
pub fn write_request(batches: &[Batch], out: &mut Vec<u8>) {
    let mut commands = Vec::with_capacity(batches.iter().map(Batch::size_bytes).sum());
    for batch in batches {
        commands.clear();
        for command in batch.commands() {
            write_command(command, &mut commands);
        }
        let id = batch.atomic_id().map(BatchId::to_bytes);
        let id = id.as_ref().map_or(&[][..], |id| id);
        let size = commands.len() + wire::bytes_size(id.len());
        out.reserve(wire::message_size(size));
        wire::put_message(out, 1, size);
        out.extend_from_slice(&commands);
        wire::put_bytes(out, 2, id);
    }
}

fn write_command(command: &Command, out: &mut Vec<u8>) {
    let Command::Transfer(transfer) = command else {
        let message = v1::Command::from(command);
        wire::put_message(out, 1, message.encoded_len());
        // A vector grows: writing to it cannot fail.
        let _ = message.encode(out);
        return;
    };
    let debit = transfer.debit_account_id.as_str().as_bytes();
    let credit = transfer.credit_account_id.as_str().as_bytes();
    let description = transfer.description.as_bytes();
    let reference = transfer.notes.reference();
    let id = reference.and_then(Reference::as_id);
    let text = match (id, reference) {
        (None, Some(reference)) => reference.as_str(),
        (Some(_), _) | (None, None) => "",
    };
    let id = id.as_ref().map_or(&[][..], |id| id);
    let size = wire::message_size(ID_BYTES)
        + wire::bytes_size(debit.len())
        + wire::bytes_size(credit.len())
        + wire::number_size(transfer.amount)
        + wire::bytes_size(description.len())
        + wire::bytes_size(id.len())
        + wire::bytes_size(text.len())
        + metadata_size(&transfer.notes);
    wire::put_message(out, 1, wire::message_size(size));
    wire::put_message(out, 1, size);
    wire::put_bytes(out, 1, &transfer.id.to_bytes());
    wire::put_bytes(out, 2, debit);
    wire::put_bytes(out, 3, credit);
    wire::put_number(out, 4, transfer.amount);
    wire::put_bytes(out, 5, description);
    wire::put_bytes(out, 6, id);
    wire::put_bytes(out, 7, text.as_bytes());
    for (name, text) in transfer.notes.metadata().iter() {
        wire::put_message(out, 8, pair_size(name, text));
        wire::put_bytes(out, 1, name.as_bytes());
        wire::put_bytes(out, 2, text.as_bytes());
    }
}

fn metadata_size(notes: &Notes) -> usize {
    let texts = notes.metadata().iter();
    texts
        .map(|(name, text)| wire::message_size(pair_size(name, text)))
        .sum()
}

fn pair_size(name: &str, text: &str) -> usize {
    wire::bytes_size(name.len()) + wire::bytes_size(text.len())
}

/// Reads a [`v1::SubmitRequest`].
pub fn read_request(bytes: &[u8]) -> Result<Vec<Batch>, Invalid> {
    let mut batches = Vec::new();
    let mut commands_count = 0;
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            FIRST => {
                let batch = read_batch(reader.bytes()?)?;
                commands_count += batch.commands().len();
                if commands_count > REQUEST_COMMANDS_MAX {
                    return Err(Invalid::Request);
                }
                batches.push(batch);
            }
            other => reader.skip(other, 1)?,
        }
    }
    Ok(batches)
}

fn read_batch(bytes: &[u8]) -> Result<Batch, Invalid> {
    /// Far less than any command that a batch could be full of.
    const COMMAND_BYTES: usize = 48;
    let likely_count = bytes.len() / COMMAND_BYTES + 1;
    let mut commands = Vec::with_capacity(likely_count.min(BATCH_COMMANDS_MAX));
    let mut atomic_id: &[u8] = &[];
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            FIRST if commands.len() == BATCH_COMMANDS_MAX => return Err(Invalid::Batch),
            FIRST => commands.push(read_command(reader.bytes()?)?),
            ATOMIC_ID => atomic_id = reader.bytes()?,
            other => reader.skip(other, 2)?,
        }
    }
    assemble(atomic_id, commands)
}

const ATOMIC_ID: u64 = key(2, LENGTH);

fn read_command(bytes: &[u8]) -> Result<Command, Invalid> {
    if let Some(transfer) = only(bytes)? {
        return read_transfer(transfer).map(Command::Transfer);
    }
    let message = v1::Command::decode(bytes).map_err(|_| Invalid::Malformed)?;
    message.try_into()
}

/// The message in field 1, where there is nothing else.
fn only(bytes: &[u8]) -> Result<Option<&[u8]>, Invalid> {
    let mut reader = Reader::new(bytes);
    if reader.key()? != Some(FIRST) {
        return Ok(None);
    }
    let message = reader.bytes()?;
    Ok((reader.left() == 0).then_some(message))
}

fn read_transfer(bytes: &[u8]) -> Result<MoveMoney, Invalid> {
    const ID: u64 = key(1, LENGTH);
    const DEBIT: u64 = key(2, LENGTH);
    const CREDIT: u64 = key(3, LENGTH);
    const AMOUNT: u64 = key(4, VARINT);
    const DESCRIPTION: u64 = key(5, LENGTH);
    const REFERENCE: u64 = key(6, LENGTH);
    const REFERENCE_TEXT: u64 = key(7, LENGTH);
    const METADATA: u64 = key(8, LENGTH);
    let (mut id, mut reference): (&[u8], &[u8]) = (&[], &[]);
    let (mut debit, mut credit, mut description, mut text) = ("", "", "", "");
    let mut metadata = BTreeMap::new();
    let mut amount = 0;
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            ID => id = reader.bytes()?,
            DEBIT => debit = reader.text()?,
            CREDIT => credit = reader.text()?,
            AMOUNT => amount = reader.varint()?,
            DESCRIPTION => description = reader.text()?,
            REFERENCE => reference = reader.bytes()?,
            REFERENCE_TEXT => text = reader.text()?,
            METADATA => metadata.extend([read_pair(reader.bytes()?)?]),
            other => reader.skip(other, 8)?,
        }
    }
    Ok(MoveMoney {
        id: fields::transfer_id(id, "id")?,
        debit_account_id: fields::account_id(debit, "debit_account_id")?,
        credit_account_id: fields::account_id(credit, "credit_account_id")?,
        amount,
        description: CompactString::new(description),
        notes: notes(reference, text, metadata)?,
    })
}

/// An entry of a map from text to text.
fn read_pair(bytes: &[u8]) -> Result<(&str, &str), Invalid> {
    const NAME: u64 = key(1, LENGTH);
    const TEXT: u64 = key(2, LENGTH);
    let (mut name, mut text) = ("", "");
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            NAME => name = reader.text()?,
            TEXT => text = reader.text()?,
            other => reader.skip(other, 2)?,
        }
    }
    Ok((name, text))
}

/// Writes a [`v1::SubmitResponse`].
pub fn write_response(outcomes: &[Vec<Outcome>], out: &mut Vec<u8>) {
    /// About what the answer to a transfer takes.
    const OUTCOME_BYTES: usize = 40;
    let mut answers = Vec::new();
    for batch in outcomes {
        answers.clear();
        answers.reserve(batch.len() * OUTCOME_BYTES);
        for outcome in batch {
            write_outcome(outcome, &mut answers);
        }
        wire::put_message(out, 1, answers.len());
        out.extend_from_slice(&answers);
    }
}

fn write_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    let Some(transfer) = moved(outcome) else {
        let message = v1::Outcome::from(outcome);
        wire::put_message(out, 1, message.encoded_len());
        // A vector grows: writing to it cannot fail.
        let _ = message.encode(out);
        return;
    };
    let timestamp = transfer.timestamp.as_nanos();
    let (debit, credit) = (
        transfer.debit.map(after_size),
        transfer.credit.map(after_size),
    );
    let size = if timestamp == 0 { 0 } else { 9 }
        + debit.map_or(0, wire::message_size)
        + credit.map_or(0, wire::message_size);
    let replayed = u64::from(outcome.replayed);
    wire::put_message(
        out,
        1,
        wire::message_size(size) + wire::number_size(replayed),
    );
    wire::put_message(out, 1, size);
    if timestamp != 0 {
        wire::put_key(out, 1, FIXED_64);
        out.extend_from_slice(&timestamp.to_le_bytes());
    }
    for (field, after, size) in [(2, transfer.debit, debit), (3, transfer.credit, credit)] {
        if let (Some(after), Some(size)) = (after, size) {
            wire::put_message(out, field, size);
            wire::put_number(out, 1, after.entry_number);
            wire::put_number(out, 2, wire::zigzag(after.balance));
            wire::put_number(out, 3, after.credit_limit);
        }
    }
    wire::put_number(out, 7, replayed);
}

/// The transfer that is as its command says.
const fn moved(outcome: &Outcome) -> Option<&Transfer> {
    match &outcome.result {
        Ok(Record::Transfer(transfer)) => match transfer.kind {
            TransferKind::Transfer | TransferKind::Pend { .. } => Some(transfer),
            TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Void { .. }
            | TransferKind::Expire
            | TransferKind::Settle { .. }
            | TransferKind::Reverse { .. } => None,
        },
        Ok(Record::Account { .. } | Record::Payment(_) | Record::Purge { .. }) | Err(_) => None,
    }
}

fn after_size(after: After) -> usize {
    wire::number_size(after.entry_number)
        + wire::number_size(wire::zigzag(after.balance))
        + wire::number_size(after.credit_limit)
}

/// How many bytes of a [`v1::SubmitResponse`] the answers to its first batches take.
pub fn response_size(bytes: &[u8], batches_count: usize) -> Result<usize, Invalid> {
    let mut reader = Reader::new(bytes);
    let mut left = batches_count;
    while left > 0 {
        match reader.key()?.ok_or(Invalid::Shape)? {
            FIRST => {
                reader.bytes()?;
                left -= 1;
            }
            other => reader.skip(other, 1)?,
        }
    }
    Ok(bytes.len() - reader.left())
}

/// Reads a [`v1::SubmitResponse`] to these batches.
pub fn read_response(bytes: &[u8], batches: Vec<Batch>) -> Result<Vec<Vec<Outcome>>, Invalid> {
    let mut outcomes = Vec::with_capacity(batches.len());
    let mut batches = batches.into_iter();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            FIRST => {
                let answers = reader.bytes()?;
                let batch = batches.next().ok_or(Invalid::Shape)?;
                outcomes.push(read_answers(answers, batch.into_commands())?);
            }
            other => reader.skip(other, 1)?,
        }
    }
    match batches.next() {
        None => Ok(outcomes),
        Some(_) => Err(Invalid::Shape),
    }
}

fn read_answers(bytes: &[u8], commands: Vec<Command>) -> Result<Vec<Outcome>, Invalid> {
    let mut outcomes = Vec::with_capacity(commands.len());
    let mut commands = commands.into_iter();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            FIRST => {
                let answer = reader.bytes()?;
                let command = commands.next().ok_or(Invalid::Shape)?;
                outcomes.push(read_outcome(answer, command)?);
            }
            other => reader.skip(other, 1)?,
        }
    }
    match commands.next() {
        None => Ok(outcomes),
        Some(_) => Err(Invalid::Shape),
    }
}

fn read_outcome(bytes: &[u8], command: Command) -> Result<Outcome, Invalid> {
    if let Some(moved) = only(bytes)? {
        let transfer = completed(command, read_moved(moved)?)?;
        return Ok(Outcome::created(Record::Transfer(transfer)));
    }
    let message = v1::Outcome::decode(bytes).map_err(|_| Invalid::Malformed)?;
    outcome::from_message(message, command)
}

fn read_moved(bytes: &[u8]) -> Result<v1::Moved, Invalid> {
    const TIMESTAMP: u64 = key(1, FIXED_64);
    const DEBIT: u64 = key(2, LENGTH);
    const CREDIT: u64 = key(3, LENGTH);
    let mut moved = v1::Moved::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            TIMESTAMP => moved.timestamp = reader.fixed_64()?,
            DEBIT => moved.debit = Some(read_after(reader.bytes()?)?),
            CREDIT => moved.credit = Some(read_after(reader.bytes()?)?),
            other => reader.skip(other, 3)?,
        }
    }
    Ok(moved)
}

fn read_after(bytes: &[u8]) -> Result<v1::After, Invalid> {
    const ENTRY_NUMBER: u64 = key(1, VARINT);
    const BALANCE: u64 = key(2, VARINT);
    const CREDIT_LIMIT: u64 = key(3, VARINT);
    let mut after = v1::After::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            ENTRY_NUMBER => after.entry_number = reader.varint()?,
            BALANCE => after.balance = wire::from_zigzag(reader.varint()?),
            CREDIT_LIMIT => after.credit_limit = reader.varint()?,
            other => reader.skip(other, 3)?,
        }
    }
    Ok(after)
}
