//! What operators decide of payments.

use std::time::Duration;

use ledger::{PaymentId, ProcessorName, Resolution, ResolutionKind, ResolvePayment};

use crate::fields::{self, Invalid};
use crate::payment;
use crate::v1;

/// The kind, and in milliseconds the time of one that settles.
const fn kind_to_message(kind: ResolutionKind) -> (v1::ResolutionKind, u64) {
    match kind {
        ResolutionKind::Settled { requested_at } => (v1::ResolutionKind::Settled, requested_at.0),
        ResolutionKind::Release => (v1::ResolutionKind::Release, 0),
        ResolutionKind::Refuse => (v1::ResolutionKind::Refuse, 0),
    }
}

fn kind(value: i32, requested_at_ms: u64) -> Result<ResolutionKind, Invalid> {
    match v1::ResolutionKind::try_from(value) {
        Ok(v1::ResolutionKind::Settled) => Ok(ResolutionKind::Settled {
            requested_at: fields::millis(requested_at_ms, "requested_at_ms")?,
        }),
        Ok(v1::ResolutionKind::Release) => Ok(ResolutionKind::Release),
        Ok(v1::ResolutionKind::Refuse) => Ok(ResolutionKind::Refuse),
        Ok(v1::ResolutionKind::Unspecified) | Err(_) => Err(Invalid::Unknown("kind")),
    }
}

impl From<&ResolvePayment> for v1::ResolvePayment {
    fn from(resolve: &ResolvePayment) -> Self {
        let (kind, requested_at_ms) = kind_to_message(resolve.kind);
        Self {
            id: resolve.id.to_bytes().to_vec(),
            expected: Some(payment::expected_to_message(resolve.expected)),
            kind: kind.into(),
            requested_at_ms,
            who: resolve.who.as_str().to_owned(),
            why: resolve.why.as_str().to_owned(),
        }
    }
}

impl TryFrom<v1::ResolvePayment> for ResolvePayment {
    type Error = Invalid;

    fn try_from(resolve: v1::ResolvePayment) -> Result<Self, Invalid> {
        Ok(Self {
            id: fields::payment_id(&resolve.id, "id")?,
            expected: payment::expected(resolve.expected)?,
            kind: kind(resolve.kind, resolve.requested_at_ms)?,
            who: fields::note(resolve.who, "who")?,
            why: fields::note(resolve.why, "why")?,
            // The process that has the processors knows it, and sets it.
            send_lease: Duration::ZERO,
        })
    }
}

impl From<&Resolution> for v1::Resolution {
    fn from(resolution: &Resolution) -> Self {
        let (kind, requested_at_ms) = kind_to_message(resolution.kind);
        let processor = resolution.processor.as_ref();
        Self {
            kind: kind.into(),
            requested_at_ms,
            attempt: resolution.attempt,
            processor: processor.map_or("", ProcessorName::as_str).to_owned(),
            who: resolution.who.as_str().to_owned(),
            why: resolution.why.as_str().to_owned(),
            timestamp: resolution.timestamp.as_nanos(),
        }
    }
}

impl TryFrom<v1::Resolution> for Resolution {
    type Error = Invalid;

    fn try_from(resolution: v1::Resolution) -> Result<Self, Invalid> {
        let processor = (!resolution.processor.is_empty())
            .then(|| fields::processor(&resolution.processor))
            .transpose()?;
        Ok(Self {
            kind: kind(resolution.kind, resolution.requested_at_ms)?,
            attempt: resolution.attempt,
            processor,
            who: fields::note(resolution.who, "who")?,
            why: fields::note(resolution.why, "why")?,
            timestamp: fields::timestamp(resolution.timestamp),
        })
    }
}

impl v1::ListResolutionsRequest {
    /// Which payment.
    pub fn read(&self) -> Result<PaymentId, Invalid> {
        fields::payment_id(&self.payment_id, "payment_id")
    }
}

impl From<&[Resolution]> for v1::ListResolutionsResponse {
    fn from(answer: &[Resolution]) -> Self {
        Self {
            resolutions: answer.iter().map(Into::into).collect(),
        }
    }
}

impl v1::ListResolutionsResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Vec<Resolution>, Invalid> {
        let resolutions = self.resolutions.into_iter();
        resolutions.map(Resolution::try_from).collect()
    }
}
