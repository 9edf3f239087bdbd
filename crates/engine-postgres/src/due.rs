//! Pages of the payments due, without those whose rows are damaged.
//!
//! To callers a page that is not full is the end of the list. So a page is filled up from behind what
//! was left out, with one more round trip each time: a damaged row stops no other payment.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{DuePlace, DueQuery, Payment, PaymentState, UsedPayment};
use stdx::Throttle;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::codec::{time, used_payment, uuid};
use crate::error::Failure;
use crate::metrics;

/// How many damaged payments one line of the log names.
const NAMED_MAX: usize = 10;

/// A page that is being read.
pub(crate) struct DuePage {
    limit: usize,
    /// Behind which row to read on, as the table's columns order them.
    after: (i64, Uuid),
    payments: BTreeMap<DuePlace, Payment>,
    damaged: BTreeSet<Uuid>,
}

/// A row of a due payment, of the columns `payment_id`, `accepted_at` and `record`.
pub(crate) struct DueRow {
    place: (i64, Uuid),
    /// `None` if the row is damaged.
    payment: Option<Payment>,
}

impl DueRow {
    pub(crate) fn read(row: &Row) -> Result<Self, Failure> {
        let place = (row.try_get("accepted_at")?, row.try_get("payment_id")?);
        let payment = match used_payment(row) {
            Ok((_, UsedPayment::Accepted(payment))) => {
                is_due_at(&payment, place).then_some(payment)
            }
            Ok((_, UsedPayment::Refused(..))) | Err(Failure::Damaged(_)) => None,
            Err(failure) => return Err(failure),
        };
        Ok(Self { place, payment })
    }
}

/// Whether the record is of this row, and of a payment that is due: it would be looked for in vain
/// behind another place.
fn is_due_at(payment: &Payment, place: (i64, Uuid)) -> bool {
    let is_due = match payment.state {
        PaymentState::Accepted | PaymentState::Sent { .. } => true,
        PaymentState::Settled { .. } | PaymentState::Refused { .. } => false,
    };
    is_due && (time(payment.accepted_at), uuid(payment.id.to_u128())) == place
}

impl DuePage {
    pub(crate) fn new(query: DueQuery) -> Self {
        let after = match query.after {
            Some(place) => (time(place.accepted_at), uuid(place.id.to_u128())),
            None => (i64::MIN, uuid(0)),
        };
        Self {
            limit: query.limit,
            after,
            payments: BTreeMap::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Behind which row to read on.
    pub(crate) const fn after(&self) -> (i64, Uuid) {
        self.after
    }

    /// How many payments the page has room for.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.payments.len())
    }

    /// Takes a row in, wherever its place is.
    pub(crate) fn add(&mut self, row: DueRow) {
        match row.payment {
            Some(payment) => {
                self.payments.insert(payment.place(), payment);
            }
            None => {
                self.damaged.insert(row.place.1);
            }
        }
    }

    /// Takes in the next row of the list: what is read next is behind it.
    pub(crate) fn add_next(&mut self, row: DueRow) {
        self.after = self.after.max(row.place);
        self.add(row);
    }

    /// The page, in the order of the places. What was left out is counted, and logged if the log has
    /// not named any for a while.
    pub(crate) fn finish(self, warnings: &Throttle) -> Vec<Payment> {
        if !self.damaged.is_empty() {
            metrics::due_payments_skipped(self.damaged.len());
            if let Some(held_back) = warnings.pass() {
                let named = self.damaged.iter().take(NAMED_MAX).map(Uuid::to_string);
                tracing::error!(
                    payments = named.collect::<Vec<_>>().join(" "),
                    skipped_count = self.damaged.len(),
                    held_back,
                    "due payments are not dispatched, because their rows of the table lastro.payments \
                     are damaged; all others go on. Run `lastro verify`, and restore these rows from \
                     a backup"
                );
            }
        }
        self.payments.into_values().take(self.limit).collect()
    }
}
