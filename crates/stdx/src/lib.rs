//! Small helpers that know nothing of money. Each exists because several crates need the same few
//! lines and no library has them.
//!
//! | item | what it is for |
//! |---|---|
//! | [`invariant!`] | what cannot be false unless the program is wrong |
//! | [`StopOnPanic`] | a thread whose panic must stop the process |
//! | [`Throttle`] | a warning that may come in floods |
//! | [`BackOff`] | pauses between attempts, which grow |
//! | [`ByteBound`] | a bound on the bytes that wait in a queue |
//! | [`Metric`] | a metric's name, kind, unit, labels and meaning, once |
//! | [`whole_millis`], [`whole_micros`], [`whole_nanos`] | a duration as a number |
//! | [`ErrorChain`] | an error and its causes on one line |
//! | [`whole_file`] | a small file that is replaced as a whole |
//! | `tls` | whom to trust over TLS, and which certificate to show (feature `tls`) |

mod back_off;
mod byte_bound;
mod error_chain;
mod invariant;
mod metric;
mod stop_on_panic;
mod throttle;
#[cfg(feature = "tls")]
pub mod tls;
mod whole;
pub mod whole_file;

pub use back_off::BackOff;
pub use byte_bound::ByteBound;
pub use error_chain::ErrorChain;
pub use metric::{Metric, MetricKind, MetricUnit};
pub use stop_on_panic::StopOnPanic;
pub use throttle::Throttle;
pub use whole::{whole_micros, whole_millis, whole_nanos};
