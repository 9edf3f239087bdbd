//! Messages to one receiver, over connections that are kept.
//!
//! | what | bound |
//! |---|---|
//! | a message, with the connection and the whole answer | 10 s |
//! | an answer's body | 64 kB are read, 200 characters are kept |
//! | connections without a message | 16 for each endpoint, 60 s |
//!
//! Redirects are not followed, no proxy of the environment is used, and every address is judged (see
//! [`addresses`](crate::addresses)).

use std::sync::Arc;
use std::time::Duration;

use ledger::{BoxFuture, LastAnswer, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy as Redirects;
use reqwest::{Certificate, Client, Response, StatusCode};
use stdx::ErrorChain;

use crate::addresses::{AddressRefused, GuardedNames};
use crate::config::EndpointConfig;
use crate::queue::{LastTry, Meaning, TryResult};
use crate::secrets::WebhookSecrets;

/// How long a message may take, with everything that belongs to it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer's body is read.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long a connection is kept without a message.
const IDLE: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("lastro/", env!("CARGO_PKG_VERSION"));

/// Why there is no client for an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of its authorities cannot be used.
    #[error("cannot use the authorities in {file}: {why}")]
    Authorities {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// TLS cannot be set up, for example because this machine trusts no authority.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// Where the messages of one endpoint go.
pub(crate) trait Receives: Send + Sync + 'static {
    /// Sends a message once; `at` is the time that it is signed with.
    fn send(&self, webhook_id: String, body: Arc<[u8]>, at: Timestamp) -> BoxFuture<'_, TryResult>;
}

impl Receives for Receiver {
    fn send(&self, webhook_id: String, body: Arc<[u8]>, at: Timestamp) -> BoxFuture<'_, TryResult> {
        Box::pin(self.send_signed(webhook_id, body, at))
    }
}

/// The receiver of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    client: Client,
    url: reqwest::Url,
    secrets: WebhookSecrets,
}

impl Receiver {
    /// Nothing is connected yet.
    pub(crate) fn new(
        config: &EndpointConfig,
        secrets: WebhookSecrets,
    ) -> Result<Self, ClientError> {
        let names = GuardedNames {
            allows_private: config.allows_private,
        };
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Redirects::none())
            .no_proxy()
            .http1_only()
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(config.policy.requests_max)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Arc::new(names));
        if let Some(file) = &config.ca {
            let failed = |why: &dyn std::fmt::Display| ClientError::Authorities {
                file: file.display().to_string(),
                why: why.to_string(),
            };
            let pem = std::fs::read(file).map_err(|error| failed(&error))?;
            let authorities =
                Certificate::from_pem_bundle(&pem).map_err(|error| failed(&ErrorChain(&error)))?;
            if authorities.is_empty() {
                return Err(failed(&"it has no certificate"));
            }
            client = client.tls_built_in_root_certs(false);
            for authority in authorities {
                client = client.add_root_certificate(authority);
            }
        }
        let client = client
            .build()
            .map_err(|error| ClientError::Tls(ErrorChain(&error).to_string()))?;
        Ok(Self {
            client,
            url: config.url.url().clone(),
            secrets,
        })
    }

    async fn send_signed(&self, webhook_id: String, body: Arc<[u8]>, at: Timestamp) -> TryResult {
        let timestamp_s = at.as_nanos() / 1_000_000_000;
        let signatures = self.secrets.signatures(&webhook_id, timestamp_s, &body);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", webhook_id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signatures)
            .body(body.to_vec());
        let answered = async {
            let response = request.send().await?;
            Answer::read(response).await
        };
        match answered.await {
            Ok(answer) => answer.judged(at),
            Err(error) => TryResult {
                meaning: Meaning::Failed {
                    retry_after: None,
                    is_busy: false,
                },
                last: LastTry {
                    at,
                    status: None,
                    failure: LastAnswer::text(failure(&error).as_bytes()),
                    body: String::new(),
                },
            },
        }
    }
}

