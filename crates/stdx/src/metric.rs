//! A metric as a constant: its name, kind, unit, labels and meaning, written once.

/// What a metric's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number as it is now.
    Gauge,
    /// How often values were in which range.
    Histogram,
}

impl MetricKind {
    /// The name of the kind in Prometheus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a metric's samples are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricUnit {
    /// They are counted.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl MetricUnit {
    /// The unit as pages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

/// A metric. Crates list theirs in a constant `METRICS`, which [`describe_metrics!`](crate::describe_metrics)
/// gives to the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, stable for good.
    pub name: &'static str,
    /// What its samples are.
    pub kind: MetricKind,
    /// What they are measured in.
    pub unit: MetricUnit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, as a phrase without a full stop.
    pub help: &'static str,
}

impl Metric {
    const fn new(kind: MetricKind, name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit: MetricUnit::Count,
            labels: &[],
            help,
        }
    }

    /// A counter without labels.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Counter, name, help)
    }

    /// A gauge without labels.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Gauge, name, help)
    }

    /// A histogram without labels.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Histogram, name, help)
    }

    /// The same metric, in bytes.
    #[must_use]
    pub const fn in_bytes(mut self) -> Self {
        self.unit = MetricUnit::Bytes;
        self
    }

    /// The same metric, in seconds.
    #[must_use]
    pub const fn in_seconds(mut self) -> Self {
        self.unit = MetricUnit::Seconds;
        self
    }

    /// The same metric with these labels.
    #[must_use]
    pub const fn by(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }
}

/// Gives the descriptions of these metrics to the recorder that is installed. The calling crate needs the
/// library `metrics`, which this crate does not depend on.
#[macro_export]
macro_rules! describe_metrics {
    ($metrics:expr) => {
        for metric in $metrics {
            let $crate::Metric { name, help, .. } = *metric;
            let unit = match metric.unit {
                $crate::MetricUnit::Count => ::metrics::Unit::Count,
                $crate::MetricUnit::Bytes => ::metrics::Unit::Bytes,
                $crate::MetricUnit::Seconds => ::metrics::Unit::Seconds,
            };
            match metric.kind {
                $crate::MetricKind::Counter => ::metrics::describe_counter!(name, unit, help),
                $crate::MetricKind::Gauge => ::metrics::describe_gauge!(name, unit, help),
                $crate::MetricKind::Histogram => ::metrics::describe_histogram!(name, unit, help),
            }
        }
    };
}
