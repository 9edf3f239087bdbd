//! What is said of answered writes that no store in use has any more: which positions, what happened,
//! what to do.

use crate::error::WriteBehindOpenError;

/// Calls that were in a Redis alone, and are gone: positions, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The position of the first one.
    pub from: u64,
    /// The position of the last one.
    pub to: u64,
}

/// What the ledger goes on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// What this node has answered, or was told, after the first position up to the second one.
    Own { after: u64, to: u64 },
    /// What other nodes have answered beyond that, by their reports.
    OfOthers { after: u64, to: u64 },
    /// What an old Redis alone had.
    Dropped(Dropped),
    /// What was answered by a Redis that an operator has given up.
    WithRedis { after: u64, to: u64 },
}

impl Loss {
    /// The alarm.
    pub(crate) fn report(self, persisted: u64) {
        match self {
            Self::Own { after, to }
            | Self::OfOthers { after, to }
            | Self::WithRedis { after, to } => report_lost(after, to, persisted),
            Self::Dropped(dropped) => report_dropped(dropped, persisted),
        }
    }
}

/// The alarm of an old Redis that is rebuilt.
fn report_dropped(Dropped { from, to }: Dropped, persisted: u64) {
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
fn report_lost(after: u64, to: u64, persisted: u64) {
    tracing::error!(
        lost_from_position = after + 1,
        lost_to_position = to,
        persisted_position = persisted,
        "DATA LOSS: answered writes up to position {to} are missing from Redis and PostgreSQL. The \
         ledger goes on without them and their ids are free again: compare what callers were \
         answered with what the ledger has, and find out why Redis or the database lost them"
    );
}

/// What refuses to go on after this position, before what a node has answered. `address` is where the
/// Redis is that has it, where that is not this node's own.
pub(crate) fn would_lose(
    who: &str,
    to: u64,
    after: u64,
    address: Option<&str>,
) -> WriteBehindOpenError {
    let with = match address {
        Some(address) => format!("with the Redis at {address}"),
        None => "with the Redis that --redis-url led to before".to_owned(),
    };
    WriteBehindOpenError::Disagree(format!(
        "DATA LOSS: {who} has answered writes up to position {to} {with}, and those after position \
         {after} are missing from this Redis and from PostgreSQL. Nothing is applied: start the Redis that \
         has them, and let --redis-url lead to it; nodes that run go on by themselves then. Only if it is \
         lost for good, start one node once with --accept-data-loss, and compare what callers were answered \
         with what the ledger has"
    ))
}
