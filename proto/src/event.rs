//! The feed of events: its question, its answer, and each event as a whole.

use std::time::{Duration, Instant};

use ledger::{
    BatchDecided, Digest, Event, EventPage, EventQuery, EventsFrom, MemberFailure, Outcome,
    Payment, PaymentResolved, PlacedEvent, Record, Timestamp, Transfer,
};

use crate::fields::{self, Invalid, given};
use crate::v1::event::Event as Kind;
use crate::v1::outcome::Result as ResultKind;
use crate::{account, by, v1};

impl v1::ListEventsRequest {
    /// The question, and how long from `now` on it may be waited.
    #[must_use]
    pub fn of(query: &EventQuery, now: Instant) -> Self {
        let (after, from_now) = match query.from {
            EventsFrom::Beginning => (Vec::new(), false),
            EventsFrom::After(position) => (position.to_bytes().to_vec(), false),
            EventsFrom::Now => (Vec::new(), true),
        };
        let wait = query
            .wait_until
            .map(|until| until.saturating_duration_since(now));
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            after,
            from_now,
            limit: bounded(query.limit),
            bytes_max: bounded(query.bytes_max),
            wait_ms: wait.map_or(0, |wait| {
                u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
            }),
        }
    }

    /// What was asked at `now`.
    pub fn read(&self, now: Instant) -> Result<EventQuery, Invalid> {
        let from = match (self.from_now, &*self.after) {
            (true, _) => EventsFrom::Now,
            (false, []) => EventsFrom::Beginning,
            (false, bytes) => EventsFrom::After(fields::position(bytes, "after")?),
        };
        let wait = Duration::from_millis(self.wait_ms.into());
        Ok(EventQuery {
            from,
            limit: self.limit as usize,
            bytes_max: self.bytes_max as usize,
            wait_until: (self.wait_ms > 0).then(|| now + wait),
        })
    }
}

impl From<Option<&EventPage>> for v1::ListEventsResponse {
    fn from(page: Option<&EventPage>) -> Self {
        match page {
            None => Self::default(),
            Some(page) => Self {
                events: page.events.iter().map(Into::into).collect(),
                next: page.next.to_bytes().to_vec(),
            },
        }
    }
}

impl v1::ListEventsResponse {
    /// What the ledger answered.
    pub fn read(self) -> Result<Option<EventPage>, Invalid> {
        if self.next.is_empty() {
            return Ok(None);
        }
        let events: Result<_, _> = self.events.into_iter().map(PlacedEvent::try_from).collect();
        Ok(Some(EventPage {
            events: events?,
            next: fields::position(&self.next, "next")?,
        }))
    }
}

impl From<&PlacedEvent> for v1::Event {
    fn from(placed: &PlacedEvent) -> Self {
        Self {
            position: placed.position.to_bytes().to_vec(),
            timestamp: placed.event.timestamp().as_nanos(),
            event: Some(to_message(&placed.event)),
            by: by::to_message(placed.event.by()),
        }
    }
}

impl TryFrom<v1::Event> for PlacedEvent {
    type Error = Invalid;

    fn try_from(event: v1::Event) -> Result<Self, Invalid> {
        let timestamp = fields::timestamp(event.timestamp);
        Ok(Self {
            position: fields::position(&event.position, "position")?,
            event: decided_by(
                from_message(given(event.event, "event")?, timestamp)?,
                event.by,
            )?,
        })
    }
}

fn decided_by(event: Event, by: Option<v1::By>) -> Result<Event, Invalid> {
    match by::of(by)? {
        Some(by) => event.decided_by(*by).ok_or(Invalid::Shape),
        None => Ok(event),
    }
}

fn to_message(event: &Event) -> Kind {
    match event {
        Event::Transfer(transfer) => Kind::Transfer(transfer.into()),
        Event::AccountOpened { id, account } => {
            Kind::AccountOpened(account::to_message(id, account))
        }
        Event::LimitChanged { id, account, .. } => {
            Kind::LimitChanged(account::to_message(id, account))
        }
        Event::AccountClosed { id, account, .. } => {
            Kind::AccountClosed(account::to_message(id, account))
        }
        Event::FreezeChanged { id, account, .. } => {
            Kind::FreezeChanged(account::to_message(id, account))
        }
        Event::PaymentAccepted(payment) => Kind::PaymentAccepted(payment.into()),
        Event::PaymentSent(payment) => Kind::PaymentSent(payment.into()),
        Event::PaymentReleased(payment) => Kind::PaymentReleased(payment.into()),
        Event::PaymentRefused(payment) => Kind::PaymentRefused(payment.into()),
        Event::PaymentSettled { payment, transfer } => Kind::PaymentSettled(v1::PaymentEnded {
            payment: Some((&**payment).into()),
            transfer: Some(transfer.into()),
            resolution: None,
        }),
        Event::PaymentsPurged {
            payments_count,
            timestamp,
        } => Kind::PaymentsPurged(v1::Purge {
            payments_count: *payments_count,
            timestamp: timestamp.as_nanos(),
        }),
        Event::Refused {
            command, refusal, ..
        } => Kind::Refused(v1::UsedByRefused {
            command: Some(command.into()),
            refusal: Some(refusal.into()),
        }),
        Event::Batch(batch) => Kind::Batch(batch.into()),
        Event::PaymentResolved(resolved) => Kind::PaymentResolved(v1::PaymentEnded {
            payment: Some((&resolved.payment).into()),
            transfer: resolved.transfer.as_ref().map(Into::into),
            resolution: Some((&resolved.resolution).into()),
        }),
    }
}

