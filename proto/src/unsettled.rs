//! What is known of payments where they are dispatched.

use ledger::{
    LastAnswer, ProcessorName, Unsettled, UnsettledPlace, UnsettledQuery, UnsettledState,
};

use crate::fields::{self, Invalid, given};
use crate::v1;

impl From<UnsettledPlace> for v1::UnsettledPlace {
    fn from(place: UnsettledPlace) -> Self {
        Self {
            accepted_at: place.accepted_at.as_nanos(),
            payment_id: place.id.to_bytes().to_vec(),
            ordinal: place.ordinal.into(),
        }
    }
}

impl TryFrom<v1::UnsettledPlace> for UnsettledPlace {
    type Error = Invalid;

    fn try_from(place: v1::UnsettledPlace) -> Result<Self, Invalid> {
        Ok(Self {
            accepted_at: fields::timestamp(place.accepted_at),
            id: fields::payment_id(&place.payment_id, "payment_id")?,
            ordinal: u8::try_from(place.ordinal).map_err(|_| Invalid::Unknown("ordinal"))?,
        })
    }
}

impl From<&UnsettledQuery> for v1::ListUnsettledPaymentsRequest {
    fn from(query: &UnsettledQuery) -> Self {
        Self {
            payment_id: query.id.map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
            conflicts_only: query.conflicts_only,
            after: query.after.map(Into::into),
            limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
        }
    }
}

impl v1::ListUnsettledPaymentsRequest {
    /// Which page.
    pub fn read(self) -> Result<UnsettledQuery, Invalid> {
        let id = (!self.payment_id.is_empty())
            .then(|| fields::payment_id(&self.payment_id, "payment_id"))
            .transpose()?;
        Ok(UnsettledQuery {
            id,
            conflicts_only: self.conflicts_only,
            after: self.after.map(TryInto::try_into).transpose()?,
            limit: self.limit as usize,
        })
    }
}

impl From<&[Unsettled]> for v1::ListUnsettledPaymentsResponse {
    fn from(answer: &[Unsettled]) -> Self {
        Self {
            payments: answer.iter().map(Into::into).collect(),
        }
    }
}

impl v1::ListUnsettledPaymentsResponse {
    /// What the ledger node answered.
    pub fn read(self) -> Result<Vec<Unsettled>, Invalid> {
        self.payments.into_iter().map(Unsettled::try_from).collect()
    }
}

impl From<&Unsettled> for v1::UnsettledPayment {
    fn from(unsettled: &Unsettled) -> Self {
        let state = match unsettled.state {
            UnsettledState::Waiting => v1::UnsettledState::Waiting,
            UnsettledState::UnderWay => v1::UnsettledState::UnderWay,
            UnsettledState::Unknown => v1::UnsettledState::Unknown,
            UnsettledState::Pending => v1::UnsettledState::Pending,
            UnsettledState::OtherAmount => v1::UnsettledState::OtherAmount,
            UnsettledState::RecordedElsewhere => v1::UnsettledState::RecordedElsewhere,
        };
        let processor = unsettled.processor.as_ref();
        Self {
            place: Some(unsettled.place.into()),
            state: state.into(),
            processor: processor.map_or("", ProcessorName::as_str).to_owned(),
            attempt: unsettled.attempt,
            unknown_since: unsettled.unknown_since.map(ledger::Timestamp::as_nanos),
            next_question_at: unsettled.next_question_at.map(ledger::Timestamp::as_nanos),
            last_answer: unsettled.last_answer.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::UnsettledPayment> for Unsettled {
    type Error = Invalid;

    fn try_from(unsettled: v1::UnsettledPayment) -> Result<Self, Invalid> {
        let state = match v1::UnsettledState::try_from(unsettled.state) {
            Ok(v1::UnsettledState::Waiting) => UnsettledState::Waiting,
            Ok(v1::UnsettledState::UnderWay) => UnsettledState::UnderWay,
            Ok(v1::UnsettledState::Unknown) => UnsettledState::Unknown,
            Ok(v1::UnsettledState::Pending) => UnsettledState::Pending,
            Ok(v1::UnsettledState::OtherAmount) => UnsettledState::OtherAmount,
            Ok(v1::UnsettledState::RecordedElsewhere) => UnsettledState::RecordedElsewhere,
            Ok(v1::UnsettledState::Unspecified) | Err(_) => return Err(Invalid::Unknown("state")),
        };
        let processor = (!unsettled.processor.is_empty())
            .then(|| fields::processor(&unsettled.processor))
            .transpose()?;
        Ok(Self {
            place: given(unsettled.place, "place")?.try_into()?,
            state,
            processor,
            attempt: unsettled.attempt,
            unknown_since: unsettled.unknown_since.map(fields::timestamp),
            next_question_at: unsettled.next_question_at.map(fields::timestamp),
            last_answer: unsettled
                .last_answer
                .map(LastAnswer::try_from)
                .transpose()?,
        })
    }
}

impl From<&LastAnswer> for v1::LastAnswer {
    fn from(answer: &LastAnswer) -> Self {
        Self {
            at: answer.at.as_nanos(),
            was_question: answer.was_question,
            status: answer.status.map(Into::into),
            failure: answer.failure.clone(),
            body: answer.body.clone(),
        }
    }
}

impl TryFrom<v1::LastAnswer> for LastAnswer {
    type Error = Invalid;

    fn try_from(answer: v1::LastAnswer) -> Result<Self, Invalid> {
        let status = answer.status.map(u16::try_from).transpose();
        Ok(Self {
            at: fields::timestamp(answer.at),
            was_question: answer.was_question,
            status: status.map_err(|_| Invalid::Unknown("status"))?,
            failure: Self::text(answer.failure.as_bytes()),
            body: Self::text(answer.body.as_bytes()),
        })
    }
}
