//! What is counted of the gRPC face.

use std::time::Duration;

use ledger::{Outcome, Record};
use metrics::{Counter, Histogram};
use proto::{GrpcCode, Method};

use crate::measure::Outcomes;
use crate::metrics::{GRPC_CALL_DURATION, GRPC_CALLS};
use crate::table::CounterTable;

const METHODS_COUNT: usize = Method::ALL.len();

const CODES: [GrpcCode; 12] = [
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
    GrpcCode::Unauthenticated,
];

pub(super) struct Metrics {
    calls: CounterTable<METHODS_COUNT>,
    durations: [Histogram; METHODS_COUNT],
    outcomes: Outcomes,
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            calls: CounterTable::new(CODES.len()),
            durations: std::array::from_fn(|method| {
                metrics::histogram!(
                    GRPC_CALL_DURATION.name,
                    "method" => Method::ALL[method].name()
                )
            }),
            outcomes: Outcomes::new(),
        }
    }

    pub(super) fn count_call(&self, method: Method, code: GrpcCode, elapsed: Duration) {
        let column = CODES.iter().position(|known| *known == code);
        self.calls
            .add(Some(method as usize), column, 1, || counter(method, code));
        self.durations[method as usize].record(elapsed);
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
        GRPC_CALLS.name,
        "method" => method.name(),
        "status" => code.name()
    )
}
