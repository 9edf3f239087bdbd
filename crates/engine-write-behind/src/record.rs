//! Records: an event as the library writes it into the stream, under its id and into statements; and
//! what it answers to one command, as an outcome. A batch's record holds an outcome, and an outcome
//! may hold a record.
//! `docs/write-behind-format.md` has the bytes.

#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use ledger::{
    Account, AccountId, After, BatchDecided, BatchId, Command, Decision, Digest, Event,
    MemberFailure, MoveMoney, Outcome, Payment, PaymentId, PendingEnd, PendingState, Refusal,
    Standing, State, Timestamp, Transfer, TransferId, TransferKind, UsedBatch, UsedPayment,
    UsedTransfer, check_content, check_form, decide,
};

use crate::account::Kept;
use crate::bytes::Bytes;
use crate::error::Damaged;
use crate::layout::{self, END_LENGTH, answer, kind, pending_state as state};
use crate::moment::{Moment, moment};
use crate::refusal;

/// What a record has of the end of a pending transfer, where that is not known.
const END_UNKNOWN: [u8; END_LENGTH] = [0; END_LENGTH];

/// A record, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) event: Event,
    /// Of a pending transfer: how it stands, in the record under its id.
    pub(crate) pending_state: Option<PendingState>,
    /// Of a pending transfer that ended: how, in the record under its id.
    pub(crate) pending_end: Option<PendingEnd>,
    /// Of an atomic batch: what is remembered.
    pub(crate) batch: Option<(BatchId, UsedBatch)>,
}

/// The records of a call, or of several: each after its length.
pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<Record>, Damaged> {
    let mut bytes = Bytes(bytes);
    let mut records = Vec::new();
    while !bytes.0.is_empty() {
        records.push(Record::decode(bytes.sized()?)?);
    }
    Ok(records)
}

pub(crate) fn content(command: &Command) -> Vec<u8> {
    match postcard::to_allocvec(command) {
        Ok(content) => content,
        Err(error) => unreachable!("plain data in memory is written without a failure: {error}"),
    }
}

fn command(bytes: &[u8]) -> Result<Command, Damaged> {
    postcard::from_bytes(bytes).map_err(|_| Damaged)
}

impl Record {
    pub(crate) fn decode(record: &[u8]) -> Result<Self, Damaged> {
        let mut bytes = Bytes(record);
        let (what, state, kind) = (bytes.u8()?, bytes.u8()?, bytes.u8()?);
        let timestamp = moment(&mut bytes)?;
        let pending_state = pending_state(what, kind, state)?;
        let pending_end = match pending_state {
            None => None,
            Some(state) => pending_end(state, &mut bytes)?,
        };
        let mut batch = None;
        let event = match what {
            layout::record::TRANSFER => Event::Transfer(transfer(kind, timestamp, &mut bytes)?),
            layout::record::REFUSED => {
                let (refusal, content) = bytes.0.split_at_checked(26).ok_or(Damaged)?;
                let command = command(content)?;
                Event::Refused {
                    refusal: refusal::decode(&mut Bytes(refusal), &command)?,
                    command,
                    timestamp,
                }
            }
            layout::record::ACCOUNT_OPENED
            | layout::record::LIMIT_CHANGED
            | layout::record::ACCOUNT_CLOSED => account_event(what, timestamp, &mut bytes)?,
            layout::record::BATCH => {
                let (decided, used) = batch_event(timestamp, &mut bytes)?;
                batch = Some((decided.id, used));
                Event::Batch(decided)
            }
            _ => return Err(Damaged),
        };
        Ok(Self {
            event,
            pending_state,
            pending_end,
            batch,
        })
    }

    /// How the transfer's id was used that the record is kept under.
    pub(crate) fn into_used(self) -> Result<UsedTransfer, Damaged> {
        match UsedTransfer::by(self.event) {
            Some(UsedTransfer::Created(transfer, _)) => {
                let standing = match self.pending_state {
                    // Over Redis a pending transfer is whole until it ends.
                    Some(state) => Standing::Pending {
                        state,
                        left_amount: if state.is_ended() { 0 } else { transfer.amount },
                    },
                    None => transfer.first_standing(),
                };
                Ok(UsedTransfer::Created(transfer, standing))
            }
            Some(used @ UsedTransfer::Refused(..)) => Ok(used),
            Some(UsedTransfer::Payment(_)) | None => Err(Damaged),
        }
    }
}

