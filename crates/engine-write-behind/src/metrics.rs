//! The metrics of this engine.

use stdx::Metric;

/// Every metric of this engine.
pub const METRICS: &[Metric] = &[
    Metric::gauge(
        "lastro_write_behind_lag_entries",
        "Entries in Redis that PostgreSQL does not have yet",
    ),
    Metric::gauge(
        "lastro_write_behind_lag_seconds",
        "Age of the oldest entry that PostgreSQL does not have yet",
    )
    .in_seconds(),
    Metric::gauge(
        "lastro_write_behind_position",
        "Newest position in Redis; minus lastro_write_behind_lag_entries it is what PostgreSQL has",
    ),
    Metric::gauge(
        "lastro_write_behind_ready",
        "1 while writes are accepted, otherwise 0",
    ),
    Metric::gauge(
        "lastro_clock_ahead_seconds",
        "How far the clock is ahead of its expected time while it is not trusted, otherwise 0",
    )
    .in_seconds(),
];
