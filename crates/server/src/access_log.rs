//! One line of the log for a request that was answered.
//!
//! The lines have a target of their own, [`ACCESS_LOG`]: answers of 400 and above are events of the level
//! INFO, all others of the level DEBUG. So what is logged is the subscriber's to decide, and a line
//! that nobody asked for costs one comparison. No line has a text of the caller but the request's id,
//! whose characters are checked.

use std::time::Duration;

use stdx::whole_micros;

use crate::measure::Route;
use crate::request_id::RequestId;

/// The target of the lines.
pub const ACCESS_LOG: &str = "access";

/// A request and its answer.
pub(crate) struct AccessLine<'a> {
    pub(crate) request_id: &'a RequestId,
    /// The name of the key of a caller that was admitted by one.
    pub(crate) key: Option<&'a str>,
    pub(crate) method: &'static str,
    pub(crate) route: Route,
    pub(crate) status: u16,
    /// The code of a problem.
    pub(crate) code: Option<&'static str>,
    pub(crate) elapsed: Duration,
    /// Bytes of the answer's body, where they are known before it is sent.
    pub(crate) answer_bytes: Option<u64>,
}

impl AccessLine<'_> {
    pub(crate) fn log(&self) {
        macro_rules! line {
            ($event:ident) => {
                tracing::$event!(
                    target: ACCESS_LOG,
                    request_id = self.request_id.as_str(),
                    key = self.key,
                    method = self.method,
                    route = self.route.label(),
                    status = self.status,
                    code = self.code,
                    elapsed_us = whole_micros(self.elapsed),
                    answer_bytes = self.answer_bytes,
                    "{} {} answered {}",
                    self.method,
                    self.route.label(),
                    self.status,
                )
            };
        }
        if self.status >= 400 {
            line!(info);
        } else {
            line!(debug);
        }
    }
}
