//! What is said of answered writes that no store in use has any more: which positions, what happened,
//! what to do.

use crate::error::WriteBehindOpenError;
use crate::nodes::Answered;

/// Calls that were in a Redis alone, and are gone: positions, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The position of the first one.
    pub from: u64,
    /// The position of the last one.
    pub to: u64,
}

/// The alarm of an old Redis that is rebuilt.
pub(crate) fn report_dropped(Dropped { from, to }: Dropped, persisted: u64) {
    tracing::error!(
        lost_from_position = from,
        lost_to_position = to,
        persisted_position = persisted,
        "DATA LOSS: this Redis held writes at positions {from} to {to} that are missing from \
         PostgreSQL and from the Redis that the ledger went on with meanwhile. They may have \
         been answered, are dropped, and their ids are free again: compare what callers were \
         answered with what the ledger has, and find out why another Redis took over without \
         them"
    );
}

/// The alarm of a ledger that goes on without what a node has answered after this position.
pub(crate) fn report_lost(after: u64, to: u64, persisted: u64) {
    tracing::error!(
        lost_from_position = after + 1,
        lost_to_position = to,
        persisted_position = persisted,
        "DATA LOSS: answered writes up to position {to} are missing from Redis and PostgreSQL. The \
         ledger goes on without them and their ids are free again: compare what callers were \
         answered with what the ledger has, and find out why Redis or the database lost them"
    );
}

/// What refuses a start that would go on at this position, before what a node has answered.
pub(crate) fn would_lose(answered: &Answered, position: u64) -> WriteBehindOpenError {
    WriteBehindOpenError::Disagree(format!(
        "DATA LOSS: a node has answered writes up to position {} with the Redis at {}, and those after \
         position {position} are missing from this Redis and from PostgreSQL. Nothing is applied: start \
         the Redis that has them, and let --redis-url lead to it. Only if it is lost for good, start one \
         node once with --accept-data-loss, and compare what callers were answered with what the ledger \
         has",
        answered.position, answered.address
    ))
}
