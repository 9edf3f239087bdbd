//! Numbers as gauges take them.

/// A number as a gauge takes it.
#[expect(
    clippy::cast_precision_loss,
    reason = "bytes and counts of one machine are far below 2^52"
)]
pub(super) const fn figure(number: u64) -> f64 {
    number as f64
}
