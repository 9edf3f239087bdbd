//! Callbacks of processors: "look at this payment", signed as Standard Webhooks say.
//!
//! A callback is never believed about money. Whatever it says, the processor is asked for the payment, and that answer
//! decides. So a callback that is repeated, or sent to the path of another payment, costs a question and nothing
//! else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use events::WebhookSecrets;
use ledger::{PaymentId, Timestamp};
use payments::{ProcessorIndex, TakesCallbacks};

use crate::errors;
use crate::keys::{Denied, Failures};
use crate::problem::Problem;

/// How far the time of a callback may be from that of the server.
const TOLERANCE: Duration = Duration::from_secs(300);
/// How many callbacks without a valid signature of one address are answered 401 in a second; further ones 429.
const FAILURES_PER_S_MAX: u32 = 20;

/// What processors sign their callbacks with, and where these go. Clones share it.
#[derive(Clone)]
pub struct Callbacks(Arc<Parts>);

struct Parts {
    /// The processors that may send some, with their secrets.
    secrets: Vec<(ProcessorIndex, WebhookSecrets)>,
    payments: Arc<dyn TakesCallbacks>,
    failures: Failures,
    started: Instant,
}

impl Callbacks {
    /// Takes callbacks that are signed with these secrets, and tells `payments` of them.
    #[must_use]
    pub fn new(
        secrets: Vec<(ProcessorIndex, WebhookSecrets)>,
        payments: Arc<dyn TakesCallbacks>,
    ) -> Self {
        Self(Arc::new(Parts {
            secrets,
            payments,
            failures: Failures::new(FAILURES_PER_S_MAX),
            started: Instant::now(),
        }))
    }

    /// Fails if the head cannot be that of a callback that is signed now.
    pub(crate) fn check_head(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
        peer: Option<std::net::IpAddr>,
    ) -> Result<(), Problem> {
        match Signed::of(headers).is_some_and(|signed| signed.is_recent(now)) {
            true => Ok(()),
            false => Err(self.failed(peer)),
        }
    }

    /// What a callback without a valid signature is answered.
    fn failed(&self, peer: Option<std::net::IpAddr>) -> Problem {
        let second = self.0.started.elapsed().as_secs() & u64::from(u32::MAX);
        let second = u32::try_from(second).expect("it is masked");
        match self.0.failures.count(peer, second) {
            true => errors::signature_invalid(),
            false => Denied::TooManyFailures.into(),
        }
    }

    /// Has the processor that signed the callback asked for the payment.
    pub(crate) fn take(
        &self,
        id: PaymentId,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        peer: Option<std::net::IpAddr>,
    ) -> Result<(), Problem> {
        let signed = Signed::of(headers).filter(|signed| signed.is_recent(now));
        let signer = signed.and_then(|signed| {
            let mut secrets = self.0.secrets.iter();
            secrets.find(|(_, secrets)| {
                secrets.verify(signed.id, signed.timestamp_s, body, signed.signatures)
            })
        });
        let Some((processor, _)) = signer else {
            return Err(self.failed(peer));
        };
        Ok(self.0.payments.called_back(id, *processor)?)
    }
}

/// What a callback is signed by.
#[derive(Debug, Clone, Copy)]
struct Signed<'a> {
    id: &'a str,
    timestamp_s: u64,
    signatures: &'a str,
}

impl<'a> Signed<'a> {
    /// `None` where a header is missing, is given twice, or is no text.
    fn of(headers: &'a HeaderMap) -> Option<Self> {
        let of = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            values.next().is_none().then_some(value)
        };
        let timestamp = of("webhook-timestamp")?;
        let timestamp_s: u64 = timestamp.parse().ok()?;
        // The text is what was signed.
        let is_plain = timestamp_s.to_string() == timestamp;
        Some(Self {
            id: of("webhook-id")?,
            timestamp_s,
            signatures: of("webhook-signature")?,
        })
        .filter(|_| is_plain)
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        let now_s = now.as_nanos() / 1_000_000_000;
        now_s.abs_diff(self.timestamp_s) <= TOLERANCE.as_secs()
    }
}
