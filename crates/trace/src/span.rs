//! One span: a part of the work for a request, from when to when.

use std::borrow::Cow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::context::SpanContext;

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which one it is.
    pub context: SpanContext,
    /// The span that it is a part of; `None` for the first of a trace.
    pub parent_id: Option<u64>,
    /// Whether that one is of another process.
    pub is_parent_remote: bool,
    /// What was done.
    pub name: Cow<'static, str>,
    /// Whose side it was done on.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub is_failed: bool,
}

/// Whose side a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It answers another process.
    Server,
    /// It asks another process.
    Client,
    /// A part of either.
    Internal,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

/// One moment on both clocks. All spans that a process makes of a request are measured from the same one, so that
/// a step of the clock does not tear them apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    instant: Instant,
    unix_ns: u64,
}

impl Anchor {
    pub(crate) fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            instant: Instant::now(),
            // A clock before 1970 shows spans at 1970.
            unix_ns: since_1970
                .map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// A moment before or after, in nanoseconds since 1970.
    pub(crate) fn unix_ns(self, instant: Instant) -> u64 {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match instant.checked_duration_since(self.instant) {
            Some(after) => self.unix_ns.saturating_add(nanos(after)),
            None => self
                .unix_ns
                .saturating_sub(nanos(self.instant.duration_since(instant))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_before_and_after_the_anchor_keep_their_distance() {
        let anchor = Anchor::now();
        let second = Duration::from_secs(1);
        let at = |instant| anchor.unix_ns(instant);
        assert_eq!(
            at(anchor.instant + second) - at(anchor.instant),
            1_000_000_000
        );
        assert_eq!(
            at(anchor.instant) - at(anchor.instant - second),
            1_000_000_000
        );
    }
}
