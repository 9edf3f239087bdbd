//! The metrics of this engine.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stdx::Metric;
use tokio_postgres::error::SqlState;

use crate::error::Failure;
use crate::lease::Pool;

/// Every metric of this engine.
pub const METRICS: &[Metric] = &[
    Metric::counter(
        "lastro_postgres_calls_total",
        "Calls to the database; a call that was retried counts once",
    ),
    Metric::histogram(
        "lastro_postgres_call_duration_seconds",
        "Duration of a call, from its first attempt to its commit",
    )
    .in_seconds(),
    Metric::histogram("lastro_postgres_call_commands", "Commands in a call"),
    Metric::counter(
        "lastro_postgres_retries_total",
        "Attempts that were repeated, by cause",
    )
    .by(&["cause"]),
    Metric::counter(
        "lastro_postgres_due_payments_skipped_total",
        "Due payments that were left out of a page because their rows are damaged, again each time \
         that the list is read",
    ),
    Metric::counter(
        "lastro_database_failovers_total",
        "How often another server was found to be the primary of the database",
    ),
    Metric::gauge(
        "lastro_database_commits_waiting",
        "Commits of the database's user that have waited for a synchronous standby for more than 2 s, \
         those of other nodes included. Writes are refused while there are any",
    ),
    Metric::gauge("lastro_postgres_connections", "Connections to the database"),
    Metric::gauge(
        "lastro_postgres_connections_used",
        "Connections to the database that are in use",
    ),
    Metric::gauge(
        "lastro_queue_bytes",
        "Size of the requests that wait for the next call",
    )
    .in_bytes(),
    Metric::gauge(
        "lastro_clock_ahead_seconds",
        "How far the clock is ahead of its expected time while it is not trusted, otherwise 0",
    )
    .in_seconds(),
];

/// Handles that are looked up once.
pub(crate) struct Metrics {
    calls: Counter,
    call_seconds: Histogram,
    call_commands: Histogram,
    queue_bytes: Gauge,
    connections: Gauge,
    connections_used: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        stdx::describe_metrics!(METRICS);
        // It is there from the start.
        due_payments_skipped(0);
        counter!("lastro_database_failovers_total").increment(0);
        Self {
            calls: counter!("lastro_postgres_calls_total"),
            call_seconds: histogram!("lastro_postgres_call_duration_seconds"),
            call_commands: histogram!("lastro_postgres_call_commands"),
            queue_bytes: gauge!("lastro_queue_bytes"),
            connections: gauge!("lastro_postgres_connections"),
            connections_used: gauge!("lastro_postgres_connections_used"),
        }
    }

    pub(crate) fn call(&self, commands_count: usize, elapsed: Duration) {
        self.calls.increment(1);
        self.call_seconds.record(elapsed);
        self.call_commands.record(figure(commands_count));
    }

    pub(crate) fn queue_bytes(&self, bytes: usize) {
        self.queue_bytes.set(figure(bytes));
    }

    pub(crate) fn pool(&self, pool: &Pool) {
        let status = pool.status();
        self.connections.set(figure(status.size));
        let used = status.size.saturating_sub(status.available);
        self.connections_used.set(figure(used));
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounded far below 2^52")]
fn figure(number: usize) -> f64 {
    number as f64
}

/// Counts an attempt that is made anew because of this failure.
pub(crate) fn retry(failure: &Failure) {
    counter!("lastro_postgres_retries_total", "cause" => cause(failure)).increment(1);
}

/// Counts a call of several requests that is made anew for each by itself.
pub(crate) fn retry_apart() {
    counter!("lastro_postgres_retries_total", "cause" => "apart").increment(1);
}

/// Counts an attempt that is made anew because a key was missing.
pub(crate) fn retry_wider() {
    counter!("lastro_postgres_retries_total", "cause" => "keys").increment(1);
}

/// Counts due payments that were left out of a page.
pub(crate) fn due_payments_skipped(count: usize) {
    counter!("lastro_postgres_due_payments_skipped_total").increment(count as u64);
}

fn cause(failure: &Failure) -> &'static str {
    match failure {
        Failure::Pool(_) => "connection",
        Failure::CommitUnknown => "commit_unknown",
        Failure::Late
        | Failure::Damaged(_)
        | Failure::Behind
        | Failure::ClockJumped
        | Failure::StandbyAway => "other",
        Failure::Database(error) => match error.code() {
            None => "connection",
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => "id_used",
            Some(code) if *code == SqlState::T_R_DEADLOCK_DETECTED => "deadlock",
            Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE => "serialization",
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => "read_only",
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => "lock",
            Some(_) => "server",
        },
    }
}