/// What a receiver answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Reads it, but no more of its body than is worth it: then the connection is not used again.
    async fn read(mut response: Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = BODY_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == BODY_BYTES_MAX {
                break;
            }
        }
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    fn judged(&self, at: Timestamp) -> TryResult {
        let meaning = match self.status {
            status if status.is_success() => Meaning::Delivered,
            StatusCode::GONE => Meaning::Gone,
            status => Meaning::Failed {
                retry_after: retry_after(&self.headers, at),
                is_busy: [
                    StatusCode::TOO_MANY_REQUESTS,
                    StatusCode::SERVICE_UNAVAILABLE,
                ]
                .contains(&status),
            },
        };
        TryResult {
            meaning,
            last: LastTry {
                at,
                status: Some(self.status.as_u16()),
                failure: String::new(),
                body: LastAnswer::text(&self.body),
            },
        }
    }
}

/// When a receiver wants to be asked again: after a number of seconds, or at a time of day.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = jiff::Timestamp::from_nanosecond(now.as_nanos().into()).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

/// Why no complete answer came, without the URL, in which others keep secrets.
fn failure(error: &reqwest::Error) -> String {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    let mut innermost = None;
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<AddressRefused>() {
            return refused.to_string();
        }
        innermost = Some(cause);
        source = cause.source();
    }
    let what = if error.is_timeout() {
        return format!("no complete answer within {} s", TIMEOUT.as_secs());
    } else if error.is_connect() {
        "there is no connection"
    } else {
        "the connection broke"
    };
    match innermost {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a receiver answers, it has a meaning, and what is kept of it is short.
    #[test]
    fn fuzz_answers() {
        let at = Timestamp::from_nanos(1_764_324_000_000_000_000);
        let examples: [&[u8]; 3] = [b"30", b"Fri, 28 Nov 2025 10:01:00 GMT", b"{\"ok\": false}"];
        testkit::fuzz(&examples, |bytes| {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(bytes) {
                headers.insert(RETRY_AFTER, value);
            }
            let answer = Answer {
                status: StatusCode::SERVICE_UNAVAILABLE,
                headers,
                body: bytes.to_vec(),
            };
            let result = answer.judged(at);
            assert!(matches!(
                result.meaning,
                Meaning::Failed { is_busy: true, .. }
            ));
            assert!(result.last.body.chars().count() <= 200);
        });
    }

    #[test]
    fn a_status_has_one_meaning() {
        let at = Timestamp::from_nanos(1_764_324_000_000_000_000); // 2025-11-28T10:00:00Z
        let judged = |status: u16, retry_after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = retry_after {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            }
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                body: b"no\x1b[2J".to_vec(),
            };
            let result = answer.judged(at);
            assert_eq!(result.last.status, Some(status));
            assert_eq!(result.last.body, "no\u{fffd}[2J");
            result.meaning
        };
        let failed = |retry_after_s: Option<u64>, is_busy| Meaning::Failed {
            retry_after: retry_after_s.map(Duration::from_secs),
            is_busy,
        };
        for (status, header, expected) in [
            (200, None, Meaning::Delivered),
            (204, Some("7"), Meaning::Delivered),
            (299, None, Meaning::Delivered),
            (410, None, Meaning::Gone),
            (301, None, failed(None, false)),
            (307, None, failed(None, false)),
            (400, None, failed(None, false)),
            (404, Some("7"), failed(Some(7), false)),
            (429, None, failed(None, true)),
            (429, Some(" 30 "), failed(Some(30), true)),
            (
                503,
                Some("Fri, 28 Nov 2025 10:01:00 GMT"),
                failed(Some(60), true),
            ),
            (
                503,
                Some("Fri, 28 Nov 2025 09:01:00 GMT"),
                failed(None, true),
            ),
            (503, Some("soon"), failed(None, true)),
            (503, Some("-1"), failed(None, true)),
            (500, None, failed(None, false)),
        ] {
            assert_eq!(judged(status, header), expected, "{status} {header:?}");
        }
    }
}