fn pending_state(what: u8, kind: u8, state: u8) -> Result<Option<PendingState>, Damaged> {
    if (what, kind) != (layout::record::TRANSFER, kind::PEND) {
        return Ok(None);
    }
    Ok(Some(match state {
        state::PENDING => PendingState::Pending,
        state::POSTED => PendingState::Posted,
        state::VOIDED => PendingState::Voided,
        state::EXPIRED => PendingState::Expired,
        _ => return Err(Damaged),
    }))
}

/// What the record of a pending transfer in this state has of its end; nothing where it was made of
/// what the database remembers.
fn pending_end(state: PendingState, bytes: &mut Bytes<'_>) -> Result<Option<PendingEnd>, Damaged> {
    if !state.is_ended() {
        return Ok(None);
    }
    let by = TransferId::from_u128(u128::from_be_bytes(bytes.array()?));
    let (posted, at) = (bytes.u64()?, moment(bytes)?);
    let (by, posted_amount) = match state {
        PendingState::Posted => (Some(by), Some(posted)),
        PendingState::Voided => (Some(by), None),
        PendingState::Pending | PendingState::Expired => (None, None),
    };
    let is_known = at != Timestamp::default();
    Ok(is_known.then_some(PendingEnd {
        by,
        posted_amount,
        at,
    }))
}

const fn state_number(state: PendingState) -> u8 {
    match state {
        PendingState::Pending => state::PENDING,
        PendingState::Posted => state::POSTED,
        PendingState::Voided => state::VOIDED,
        PendingState::Expired => state::EXPIRED,
    }
}

fn transfer(kind: u8, timestamp: Timestamp, bytes: &mut Bytes<'_>) -> Result<Transfer, Damaged> {
    let mut sides = (None, None);
    if matches!(kind, kind::TRANSFER | kind::POST) {
        sides = (after(bytes)?, after(bytes)?);
    }
    if kind == kind::PEND {
        operands(bytes)?;
    }
    let own = match kind {
        kind::POST | kind::VOID => Some(command(bytes.sized()?)?),
        _ => None,
    };
    let moving = command(bytes.0)?;
    let (moved, timeout_s) = if let Command::Transfer(moved) = moving {
        (moved, None)
    } else if let Command::Pend {
        transfer,
        timeout_s,
    } = moving
    {
        (transfer, Some(timeout_s))
    } else {
        return Err(Damaged);
    };
    let (id, kind, amount) = match (kind, own, timeout_s) {
        (kind::TRANSFER, None, None) => (moved.id, TransferKind::Transfer, moved.amount),
        (kind::PEND, None, Some(timeout_s)) => {
            (moved.id, TransferKind::Pend { timeout_s }, moved.amount)
        }
        (kind::EXPIRE, None, Some(_)) => (moved.id, TransferKind::Expire, moved.amount),
        (kind::POST, Some(Command::Post { id, amount, .. }), Some(_)) => {
            let kind = TransferKind::Post {
                pending_id: moved.id,
                pending_amount: moved.amount,
                in_full: amount.is_none(),
            };
            (id, kind, amount.unwrap_or(moved.amount))
        }
        (kind::VOID, Some(Command::Void { id, .. }), Some(_)) => {
            let pending_id = moved.id;
            (id, TransferKind::Void { pending_id }, moved.amount)
        }
        _ => return Err(Damaged),
    };
    let notes = match kind {
        TransferKind::Transfer
        | TransferKind::Pend { .. }
        | TransferKind::Settle { .. }
        | TransferKind::Reverse { .. } => moved.notes,
        TransferKind::Post { .. }
        | TransferKind::PostPart { .. }
        | TransferKind::Void { .. }
        | TransferKind::Expire => moved.notes.said_again(),
    };
    Ok(Transfer {
        id,
        kind,
        debit_account_id: moved.debit_account_id,
        credit_account_id: moved.credit_account_id,
        amount,
        description: moved.description,
        notes,
        timestamp,
        debit: sides.0,
        credit: sides.1,
    })
}

fn after(bytes: &mut Bytes<'_>) -> Result<Option<After>, Damaged> {
    let is_given = bytes.u8()? == 1;
    let after = After {
        entry_number: bytes.u64()?,
        balance: bytes.i64()?,
        credit_limit: bytes.u64()?,
    };
    Ok(is_given.then_some(after))
}

/// What the library reads of a pending transfer; the command says the same.
fn operands(bytes: &mut Bytes<'_>) -> Result<(), Damaged> {
    bytes.take(8 + 8 + 2)?;
    bytes.text()?;
    bytes.text()?;
    Ok(())
}

