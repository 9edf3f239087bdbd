//! The client: its connections, and the attempts of a call.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;
use stdx::ErrorChain;
use tokio::time::{sleep, timeout};

use crate::call::Call;
use crate::error::{BatchRefused, Error};
use crate::options::{ClientOptions, OptionsInvalid};
use crate::problem::Problem;
use crate::records::Batch;
use crate::retry::{Attempts, Failure, Retry, is_decision};

/// The largest answer that is read into memory: a batch of 8,190 outcomes is a fifth of it.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A ledger behind HTTP.
///
/// One client serves any number of tasks, and keeps its connections; its copies share them. It needs a runtime of tokio
/// with its timers and its network.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
    retry: Retry,
}

/// What a write was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What was made.
    pub record: T,
    /// Whether the server had this id before, and answered as it did then. A call that was sent again after a lost
    /// answer is answered so too.
    pub replayed: bool,
}

/// A success as it arrived.
pub(crate) enum Reply {
    Whole { body: Vec<u8>, replayed: bool },
    Streaming(Response),
}

/// Whether an answer is read to its end before it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Streaming,
}

/// What an attempt ended with that did not succeed.
enum Ended {
    Decided(Error),
    Failed(Failure),
}

impl Client {
    /// A client of the server at this URL, without a key.
    ///
    /// # Errors
    ///
    /// If it is not the URL of a server.
    pub fn new(url: &str) -> Result<Self, OptionsInvalid> {
        Self::with(&ClientOptions::new(url))
    }

    /// A client with these options. It connects with its first call.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used.
    pub fn with(options: &ClientOptions) -> Result<Self, OptionsInvalid> {
        let (base, http) = options.http()?;
        Ok(Self {
            base,
            http,
            retry: options.retry.clone(),
        })
    }

    /// Sends a read.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.write(call).await.map(|answered| answered.record)
    }

    /// Sends a call until it is answered.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<Answered<T>, Error> {
        match self.carry_out(call, Form::Whole).await? {
            Reply::Whole { body, replayed } => {
                let record = serde_json::from_slice(&body).map_err(|error| {
                    Error::Unreadable(format!(
                        "the answer about {} cannot be read ({error})",
                        call.about
                    ))
                })?;
                Ok(Answered { record, replayed })
            }
            Reply::Streaming(_) => unreachable!("the whole answer was asked for"),
        }
    }

    /// Sends a read until its answer begins.
    pub(crate) async fn stream(&self, call: &Call) -> Result<Response, Error> {
        match self.carry_out(call, Form::Streaming).await? {
            Reply::Streaming(response) => Ok(response),
            Reply::Whole { .. } => unreachable!("a stream was asked for"),
        }
    }

    /// How long a stream may say nothing.
    pub(crate) const fn patience(&self) -> Duration {
        self.retry.attempt
    }

    async fn carry_out(&self, call: &Call, form: Form) -> Result<Reply, Error> {
        let mut attempts = Attempts::new(call, &self.retry);
        loop {
            let time = attempts.time_for_one();
            let failure = match timeout(time, self.attempt(call, form)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(Ended::Decided(error))) => return Err(attempts.decided(error)),
                Ok(Err(Ended::Failed(failure))) => failure,
                Err(_) => Failure::Lost(format!("no answer within {} ms", time.as_millis())),
            };
            sleep(attempts.failed(failure)?).await;
        }
    }

    async fn attempt(&self, call: &Call, form: Form) -> Result<Reply, Ended> {
        let mut url = self.base.clone();
        let path = url.path_segments_mut();
        path.expect("the options take http and https alone, which have paths")
            .pop_if_empty()
            .extend(&call.path);
        let mut request = self.http.request(call.method.clone(), url);
        if !call.query.pairs().is_empty() {
            request = request.query(call.query.pairs());
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key.to_string());
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status.is_success() && form == Form::Streaming {
            return Ok(Reply::Streaming(response));
        }
        let replayed = is_replayed(response.headers());
        let asked = retry_after(response.headers());
        let body = whole(response).await?;
        if status.is_success() {
            return Ok(Reply::Whole { body, replayed });
        }
        let problem = Problem::read(status.as_u16(), &body);
        Err(match is_decision(status.as_u16()) {
            true => Ended::Decided(refusal(problem, &body)),
            false => Ended::Failed(Failure::Undecided(Box::new(problem), asked)),
        })
    }
}

/// An answer's body, up to the bound.
async fn whole(mut response: Response) -> Result<Vec<u8>, Ended> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_BYTES_MAX {
            let why = format!("an answer of more than {} MiB", BODY_BYTES_MAX >> 20);
            return Err(Ended::Decided(Error::Unreadable(why)));
        }
    }
    Ok(body)
}

/// An attempt without an answer.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed over by `map_err`"
)]
fn lost(error: reqwest::Error) -> Ended {
    // The URL is the caller's own: the causes say what happened.
    let cause = std::error::Error::source(&error);
    let text = cause.map_or_else(|| error.to_string(), |cause| ErrorChain(cause).to_string());
    Ended::Failed(match error.is_connect() {
        true => Failure::NotSent(format!("there is no connection: {text}")),
        false => Failure::Lost(format!("the connection broke: {text}")),
    })
}

/// A decision of the server against the call.
fn refusal(problem: Problem, body: &[u8]) -> Error {
    if !problem.members.contains_key("outcomes") {
        return Error::Refused(Box::new(problem));
    }
    match serde_json::from_slice::<Batch>(body) {
        Ok(batch) => Error::BatchRefused(Box::new(BatchRefused { problem, batch })),
        Err(error) => Error::Unreadable(format!("a refused batch cannot be read ({error})")),
    }
}

fn is_replayed(headers: &HeaderMap) -> bool {
    headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

/// Both forms of `Retry-After` (RFC 9110 §10.2.3), from now on.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A time that is over asks for no pause.
    let pause = SystemTime::from(at).duration_since(SystemTime::now());
    Some(pause.unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let asked = |text: &str| {
            retry_after(&HeaderMap::from_iter([(
                RETRY_AFTER,
                text.parse().unwrap(),
            )]))
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(asked("Sun, 06 Nov 2450 08:49:37 GMT").unwrap() > Duration::from_secs(1_000));
        assert_eq!(asked("soon"), None);
    }
}
