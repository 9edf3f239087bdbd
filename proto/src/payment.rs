//! Payments and the names of their states.

use ledger::{
    AccountId, Millis, Payment, PaymentExpected, PaymentState, PaymentStateName, RefusedCode,
};

use crate::fields::{self, Invalid, given};
use crate::notes;
use crate::v1;

pub(crate) const fn state_name_to_message(state: PaymentStateName) -> v1::PaymentStateName {
    match state {
        PaymentStateName::Accepted => v1::PaymentStateName::Accepted,
        PaymentStateName::Sent => v1::PaymentStateName::Sent,
        PaymentStateName::Settled => v1::PaymentStateName::Settled,
        PaymentStateName::Refused => v1::PaymentStateName::Refused,
    }
}

pub(crate) fn state_name(value: i32) -> Result<PaymentStateName, Invalid> {
    match v1::PaymentStateName::try_from(value) {
        Ok(v1::PaymentStateName::Accepted) => Ok(PaymentStateName::Accepted),
        Ok(v1::PaymentStateName::Sent) => Ok(PaymentStateName::Sent),
        Ok(v1::PaymentStateName::Settled) => Ok(PaymentStateName::Settled),
        Ok(v1::PaymentStateName::Refused) => Ok(PaymentStateName::Refused),
        Ok(v1::PaymentStateName::Unspecified) | Err(_) => Err(Invalid::Unknown("state")),
    }
}

pub(crate) const fn refused_code_to_message(code: RefusedCode) -> v1::RefusedCode {
    match code {
        RefusedCode::ProcessorRefused => v1::RefusedCode::ProcessorRefused,
        RefusedCode::Purged => v1::RefusedCode::Purged,
        RefusedCode::OperatorRefused => v1::RefusedCode::OperatorRefused,
    }
}

pub(crate) fn refused_code(value: i32) -> Result<RefusedCode, Invalid> {
    match v1::RefusedCode::try_from(value) {
        Ok(v1::RefusedCode::ProcessorRefused) => Ok(RefusedCode::ProcessorRefused),
        Ok(v1::RefusedCode::Purged) => Ok(RefusedCode::Purged),
        Ok(v1::RefusedCode::OperatorRefused) => Ok(RefusedCode::OperatorRefused),
        Ok(v1::RefusedCode::Unspecified) | Err(_) => Err(Invalid::Unknown("code")),
    }
}

pub(crate) fn expected_to_message(expected: PaymentExpected) -> v1::PaymentExpected {
    v1::PaymentExpected {
        state: state_name_to_message(expected.state).into(),
        attempt: expected.attempt,
    }
}

pub(crate) fn expected(message: Option<v1::PaymentExpected>) -> Result<PaymentExpected, Invalid> {
    let expected = given(message, "expected")?;
    Ok(PaymentExpected {
        state: state_name(expected.state)?,
        attempt: expected.attempt,
    })
}

impl From<&Payment> for v1::Payment {
    fn from(payment: &Payment) -> Self {
        let notes = notes::Fields::from(&payment.notes);
        let mut message = Self {
            id: payment.id.to_bytes().to_vec(),
            account_id: payment
                .account_id
                .as_ref()
                .map_or("", AccountId::as_str)
                .to_owned(),
            currency: payment.currency.as_str().to_owned(),
            amount: payment.amount,
            description: payment.description.as_str().to_owned(),
            attempt: payment.attempt,
            accepted_at: payment.accepted_at.as_nanos(),
            timestamp: payment.timestamp.as_nanos(),
            state: state_name_to_message(payment.state.name()).into(),
            reference: notes.reference,
            reference_text: notes.reference_text,
            metadata: notes.metadata,
            ..Self::default()
        };
        match &payment.state {
            PaymentState::Accepted => {}
            PaymentState::Sent {
                processor,
                requested_at,
            }
            | PaymentState::Settled {
                processor,
                requested_at,
            } => {
                processor.as_str().clone_into(&mut message.processor);
                message.requested_at_ms = requested_at.0;
            }
            PaymentState::Refused { code } => {
                message.refused_code = refused_code_to_message(*code).into();
            }
        }
        message
    }
}

impl TryFrom<v1::Payment> for Payment {
    type Error = Invalid;

    fn try_from(payment: v1::Payment) -> Result<Self, Invalid> {
        let notes = notes::of_message(
            &payment.reference,
            &payment.reference_text,
            &payment.metadata,
        )?;
        let requested_at = Millis(payment.requested_at_ms);
        let state = match state_name(payment.state)? {
            PaymentStateName::Accepted => PaymentState::Accepted,
            PaymentStateName::Sent => PaymentState::Sent {
                processor: fields::processor(&payment.processor)?,
                requested_at,
            },
            PaymentStateName::Settled => PaymentState::Settled {
                processor: fields::processor(&payment.processor)?,
                requested_at,
            },
            PaymentStateName::Refused => PaymentState::Refused {
                code: refused_code(payment.refused_code)?,
            },
        };
        Ok(Self {
            id: fields::payment_id(&payment.id, "id")?,
            account_id: fields::payer(&payment.account_id)?,
            currency: fields::currency(&payment.currency)?,
            amount: payment.amount,
            description: payment.description.into(),
            state,
            attempt: payment.attempt,
            accepted_at: fields::timestamp(payment.accepted_at),
            timestamp: fields::timestamp(payment.timestamp),
            notes,
        })
    }
}
