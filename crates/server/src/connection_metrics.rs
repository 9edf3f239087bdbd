//! What is counted of connections.

use metrics::{Counter, Gauge};

use crate::metrics::{
    GRPC_CONNECTIONS, GRPC_CONNECTIONS_LEFT, GRPC_CONNECTIONS_REFUSED, HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_LEFT, HTTP_CONNECTIONS_REFUSED,
};

/// What connections are counted with; those of the metrics' own port are not.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    pub(crate) open: Gauge,
    pub(crate) refused: Counter,
    /// Of idle ones that had to leave.
    pub(crate) left: Counter,
}

impl ConnectionMetrics {
    /// Those of the HTTP face.
    pub(crate) fn of_http() -> Self {
        let metrics = Self {
            open: metrics::gauge!(HTTP_CONNECTIONS.name),
            refused: metrics::counter!(HTTP_CONNECTIONS_REFUSED.name),
            left: metrics::counter!(HTTP_CONNECTIONS_LEFT.name),
        };
        metrics.shown()
    }

    /// Counts nothing.
    pub(crate) fn uncounted() -> Self {
        Self {
            open: Gauge::noop(),
            refused: Counter::noop(),
            left: Counter::noop(),
        }
    }

    /// Those of the gRPC face.
    pub(crate) fn of_grpc() -> Self {
        let metrics = Self {
            open: metrics::gauge!(GRPC_CONNECTIONS.name),
            refused: metrics::counter!(GRPC_CONNECTIONS_REFUSED.name),
            left: metrics::counter!(GRPC_CONNECTIONS_LEFT.name),
        };
        metrics.shown()
    }

    /// So that all are there before anything happens.
    fn shown(self) -> Self {
        self.open.increment(0.0);
        self.refused.increment(0);
        self.left.increment(0);
        self
    }
}
