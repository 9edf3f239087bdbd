//! From an id's newest record to how the id was used. The same for the writer and for readers.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use journal::{Address, ReadError, Reader, Storage};
use ledger::{
    BatchId, Digest, Event, Payment, PaymentId, PaymentState, PendingEnd, RESOLUTIONS_READ_MAX,
    Resolution, Timestamp, TransferId, Unavailable, UsedBatch, UsedPayment, UsedTransfer,
};

use crate::ids::{Space, TableError, used_ids};
use crate::record::{RecordError, Recorded, decode, next_address};

/// Why a record could not be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0} at journal address {1}")]
    Record(RecordError, u64),
    #[error("the record at journal address {0} is not the one that was looked for")]
    Mismatch(u64),
    #[error(transparent)]
    Table(#[from] TableError),
}

impl LookupError {
    /// Whether nothing is wrong: it has to be fetched from the disk.
    pub(crate) fn has_to_wait(&self) -> bool {
        match self {
            Self::Read(error) => error.has_to_wait(),
            Self::Table(error) => error.has_to_wait(),
            Self::Record(..) | Self::Mismatch(_) => false,
        }
    }

    /// What the call is answered that needed the record.
    pub(crate) fn unavailable(&self) -> Unavailable {
        match self {
            Self::Read(error) if error.is_shortage() => Unavailable::Overloaded,
            Self::Table(error) if error.is_shortage() => Unavailable::Overloaded,
            Self::Read(_) | Self::Record(..) | Self::Mismatch(_) | Self::Table(_) => {
                Unavailable::StorageDamaged
            }
        }
    }
}