fn from_message(kind: Kind, timestamp: Timestamp) -> Result<Event, Invalid> {
    Ok(match kind {
        Kind::Transfer(transfer) => Event::Transfer(transfer.try_into()?),
        Kind::AccountOpened(message) => {
            let (id, account) = account::from_message(&message)?;
            Event::AccountOpened { id, account }
        }
        Kind::LimitChanged(message) => {
            let (id, account) = account::from_message(&message)?;
            Event::LimitChanged {
                id,
                account,
                timestamp,
                by: None,
            }
        }
        Kind::AccountClosed(message) => {
            let (id, account) = account::from_message(&message)?;
            Event::AccountClosed {
                id,
                account,
                timestamp,
                by: None,
            }
        }
        Kind::FreezeChanged(message) => {
            let (id, account) = account::from_message(&message)?;
            Event::FreezeChanged {
                id,
                account,
                timestamp,
                by: None,
            }
        }
        Kind::PaymentAccepted(payment) => Event::PaymentAccepted(payment.try_into()?),
        Kind::PaymentSent(payment) => Event::PaymentSent(payment.try_into()?),
        Kind::PaymentReleased(payment) => Event::PaymentReleased(payment.try_into()?),
        Kind::PaymentRefused(payment) => Event::PaymentRefused(payment.try_into()?),
        Kind::PaymentSettled(ended) => Event::PaymentSettled {
            payment: Box::new(Payment::try_from(given(ended.payment, "payment")?)?),
            transfer: given(ended.transfer, "transfer")?.try_into()?,
        },
        Kind::PaymentsPurged(purge) => Event::PaymentsPurged {
            payments_count: purge.payments_count,
            timestamp,
        },
        Kind::Refused(refused) => Event::Refused {
            command: given(refused.command, "command")?.try_into()?,
            refusal: given(refused.refusal, "refusal")?.try_into()?,
            timestamp,
        },
        Kind::Batch(batch) => Event::Batch(decided(batch, timestamp)?),
        Kind::PaymentResolved(ended) => Event::PaymentResolved(Box::new(PaymentResolved {
            payment: given(ended.payment, "payment")?.try_into()?,
            transfer: ended.transfer.map(Transfer::try_from).transpose()?,
            resolution: given(ended.resolution, "resolution")?.try_into()?,
        })),
    })
}

impl From<&BatchDecided> for v1::BatchDecided {
    fn from(batch: &BatchDecided) -> Self {
        let failure = batch.failure.as_ref();
        Self {
            id: batch.id.to_bytes().to_vec(),
            digest: batch.digest.0.to_vec(),
            members_count: batch.members_count,
            failed_index: failure.map(|failure| failure.index),
            failed_outcome: failure.map(|failure| whole_outcome(&failure.outcome)),
        }
    }
}

fn decided(batch: v1::BatchDecided, timestamp: Timestamp) -> Result<BatchDecided, Invalid> {
    let failure = match (batch.failed_index, batch.failed_outcome) {
        (None, None) => None,
        (Some(index), Some(outcome)) => Some(MemberFailure {
            index,
            outcome: Box::new(read_whole_outcome(outcome)?),
        }),
        (Some(_), None) | (None, Some(_)) => return Err(Invalid::Missing("failed_outcome")),
    };
    let digest = batch.digest.try_into();
    Ok(BatchDecided {
        id: fields::batch_id(&batch.id, "id")?,
        digest: Digest(digest.map_err(|_| Invalid::Length("digest"))?),
        members_count: batch.members_count,
        failure,
        timestamp,
    })
}

/// An outcome that is read without its command.
fn whole_outcome(outcome: &Outcome) -> v1::Outcome {
    match &outcome.result {
        Ok(Record::Transfer(transfer)) => v1::Outcome {
            result: Some(ResultKind::Transfer(transfer.into())),
            replayed: outcome.replayed,
        },
        Ok(Record::Account { .. } | Record::Payment(_) | Record::Purge { .. }) | Err(_) => {
            outcome.into()
        }
    }
}

fn read_whole_outcome(outcome: v1::Outcome) -> Result<Outcome, Invalid> {
    let result = match given(outcome.result, "result")? {
        ResultKind::Moved(_) => return Err(Invalid::Shape),
        ResultKind::Refusal(refusal) => Err(refusal.try_into()?),
        ResultKind::Transfer(transfer) => Ok(Record::Transfer(transfer.try_into()?)),
        ResultKind::Account(message) => {
            let (id, account) = account::from_message(&message)?;
            Ok(Record::Account { id, account })
        }
        ResultKind::Payment(payment) => Ok(Record::Payment(payment.try_into()?)),
        ResultKind::Purge(purge) => Ok(Record::Purge {
            payments_count: purge.payments_count,
            timestamp: fields::timestamp(purge.timestamp),
        }),
    };
    Ok(Outcome {
        replayed: outcome.replayed,
        result,
    })
}
