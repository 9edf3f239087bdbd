//! The kinds of requests that the load makes.

use std::time::Duration;

/// The kinds of requests, in the order of their reports.
pub(super) const KINDS: &[&str] = &["payments", "summaries", "processors"];

pub(super) const PAYMENT: usize = 0;

pub(super) const SUMMARY: usize = 1;

pub(super) const ADMIN: usize = 2;

/// How long a request may take: the script's own bound.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_500);