/// Where records are read from.
pub(crate) trait Records {
    /// Hands the record's bytes to `read`.
    fn with<T>(
        &self,
        address: Address,
        read: impl FnOnce(&[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError>;

    /// The record, and its length in bytes.
    fn sized(&self, address: Address) -> Result<(Recorded, usize), LookupError> {
        self.with(address, |bytes| {
            let recorded =
                decode(bytes).map_err(|error| LookupError::Record(error, address.to_u64()))?;
            Ok((recorded, bytes.len()))
        })
    }

    /// The record.
    fn recorded(&self, address: Address) -> Result<Recorded, LookupError> {
        Ok(self.sized(address)?.0)
    }

    /// The record, which must be about this id: its address came from a table.
    fn recorded_about(
        &self,
        address: Address,
        space: Space,
        id: u128,
    ) -> Result<Recorded, LookupError> {
        let recorded = self.recorded(address)?;
        let mut is_about = false;
        used_ids(&recorded.event, |used_space, used_id| {
            is_about |= (used_space, used_id) == (space, id);
        });
        if is_about {
            Ok(recorded)
        } else {
            Err(LookupError::Mismatch(address.to_u64()))
        }
    }
}

impl<S: Storage> Records for Reader<S> {
    fn with<T>(
        &self,
        address: Address,
        read: impl FnOnce(&[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let mut bytes = Vec::new();
        self.record(address, &mut bytes)?;
        read(&bytes)
    }
}

/// How a transfer's id was used, by the newest record about it.
pub(crate) fn transfer(
    records: &impl Records,
    id: TransferId,
    newest: Address,
) -> Result<UsedTransfer, LookupError> {
    Ok(transfer_at(records, id, newest)?.0)
}

/// Likewise, with where the transfer's own record is: what ends or reverses it leads there.
pub(crate) fn transfer_at(
    records: &impl Records,
    id: TransferId,
    newest: Address,
) -> Result<(UsedTransfer, Address), LookupError> {
    let mismatch = || LookupError::Mismatch(newest.to_u64());
    let Recorded { links, event } =
        records.recorded_about(newest, Space::Transfers, id.to_u128())?;
    if let Event::Transfer(transfer) = &event
        && let Some((changed_id, standing)) = transfer.changes()
        && changed_id == id
    {
        let origin = Address::from_u64(links.origin).ok_or_else(mismatch)?;
        return match UsedTransfer::by(records.recorded(origin)?.event) {
            Some(UsedTransfer::Created(transfer, _)) if transfer.id == id => {
                Ok((UsedTransfer::Created(transfer, standing), origin))
            }
            _ => Err(mismatch()),
        };
    }
    let used = UsedTransfer::by(event).ok_or_else(mismatch)?;
    Ok((used, newest))
}

/// How a pending transfer ended, by the newest record about its id and its own.
pub(crate) fn pending_end(
    records: &impl Records,
    id: TransferId,
    newest: Address,
) -> Result<Option<PendingEnd>, LookupError> {
    let Recorded { links, event } =
        records.recorded_about(newest, Space::Transfers, id.to_u128())?;
    let Some(ending) = event.transfer() else {
        return Ok(None);
    };
    if ending.ends().is_none_or(|(ended_id, _)| ended_id != id) {
        return Ok(None);
    }
    let mismatch = || LookupError::Mismatch(newest.to_u64());
    let origin = Address::from_u64(links.origin).ok_or_else(mismatch)?;
    match records.recorded(origin)?.event.transfer() {
        Some(pending) if pending.id == id => Ok(ending.end_of(pending)),
        Some(_) | None => Err(mismatch()),
    }
}

/// How a payment's id was used, by the newest record about a payment that is not open. `purges`
/// are the times of the purges, in order: an accepted payment that is not open was purged.
pub(crate) fn payment(
    records: &impl Records,
    id: PaymentId,
    newest: Address,
    purges: &[Timestamp],
) -> Result<UsedPayment, LookupError> {
    match UsedPayment::by(
        records
            .recorded_about(newest, Space::Payments, id.to_u128())?
            .event,
    ) {
        Some(UsedPayment::Accepted(payment)) => {
            Ok(UsedPayment::Accepted(after_purges(payment, purges)))
        }
        Some(used @ UsedPayment::Refused(..)) => Ok(used),
        None => Err(LookupError::Mismatch(newest.to_u64())),
    }
}

/// What operators decided of a payment, newest first, by the newest record about it: each record
/// leads to the newest resolution before it.
pub(crate) fn resolutions(
    records: &impl Records,
    id: PaymentId,
    newest: Address,
) -> Result<Vec<Resolution>, LookupError> {
    let mut resolutions = Vec::new();
    let mut next = Some(newest);
    while let Some(address) = next
        && resolutions.len() < RESOLUTIONS_READ_MAX
    {
        let Recorded { links, event } = records.recorded(address)?;
        let is_own = event.payment().is_some_and(|payment| payment.id == id);
        if let Event::PaymentResolved(resolved) = event
            && is_own
        {
            resolutions.push(resolved.resolution);
        } else if address != newest {
            // The newest may be whatever happened to it last, its acceptance's refusal too.
            return Err(LookupError::Mismatch(address.to_u64()));
        }
        next = Address::from_u64(links.origin);
    }
    Ok(resolutions)
}

fn after_purges(payment: Payment, purges: &[Timestamp]) -> Payment {
    if payment.state != PaymentState::Accepted {
        return payment;
    }
    let next = purges.partition_point(|purged_at| *purged_at < payment.timestamp);
    match purges.get(next) {
        Some(purged_at) => payment.purged(*purged_at),
        None => payment,
    }
}

/// What the members of an atomic batch were: one read, however many there were.
pub(crate) fn batch_digest(
    records: &impl Records,
    id: BatchId,
    newest: Address,
) -> Result<Digest, LookupError> {
    if let Event::Batch(batch) = records
        .recorded_about(newest, Space::Batches, id.to_u128())?
        .event
    {
        Ok(batch.digest)
    } else {
        Err(LookupError::Mismatch(newest.to_u64()))
    }
}

/// How an atomic batch's id was used. The members' records come one after the other.
pub(crate) fn batch(
    records: &impl Records,
    id: BatchId,
    newest: Address,
) -> Result<UsedBatch, LookupError> {
    let mismatch = || LookupError::Mismatch(newest.to_u64());
    let Recorded {
        links,
        event: Event::Batch(batch),
    } = records.recorded_about(newest, Space::Batches, id.to_u128())?
    else {
        return Err(mismatch());
    };
    if let Some(outcomes) = batch.failed_outcomes() {
        return Ok(UsedBatch {
            digest: batch.digest,
            outcomes,
        });
    }
    let mut outcomes = Vec::with_capacity(batch.members_count as usize);
    let mut address = Address::from_u64(links.origin).ok_or_else(mismatch)?;
    for _ in 0..batch.members_count {
        let (recorded, length) = records.sized(address)?;
        outcomes.push(recorded.event.into_outcome().ok_or_else(mismatch)?);
        address = next_address(address, length).ok_or_else(mismatch)?;
    }
    Ok(UsedBatch {
        digest: batch.digest,
        outcomes,
    })
}