fn account_event(what: u8, timestamp: Timestamp, bytes: &mut Bytes<'_>) -> Result<Event, Damaged> {
    let id = AccountId::new(bytes.text()?).map_err(|_| Damaged)?;
    let account = Kept::decode(bytes.0)?.account;
    Ok(match what {
        layout::record::ACCOUNT_OPENED => Event::AccountOpened { id, account },
        layout::record::LIMIT_CHANGED => Event::LimitChanged {
            id,
            account,
            timestamp,
            by: None,
        },
        layout::record::ACCOUNT_CLOSED => Event::AccountClosed {
            id,
            account,
            timestamp,
            by: None,
        },
        _ => return Err(Damaged),
    })
}

fn batch_event(
    timestamp: Timestamp,
    bytes: &mut Bytes<'_>,
) -> Result<(BatchDecided, UsedBatch), Damaged> {
    let id = BatchId::from_u128(u128::from_be_bytes(bytes.array()?));
    let digest = Digest(bytes.array()?);
    let members_count = bytes.u32()?;
    let mut decided = BatchDecided {
        id,
        digest,
        members_count,
        failure: None,
        timestamp,
    };
    let outcomes = if let Ok(index) = u32::try_from(bytes.i32()?) {
        let command = command(bytes.sized()?)?;
        let outcome = outcome_of(&command, bytes.0)?;
        decided.failure = Some(MemberFailure {
            index,
            outcome: outcome.into(),
        });
        decided.failed_outcomes().ok_or(Damaged)?
    } else {
        let created = |bytes: &mut Bytes<'_>| -> Result<Outcome, Damaged> {
            let [answer::CREATED, record @ ..] = bytes.sized()? else {
                return Err(Damaged);
            };
            Record::decode(record)?.event.into_outcome().ok_or(Damaged)
        };
        (0..members_count)
            .map(|_| created(bytes))
            .collect::<Result<_, _>>()?
    };
    Ok((decided, UsedBatch { digest, outcomes }))
}

/// The record of a transfer that was persisted.
pub(crate) fn encode_used(used: &UsedTransfer) -> Result<Vec<u8>, Damaged> {
    match used {
        UsedTransfer::Created(transfer, standing) => {
            encode_transfer(transfer, standing.pending_state())
        }
        UsedTransfer::Refused(command, why) => {
            let kind = match command {
                Command::Transfer(_) => kind::TRANSFER,
                Command::Pend { .. } => kind::PEND,
                Command::Post { .. } => kind::POST,
                Command::Void { .. } => kind::VOID,
                // No other command is remembered under the id of a transfer.
                Command::Expire { .. }
                | Command::OpenAccount(_)
                | Command::ChangeLimit { .. }
                | Command::CloseAccount { .. }
                | Command::ChangeFreeze { .. }
                | Command::AcceptPayment(_)
                | Command::SendPayment { .. }
                | Command::SettlePayment { .. }
                | Command::ReleasePayment { .. }
                | Command::RefusePayment { .. }
                | Command::ResolvePayment(_)
                | Command::PurgePayments { .. }
                // The node begins with no database that has one.
                | Command::Reverse(_)
                | Command::PostPart { .. } => return Err(Damaged),
            };
            let mut bytes = vec![layout::record::REFUSED, 0, kind];
            Moment::from(Timestamp::default()).encode(&mut bytes);
            bytes.extend(refusal::encode(why, command)?);
            bytes.extend(content(command));
            Ok(bytes)
        }
        UsedTransfer::Payment(_) => Err(Damaged),
    }
}

/// Likewise; a pending one with how it stands, but not by what it ended: the rules do not ask.
pub(crate) fn encode_transfer(
    transfer: &Transfer,
    state: Option<PendingState>,
) -> Result<Vec<u8>, Damaged> {
    let kind = match transfer.kind {
        TransferKind::Transfer => kind::TRANSFER,
        TransferKind::Pend { .. } => kind::PEND,
        TransferKind::Post { .. } => kind::POST,
        TransferKind::Void { .. } => kind::VOID,
        TransferKind::Expire
        | TransferKind::Settle { .. }
        | TransferKind::Reverse { .. }
        | TransferKind::PostPart { .. } => {
            return Err(Damaged);
        }
    };
    let mut bytes = vec![
        layout::record::TRANSFER,
        state.map_or(0, state_number),
        kind,
    ];
    Moment::from(transfer.timestamp).encode(&mut bytes);
    if matches!(kind, kind::TRANSFER | kind::POST) {
        encode_after(transfer.debit, &mut bytes);
        encode_after(transfer.credit, &mut bytes);
    }
    if kind == kind::PEND {
        if state.is_some_and(PendingState::is_ended) {
            bytes.extend(END_UNKNOWN);
        }
        encode_operands(transfer, &mut bytes)?;
    }
    let own = transfer.command().ok_or(Damaged)?;
    if matches!(kind, kind::POST | kind::VOID) {
        let own = content(&own);
        bytes.extend(u32::try_from(own.len()).map_err(|_| Damaged)?.to_be_bytes());
        bytes.extend(own);
        bytes.extend(content(&pending_command(transfer)?));
    } else {
        bytes.extend(content(&own));
    }
    Ok(bytes)
}

