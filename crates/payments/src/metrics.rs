//! The metrics of payments.

use stdx::Metric;

/// The label of what is counted for each processor.
const PROCESSOR: &[&str] = &["processor"];

/// Every metric of payments.
pub const METRICS: &[Metric] = &[
    Metric::gauge("lastro_payments_waiting", "Payments that wait to be sent"),
    Metric::gauge(
        "lastro_payments_conflicts",
        "Payments that their processor has recorded with another amount",
    ),
    Metric::counter(
        "lastro_payments_recorded_late_total",
        "Times that a processor had recorded a payment that could no longer be settled there, or that is settled there with another amount",
    ),
    Metric::gauge(
        "lastro_payments_orphans",
        "Payments that were sent to a processor that is no longer configured",
    ),
    Metric::counter(
        "lastro_payments_refused_total",
        "Payments that all processors refused",
    ),
    Metric::gauge(
        "lastro_payments_lease_seconds",
        "Time that is left of this node's lease on its payments",
    )
    .in_seconds(),
    Metric::counter(
        "lastro_payments_claims_lost_total",
        "Times that this node lost its claims because its lease had ended",
    ),
    Metric::gauge(
        "lastro_payments_sent",
        "Payments that are being sent to the processor",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_sent_limit",
        "Maximum number of payments that are sent to the processor at the same time, as adapted now",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_unknown",
        "Payments whose outcome at the processor is unknown",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_unknown_age_seconds",
        "Age of the oldest unknown outcome; 0 if there is none",
    )
    .in_seconds()
    .by(PROCESSOR),
    Metric::counter(
        "lastro_payments_settled_total",
        "Payments that the processor has recorded",
    )
    .by(PROCESSOR),
    Metric::counter(
        "lastro_payments_settled_minor_units_total",
        "Sum of the payments that the processor has recorded, in minor units",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_cost_minor_units",
        "Cost of the payments that the processor has recorded, in minor units",
    )
    .by(PROCESSOR),
    Metric::counter(
        "lastro_payments_processor_refusals_total",
        "Payments that the processor refused",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_breaker_closed",
        "1 while the processor is used, 0 while its circuit breaker is open or half open",
    )
    .by(PROCESSOR),
    Metric::gauge(
        "lastro_payments_delay_expected_seconds",
        "Duration that a payment at the processor is expected to take",
    )
    .in_seconds()
    .by(PROCESSOR),
];
