//! What the server answers instead of success (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::code::Code;

/// A problem: what went wrong, for programs and for people, with the figures of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for programs. `http_<status>` where a proxy answered and not the server.
    pub code: Code,
    /// What went wrong, for people.
    pub detail: String,
    /// The id under which the server's log has the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Everything else in the body: the figures of a refusal, such as `available` and `required`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A figure of the refusal in minor units, such as `available`, `required` or `credit_limit`.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<i64> {
        self.members.get(name)?.as_i64()
    }

    /// Whether what the call names does not exist.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        self.status == 404
    }

    /// Whether the id was used before with other content, or a state was expected that is not so.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        self.status == 409
    }

    /// Whether the key is missing or unknown, or may not do this.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// Whether the server says that nothing was done.
    pub(crate) fn is_nothing_done(&self) -> bool {
        self.status == 429 || self.members.get("nothing_done") == Some(&Value::Bool(true))
    }

    /// The problem in a body. A proxy on the way writes other bodies: then the status stands for itself.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(body);
            let beginning: String = text.trim().chars().take(200).collect();
            Self {
                status,
                code: Code::Other(format!("http_{status}")),
                detail: match beginning.is_empty() {
                    true => format!("HTTP {status} with an empty body"),
                    false => beginning,
                },
                request_id: None,
                members: Map::new(),
            }
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_figures() {
        let body = br#"{"type":"/docs/errors#insufficient_funds","title":"Unprocessable Entity","status":422,
            "detail":"account 3 has 7 available, 9 required","code":"insufficient_funds","available":7,"required":9,
            "request_id":"r"}"#;
        let problem = Problem::read(422, body);
        assert_eq!(problem.code, Code::InsufficientFunds);
        assert_eq!(
            (problem.figure("available"), problem.figure("required")),
            (Some(7), Some(9))
        );
        assert_eq!(problem.figure("limit"), None);
        assert_eq!(problem.request_id.as_deref(), Some("r"));
        assert_eq!(
            problem.to_string(),
            "account 3 has 7 available, 9 required (insufficient_funds)"
        );
    }

    #[test]
    fn what_a_proxy_writes_is_shown_by_its_beginning() {
        let problem = Problem::read(502, b"<html>bad gateway</html>\n");
        assert_eq!(problem.to_string(), "<html>bad gateway</html> (http_502)");
        assert_eq!(
            Problem::read(503, b"").detail,
            "HTTP 503 with an empty body"
        );
        assert!(!problem.is_nothing_done());
    }
}
