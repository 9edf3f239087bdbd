//! The requests that a report is awaited of, by when it is overdue.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::PaymentId;

/// How much later than its lease's end a request without a report counts as unknown.
const REPORT_GRACE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ReportsAwaited(BTreeSet<(Duration, PaymentId)>);

impl ReportsAwaited {
    /// A request goes out under a lease.
    pub(super) fn begin(&mut self, lease_until: Duration, id: PaymentId) {
        self.0.insert((lease_until + REPORT_GRACE, id));
    }

    /// Its report has come, or is awaited no more.
    pub(super) fn over(&mut self, lease_until: Duration, id: PaymentId) {
        self.0.remove(&(lease_until + REPORT_GRACE, id));
    }

    /// The next request whose report is overdue.
    pub(super) fn pop_overdue(&mut self, now: Duration) -> Option<PaymentId> {
        let (at, id) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(id)
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }
}