fn encode_after(after: Option<After>, bytes: &mut Vec<u8>) {
    let given = after.unwrap_or(After {
        entry_number: 0,
        balance: 0,
        credit_limit: 0,
    });
    bytes.push(u8::from(after.is_some()));
    bytes.extend(given.entry_number.to_be_bytes());
    bytes.extend(given.balance.to_be_bytes());
    bytes.extend(given.credit_limit.to_be_bytes());
}

fn encode_operands(transfer: &Transfer, bytes: &mut Vec<u8>) -> Result<(), Damaged> {
    bytes.extend(transfer.amount.to_be_bytes());
    let never = Timestamp::default();
    Moment::from(transfer.expires_at().unwrap_or(never)).encode(bytes);
    for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
        bytes.push(u8::try_from(id.as_str().len()).map_err(|_| Damaged)?);
        bytes.extend(id.as_str().as_bytes());
    }
    Ok(())
}

/// The command of the pending transfer that was ended, as far as its end tells of it.
fn pending_command(transfer: &Transfer) -> Result<Command, Damaged> {
    let (id, _) = transfer.ends().ok_or(Damaged)?;
    let amount = match transfer.kind {
        TransferKind::Post { pending_amount, .. }
        | TransferKind::PostPart { pending_amount, .. } => pending_amount,
        TransferKind::Void { .. }
        | TransferKind::Transfer
        | TransferKind::Pend { .. }
        | TransferKind::Expire
        | TransferKind::Settle { .. }
        | TransferKind::Reverse { .. } => transfer.amount,
    };
    Ok(Command::Pend {
        transfer: MoveMoney {
            id,
            debit_account_id: transfer.debit_account_id.clone(),
            credit_account_id: transfer.credit_account_id.clone(),
            amount,
            description: transfer.description.clone(),
            notes: transfer.notes.clone(),
        },
        timeout_s: 0,
    })
}

/// All that the ledger is known to hold: at most the first use of the id in question, of an account
/// with how it is now.
#[derive(Default)]
struct Known {
    transfer: Option<UsedTransfer>,
    opened: Option<Kept>,
}

impl State for Known {
    fn account(&self, _: &AccountId) -> Option<Account> {
        self.opened.map(|kept| kept.account)
    }

    fn account_opened(&self, _: &AccountId) -> Option<Account> {
        self.opened.map(|kept| kept.opened())
    }

    fn transfer(&self, _: TransferId) -> Option<UsedTransfer> {
        self.transfer.clone()
    }

    fn payment(&self, _: PaymentId) -> Option<UsedPayment> {
        None
    }

    fn batch(&self, _: BatchId) -> Option<UsedBatch> {
        None
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        Vec::new()
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// Why a command is refused whose id was not used, from the command alone.
fn refused_alone(command: &Command) -> Option<Refusal> {
    check_form(command)
        .and_then(|()| check_content(command))
        .err()
}

/// The outcome of a command that the library answered so.
pub(crate) fn outcome_of(command: &Command, answered: &[u8]) -> Result<Outcome, Damaged> {
    let (kind, rest) = answered.split_first().ok_or(Damaged)?;
    match *kind {
        answer::CREATED => Record::decode(rest)?.event.into_outcome().ok_or(Damaged),
        answer::ID_USED => again(
            command,
            &Known {
                transfer: Some(Record::decode(rest)?.into_used()?),
                opened: None,
            },
        ),
        answer::ACCOUNT_EXISTS => again(
            command,
            &Known {
                transfer: None,
                opened: Some(Kept::decode(rest)?),
            },
        ),
        answer::REFUSED_UNRECORDED => Ok(Outcome::refused(refusal::decode(
            &mut Bytes(rest),
            command,
        )?)),
        answer::MALFORMED => refused_alone(command).map(Outcome::refused).ok_or(Damaged),
        _ => Err(Damaged),
    }
}

/// A command whose id was used before.
fn again(command: &Command, known: &Known) -> Result<Outcome, Damaged> {
    match decide(known, command.clone(), Timestamp::default()) {
        Decision::Exists(outcome) => Ok(outcome),
        Decision::Refused(refusal) => Ok(Outcome::refused(refusal)),
        Decision::Event(_) => Err(Damaged),
    }
}
