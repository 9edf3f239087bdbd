//! What is counted of the gRPC face.

use std::time::Duration;

use ledger::{Outcome, Record};
use metrics::{Counter, Histogram};
use proto::GrpcCode;

use crate::measure::Outcomes;
use crate::table::CounterTable;

/// A method's name in the metrics, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method(usize);

impl Method {
    pub(super) const SUBMIT: Self = Self(0);
    pub(super) const GET_ACCOUNT: Self = Self(1);
    pub(super) const GET_STATEMENT: Self = Self(2);
    pub(super) const GET_BALANCE_AT: Self = Self(3);
    pub(super) const GET_TRANSFER: Self = Self(4);
    pub(super) const GET_PAYMENT: Self = Self(5);
    pub(super) const GET_PAYMENTS_SUMMARY: Self = Self(6);
    pub(super) const LIST_PAYMENTS_DUE: Self = Self(7);
    pub(super) const LIST_RESOLUTIONS: Self = Self(8);
    pub(super) const GET_CLOCK: Self = Self(9);
    pub(super) const LIST_UNSETTLED_PAYMENTS: Self = Self(10);
    pub(super) const GET_NEWEST_PAYMENT: Self = Self(11);

    const NAMES: [&'static str; 12] = [
        "Submit",
        "GetAccount",
        "GetStatement",
        "GetBalanceAt",
        "GetTransfer",
        "GetPayment",
        "GetPaymentsSummary",
        "ListPaymentsDue",
        "ListResolutions",
        "GetClock",
        "ListUnsettledPayments",
        "GetNewestPayment",
    ];

    /// The name in the definition.
    pub(super) const fn name(self) -> &'static str {
        Self::NAMES[self.0]
    }
}

const CODES: [GrpcCode; 11] = [
    GrpcCode::Ok,
    GrpcCode::Cancelled,
    GrpcCode::InvalidArgument,
    GrpcCode::DeadlineExceeded,
    GrpcCode::PermissionDenied,
    GrpcCode::ResourceExhausted,
    GrpcCode::FailedPrecondition,
    GrpcCode::Unimplemented,
    GrpcCode::Internal,
    GrpcCode::Unavailable,
    GrpcCode::DataLoss,
];

pub(super) struct Metrics {
    calls: CounterTable<{ Method::NAMES.len() }>,
    durations: [Histogram; Method::NAMES.len()],
    outcomes: Outcomes,
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            calls: CounterTable::new(CODES.len()),
            durations: std::array::from_fn(|method| {
                metrics::histogram!(
                    "lastro_grpc_call_duration_seconds",
                    "method" => Method::NAMES[method]
                )
            }),
            outcomes: Outcomes::new(),
        }
    }

    pub(super) fn count_call(&self, method: Method, code: GrpcCode, elapsed: Duration) {
        let column = CODES.iter().position(|known| *known == code);
        self.calls
            .add(method.0, column.unwrap_or(usize::MAX), 1, || {
                counter(method, code)
            });
        self.durations[method.0].record(elapsed);
    }

    /// Counts a submit's outcomes; `names` are those of its commands.
    pub(super) fn count_outcomes<'a>(
        &self,
        names: &[&'static str],
        outcomes: impl Iterator<Item = &'a Outcome>,
    ) {
        // Nearly all are new transfers: they are counted together.
        const TRANSFER: &str = "transfer";
        let (mut created_count, mut created) = (0, None);
        for (name, outcome) in names.iter().zip(outcomes) {
            match outcome {
                Outcome {
                    replayed: false,
                    result: Ok(Record::Transfer(_)),
                } if *name == TRANSFER => {
                    created_count += 1;
                    created = Some(outcome);
                }
                _ => self.outcomes.count(name, outcome, 1),
            }
        }
        if let Some(outcome) = created {
            self.outcomes.count(TRANSFER, outcome, created_count);
        }
    }
}

fn counter(method: Method, code: GrpcCode) -> Counter {
    metrics::counter!(
        "lastro_grpc_calls_total",
        "method" => method.name(),
        "status" => code.name()
    )
}
