//! Which server is the ledger's primary: never one that another has taken over from.
//!
//! A server that is promoted begins a timeline of its own. Of two servers of one database system that take
//! writes, the one of the later timeline is the primary; the other has been cut off from what had to end
//! it, still answers, and shows what was true once. A node that has met the later one does not go back.

use std::fmt;
use std::sync::Arc;

use metrics::counter;
use parking_lot::Mutex;
use tokio_postgres::SimpleQueryRow;

use crate::error::ConnectError;

/// What says it, as columns: the database system, and the timeline of a server that takes writes.
pub(crate) const COLUMNS: &str = "
    (SELECT system_identifier FROM pg_control_system()),
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// A server that takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The same of a primary and all its standbys.
    system: i64,
    timeline: u32,
}

impl Origin {
    /// By [`COLUMNS`], of which the first is at this place; `None` of a standby.
    pub(crate) fn of(row: &SimpleQueryRow, place: usize) -> Result<Option<Self>, ConnectError> {
        let unread = || ConnectError::Settings("the server's timeline was not read".to_owned());
        let system = row.try_get(place)?.and_then(|text| text.parse().ok());
        let system = system.ok_or_else(unread)?;
        let Some(timeline) = row.try_get(place + 1)? else {
            return Ok(None);
        };
        // The first part of a log file's name.
        let timeline = u32::from_str_radix(timeline, 16).map_err(|_| unread())?;
        Ok(Some(Self { system, timeline }))
    }

    /// Whether it has taken over from the other.
    const fn is_after(self, other: Self) -> bool {
        self.system == other.system && self.timeline > other.timeline
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeline {}", self.timeline)
    }
}

/// The newest primary that a node has met: over any of its connections, also those beside the pool.
#[derive(Debug, Clone, Default)]
pub struct Newest(Arc<Mutex<Option<Origin>>>);

/// What was met is no setting: options that have met different primaries are the same options.
impl PartialEq for Newest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Newest {}

impl Newest {
    /// Takes note of a server that takes writes; whether it is a later one than all before.
    ///
    /// # Errors
    ///
    /// When another has taken over from it.
    pub(crate) fn meet(&self, met: Origin) -> Result<bool, ConnectError> {
        let mut newest = self.0.lock();
        match *newest {
            Some(known) if known.is_after(met) => Err(ConnectError::Superseded {
                found: met.timeline,
                newest: known.timeline,
            }),
            Some(known) if known == met => Ok(false),
            before => {
                *newest = Some(met);
                drop(newest);
                if before.is_some() {
                    counter!("lastro_database_failovers_total").increment(1);
                    tracing::warn!(primary = %met, "the database has another primary now");
                }
                Ok(before.is_some())
            }
        }
    }

    /// Whether no other is known to have taken over from this one.
    pub(crate) fn is_it(&self, origin: Option<Origin>) -> bool {
        let newest = *self.0.lock();
        !matches!((newest, origin), (Some(newest), Some(origin)) if newest.is_after(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn origin(system: i64, timeline: u32) -> Origin {
        Origin { system, timeline }
    }

    #[test]
    fn who_was_taken_over_from_is_not_gone_back_to() {
        let newest = Newest::default();
        assert!(newest.is_it(Some(origin(7, 1))));
        assert!(!newest.meet(origin(7, 1)).unwrap());
        assert!(!newest.meet(origin(7, 1)).unwrap());
        assert!(newest.meet(origin(7, 3)).unwrap());
        assert!(!newest.is_it(Some(origin(7, 1))));
        assert!(newest.is_it(Some(origin(7, 3))));
        // A standby has no timeline of its own.
        assert!(newest.is_it(None));
        let refused = newest.meet(origin(7, 2)).unwrap_err();
        assert!(matches!(
            refused,
            ConnectError::Superseded {
                found: 2,
                newest: 3
            }
        ));
    }

    /// Such as one that was upgraded or restored by its own tools: its timelines begin anew.
    #[test]
    fn another_system_is_not_judged_by_the_timelines_of_the_one_before() {
        let newest = Newest::default();
        assert!(!newest.meet(origin(7, 5)).unwrap());
        assert!(newest.meet(origin(8, 1)).unwrap());
        assert!(newest.is_it(Some(origin(8, 1))));
    }
}
