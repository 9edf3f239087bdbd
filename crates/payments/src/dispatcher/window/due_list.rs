//! How far the ledger's list of due payments has been read.
//!
//! It is walked from its beginning to its end, page by page, and again once in a while: nobody hears of
//! what other nodes change.

use std::collections::HashSet;
use std::time::Duration;

use ledger::{DuePlace, DueQuery, PaymentId};

/// How long to wait after a page could not be read.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// How soon the list is walked again after something was let go of.
const LOST_WAIT: Duration = Duration::from_millis(500);

/// Behind which payment the next page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct DueCursor(Option<DuePlace>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DueList {
    cursor: DueCursor,
    /// The size of the page being read.
    reading: Option<usize>,
    /// Nothing is behind the last page.
    is_at_end: bool,
    /// A payment was accepted while a page was being read.
    is_stale: bool,
    /// Payments that ended while a page was being read: the page may still contain them.
    ended: HashSet<PaymentId>,
    retry_at: Duration,
    rescan_at: Duration,
    /// How often the list was begun anew, and which of these walks ended last.
    walk: u64,
    walked: Option<u64>,
}

/// A page that was asked for and has come.
#[derive(Debug)]
pub(in crate::dispatcher) struct PageCome {
    pub(super) limit: usize,
    ended: HashSet<PaymentId>,
}

impl DueCursor {
    fn pass(&mut self, place: DuePlace) {
        self.0 = self.0.max(Some(place));
    }
}

impl PageCome {
    /// Whether the payment ended while the page was being read.
    pub(in crate::dispatcher) fn is_of_before(&self, id: PaymentId) -> bool {
        self.ended.contains(&id)
    }
}

impl DueList {
    /// There may be something new behind the last page.
    pub(super) const fn woken(&mut self) {
        self.is_at_end = false;
        self.is_stale = self.reading.is_some();
    }

    /// Whether a page may be asked for now.
    pub(super) fn may_read(&self, now: Duration) -> bool {
        self.reading.is_none() && now >= self.retry_at
    }

    /// Whether the list is to be begun anew: only after one complete walk, however much was added
    /// behind it meanwhile.
    pub(super) fn is_rescan_due(&self, now: Duration) -> bool {
        self.walked == Some(self.walk) && now >= self.rescan_at
    }

    /// Begins with the oldest again, and once more at the given time.
    pub(super) const fn rescan(&mut self, next_at: Duration) {
        self.cursor = DueCursor(None);
        self.is_at_end = false;
        self.walk += 1;
        self.rescan_at = next_at;
    }

    /// Walks the list from its beginning soon: something was let go of that may still be due.
    pub(super) fn rescan_soon(&mut self, now: Duration) {
        self.rescan_at = self.rescan_at.min(now + LOST_WAIT);
    }

    /// Asks for the next page; `None` where there is none.
    pub(super) fn next_page(&mut self, limit: usize) -> Option<DueQuery> {
        if self.is_at_end {
            return None;
        }
        self.reading = Some(limit);
        self.is_stale = false;
        Some(DueQuery {
            after: self.cursor.0,
            limit,
        })
    }

    /// A page has come; `None` where none was asked for.
    pub(super) fn page_come(&mut self) -> Option<PageCome> {
        let limit = self.reading.take()?;
        let ended = std::mem::take(&mut self.ended);
        Some(PageCome { limit, ended })
    }

    /// The page could not be read. What was claimed and not told is behind nothing that was.
    pub(super) fn page_failed(&mut self, now: Duration) {
        self.retry_at = now + RETRY_WAIT;
        self.rescan_soon(now);
    }

    /// The page was read. The first of all walks is followed by another at `next_walk_at`.
    pub(super) fn page_read(&mut self, is_last: bool, next_walk_at: Duration) {
        if self.rescan_at == Duration::ZERO {
            self.rescan_at = next_walk_at;
        }
        self.is_at_end = is_last && !self.is_stale;
    }

    pub(super) fn pass(&mut self, place: DuePlace) {
        self.cursor.pass(place);
    }

    /// The last page of a walk was read; `false` where this walk had ended before.
    pub(super) fn walk_ends(&mut self) -> bool {
        let is_first_time = self.walked != Some(self.walk);
        self.walked = Some(self.walk);
        is_first_time
    }

    pub(super) const fn walk(&self) -> u64 {
        self.walk
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// A payment ended, or was changed by somebody else: a page that is being read may contain its old state.
    pub(super) fn ended(&mut self, id: PaymentId) {
        if self.reading.is_some() {
            self.ended.insert(id);
        }
    }

    /// When something is to be done next.
    pub(super) const fn next_at(&self) -> [Duration; 2] {
        [self.retry_at, self.rescan_at]
    }

    #[cfg(test)]
    pub(super) const fn pretend_to_read(&mut self, limit: usize) {
        self.reading = Some(limit);
    }
}
