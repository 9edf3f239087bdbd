//! The rules over what a call has read.

use ledger::{Batch, Outcome, Ticker};

use crate::snapshot::Snapshot;

/// Applies what is due, then the batches in order, and returns their outcomes. They do not count
/// where something was missed: it is asked for all at once when this is done.
pub(crate) fn apply(
    snapshot: &mut Snapshot,
    batches: impl IntoIterator<Item = Batch>,
) -> Vec<Vec<Outcome>> {
    let now = snapshot.now;
    let mut ticker = Ticker::after(snapshot.newest);
    for (expires_at, pending_id) in std::mem::take(&mut snapshot.due) {
        if expires_at <= now {
            // One that was ended meanwhile stays as it is.
            let Ok(_is_expired) = ledger::expire(snapshot, pending_id, &mut ticker, now);
        }
    }
    let mut outcomes = Vec::new();
    for batch in batches {
        let Ok(of_batch) = ledger::apply(snapshot, batch, &mut ticker, now);
        outcomes.push(of_batch);
    }
    snapshot.newest = ticker.last();
    outcomes
}
