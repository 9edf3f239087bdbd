//! The state before a segment as a file beside the journal: opening reads it instead of all records
//! before.
//!
//! The bytes are described in `docs/snapshots.md`.

use journal::Address;
use ledger::{Account, AccountId, Millis, Payment, ProcessorName, TimedPending, Timestamp};
use serde::{Deserialize, Serialize};

use crate::accounts::{Kept, Slot};
use crate::books::{Books, OpenPayment};
use crate::sums::{Recent, Sum};

mod layout;
mod read;
mod take;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use layout::file_name;
pub(crate) use read::{Snapshot, newest, of_journal};
pub(crate) use take::{Begun, Taker};

/// What a snapshot's blocks hold.
#[derive(Debug, Serialize, Deserialize)]
enum Block {
    Rest(Rest),
    Accounts(Vec<AccountRow>),
    /// More of an account's, by its slot.
    Checkpoints(Slot, Vec<u64>),
    Payments(Vec<PaymentRow>),
    /// Of version 1 only.
    Sums(Vec<SumRow>),
    Pendings(Vec<TimedPending>),
    /// From version 2 on.
    SumTables {
        first: u64,
        end: u64,
    },
}

/// Where the sums of payments are that were settled before a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SnapshotSums {
    /// All of them: the snapshot has format version 1.
    Whole(Recent),
    /// The tables of the segments from the first up to and without the second have all of them.
    InTables { first: u64, end: u64 },
}

impl Default for SnapshotSums {
    fn default() -> Self {
        Self::Whole(Recent::default())
    }
}

/// What is there once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rest {
    newest: Timestamp,
    purges: Vec<Timestamp>,
    payment_accepted_at: Timestamp,
    transfer_ids_count: u64,
    accounts_count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct AccountRow {
    id: AccountId,
    account: Account,
    last_entry: u64,
    opened: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct PaymentRow {
    payment: Payment,
    resolution: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SumRow {
    processor: ProcessorName,
    requested_at: Millis,
    payments_count: u64,
    amount: u128,
}

/// The newest snapshot that was written or found; the default says that there is no snapshot yet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NewestSnapshot {
    /// The segment before whose first record it is; 0 where there is none.
    pub(crate) segment: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
}

impl NewestSnapshot {
    /// By how many bytes the journal has grown since, when this segment begins.
    pub(crate) const fn grown(self, segment: u64, segment_bytes: u64) -> u64 {
        (segment - self.segment) * segment_bytes
    }

    /// After how many bytes of journal the next one is due: snapshots are at most half as long as the
    /// journal that is written meanwhile.
    pub(crate) fn due(self, least: u64) -> u64 {
        least.max(2 * self.length)
    }
}

fn number(address: Option<Address>) -> u64 {
    address.map_or(0, Address::to_u64)
}

impl Rest {
    pub(crate) fn of(books: &Books, newest: Timestamp) -> Self {
        Self {
            newest,
            purges: books.purges.clone(),
            payment_accepted_at: books.payment_accepted_at,
            transfer_ids_count: books.transfer_ids_count,
            accounts_count: books.accounts.len() as u64,
        }
    }
}

impl Block {
    /// Brings this block's part of the state in. `false` where it cannot be: it was not written so.
    fn take_in(self, snapshot: &mut Snapshot) -> bool {
        let Snapshot {
            books, expiries, ..
        } = snapshot;
        match self {
            Self::Rest(rest) => {
                books.purges.clone_from(&rest.purges);
                books.payment_accepted_at = rest.payment_accepted_at;
                books.transfer_ids_count = rest.transfer_ids_count;
                snapshot.newest = rest.newest;
                snapshot.rest.replace(rest).is_none()
            }
            Self::Accounts(rows) => rows.into_iter().all(|row| row.take_in(books)),
            Self::Checkpoints(slot, numbers) => {
                let addresses = numbers.into_iter().filter_map(Address::from_u64);
                books.checkpoints.get_or_default(slot).extend(addresses);
                (slot as usize) < books.accounts.len()
            }
            Self::Payments(rows) => {
                for row in rows {
                    books.payments.insert(OpenPayment {
                        payment: row.payment,
                        resolution: Address::from_u64(row.resolution),
                    });
                }
                true
            }
            Self::Sums(rows) => {
                let SnapshotSums::Whole(sums) = &mut snapshot.sums else {
                    return false;
                };
                for row in rows {
                    let sum = Sum {
                        payments_count: row.payments_count,
                        amount: row.amount,
                    };
                    sums.add(&row.processor, row.requested_at, sum);
                }
                true
            }
            Self::SumTables { first, end } => {
                let none = SnapshotSums::default();
                let before =
                    std::mem::replace(&mut snapshot.sums, SnapshotSums::InTables { first, end });
                before == none && first <= end && end <= snapshot.start.number
            }
            Self::Pendings(pendings) => {
                for pending in pendings {
                    expiries.insert(pending);
                }
                true
            }
        }
    }
}

impl AccountRow {
    fn new(id: &AccountId, kept: &Kept) -> Self {
        Self {
            id: id.clone(),
            account: kept.account,
            last_entry: number(kept.last_entry),
            opened: number(kept.opened),
        }
    }

    fn take_in(self, books: &mut Books) -> bool {
        if books.accounts.get(&self.id).is_some() {
            return false;
        }
        let kept = Kept {
            account: self.account,
            last_entry: Address::from_u64(self.last_entry),
            opened: Address::from_u64(self.opened),
        };
        books.accounts.push(self.id, kept);
        true
    }
}
