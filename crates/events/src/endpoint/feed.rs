//! The feed as an endpoint reads it: one page after the other, and how it is asked again.

use std::future::pending;
use std::time::Duration;

use ledger::{BoxFuture, EventPage, Unavailable};
use stdx::{BackOff, Throttle};
use tokio::time::Instant;

/// How long is waited before the ledger is asked again that had nothing new: some do not wait themselves.
const PAUSE: Duration = Duration::from_millis(200);
/// How soon a ledger is asked again that did not answer: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often it is logged that it does not.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What a reading came to.
pub(super) type Page = Result<Option<EventPage>, Unavailable>;

/// The reading in progress.
pub(super) struct Reading {
    page: Option<BoxFuture<'static, Page>>,
    /// When the next may begin.
    next_at: Instant,
    back_off: BackOff,
    trouble: Option<Unavailable>,
    failing: Throttle,
}

impl Reading {
    pub(super) fn new(now: Instant) -> Self {
        let (first, longest) = AGAIN;
        Self {
            page: None,
            next_at: now,
            back_off: BackOff::new(first, longest),
            trouble: None,
            failing: Throttle::new(WARNING_INTERVAL),
        }
    }

    /// The page that is being read; never where none is.
    pub(super) async fn page(&mut self) -> Page {
        match &mut self.page {
            Some(page) => {
                let read = page.await;
                self.page = None;
                read
            }
            None => pending().await,
        }
    }

    /// When a page may be asked for; `None` while one is being read.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.page {
            Some(_) => None,
            None => Some(self.next_at),
        }
    }

    /// Nobody wants the page any more that is being read.
    pub(super) fn forget(&mut self) {
        self.page = None;
        self.next_at = Instant::now();
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble?;
        Some(format!("its events cannot be read: {trouble}"))
    }

    /// The ledger did not answer: when it is asked again.
    pub(super) fn fail(&mut self, why: Unavailable, name: &str) -> Instant {
        if let Some(held_back) = self.failing.pass() {
            tracing::warn!(
                endpoint = name,
                code = why.code(),
                held_back,
                "webhook endpoint {name} cannot read its events: {why}. It is tried again"
            );
        }
        self.trouble = Some(why);
        self.next_at = Instant::now() + self.back_off.pause();
        self.next_at
    }

    pub(super) fn succeed(&mut self) {
        self.trouble = None;
        self.back_off.reset();
    }

    /// Begins to wait for a page.
    pub(super) fn begin(&mut self, page: BoxFuture<'static, Page>) {
        self.page = Some(page);
    }

    /// There was nothing new.
    pub(super) fn pause(&mut self) {
        self.next_at = Instant::now() + PAUSE;
    }
}
