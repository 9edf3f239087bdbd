//! What a run leaves to be reported.

use jiff::Timestamp;
use serde::Serialize;

use super::audit::Audit;
use super::checks::{Check, Point};
use super::face::{BackendSummary, Pair};
use super::processors::Total;
use crate::figures::Latency;
use crate::machine::Busy;

/// What a run left to be reported.
pub(super) struct Outcome {
    pub(super) began_at: Timestamp,
    pub(super) urls: Pair<String>,
    pub(super) totals: Pair<Total>,
    pub(super) backend: Option<BackendSummary>,
    pub(super) accepted_count: u64,
    pub(super) busy: Busy,
    pub(super) bare: Option<BareFloor>,
    pub(super) checks: Vec<Check>,
    pub(super) points: Vec<Point>,
    pub(super) stages_failed: Vec<u64>,
    pub(super) audit: Audit,
}

/// What was measured of a bare handler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BareFloor {
    /// Where it was driven.
    pub target: String,
    /// With so many requests.
    pub requests_count: u64,
    /// How long they took.
    #[serde(flatten)]
    pub latency: Latency,
}
