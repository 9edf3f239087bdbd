//! Counts and exact sums of settled payments by the time they were requested.
//!
//! The sums of the newest segment are in memory; those of sealed segments are in [`table`]s on disk,
//! of which memory holds at most 32 KiB for each processor. All of it can be made anew from the
//! journal. Any range is answered in a few reads, whatever the number of payments inside.
//!
//! The writer adds sums and seals them with their segment; the [`keeper`](crate::keeper) makes a table
//! of what is sealed and merges tables. Readers see the newest sums and the layers before them as one
//! published value, so that no payment is counted twice or left out while they change.

mod build;
mod layers;
mod layout;
mod merge;
mod recent;
mod set;
mod sketch;
mod table;
#[cfg(test)]
mod tests;
mod totals;

use ledger::{Millis, Payment, ProcessorName};

use crate::ids::{TableError, Waiting};

pub(crate) use layers::SumLayers;
pub(crate) use recent::Recent;
pub(crate) use set::{SumTables, sum_tables_of_journal};
pub(crate) use sketch::{Sketch, Sketcher};
pub(crate) use table::SumTable;
pub(crate) use totals::{Range, Sum, Totals};

/// The sums of every processor, as they are published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// Of the segment that is being written.
    recent: Recent,
    /// Of the segments before it.
    pub(crate) layers: SumLayers,
}

impl Summary {
    /// Adds a payment.
    pub(crate) fn record(&mut self, processor: &ProcessorName, requested_at: Millis, amount: u64) {
        self.recent.record(processor, requested_at, amount);
    }

    /// Forgets everything, in this segment.
    pub(crate) fn purge(&mut self, segment: u64) {
        self.recent = Recent::default();
        self.layers = self.layers.purged(segment);
    }

    /// The segment is sealed: what is added now belongs to the next one. Its sums have to come back as
    /// a layer.
    pub(crate) fn seal(&mut self) -> Recent {
        std::mem::take(&mut self.recent)
    }

    /// The sums of the newest segment over `from ..= to`, and the layers with the others: of one
    /// moment.
    pub(crate) fn parts(&self, range: Range) -> (Totals, SumLayers) {
        let mut totals = Totals::default();
        self.recent.add_between(range, &mut totals);
        (totals, self.layers.clone())
    }
}

/// The payment that a record settles, if it settles one.
pub(crate) fn settled(event: &ledger::Event) -> Option<&Payment> {
    use ledger::Event;
    let payment = match event {
        Event::PaymentSettled { payment, .. } => payment,
        Event::PaymentResolved(resolved) => &resolved.payment,
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::Transfer(_)
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::Refused { .. }
        | Event::Batch(_) => return None,
    };
    Some(payment)
}
