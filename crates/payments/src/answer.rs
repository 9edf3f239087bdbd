//! What a processor's answers mean.

use std::time::Duration;

use ledger::Millis;

/// What the answer to a payment's request says about its own attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptAnswer {
    /// Recorded by this request.
    Recorded,
    /// The id was recorded before, by whichever attempt (409, 422): to be looked up.
    AlreadyRecorded,
    /// The processor has it and has not decided yet: it is asked until it has.
    Pending,
    /// This attempt was definitely not recorded.
    NotRecorded(NotRecorded),
    /// The processor does not want this payment; this attempt was not recorded.
    Refused,
    /// The answer is about the caller or the way to the processor (401, 403, 404, 405, 407, 421),
    /// not about this payment.
    Misdirected,
    /// Anything may have happened.
    Unknown,
}

/// Why an attempt was definitely not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRecorded {
    /// No byte left: the lease would not have outlived the request's timeout.
    LeaseOver,
    /// No byte left: there was no connection.
    Unreachable,
    /// The processor had no room (429).
    Busy {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It is not the time yet for this payment (423, 425).
    NotYet {
        /// When it wants to be asked for this payment again.
        retry_after: Option<Duration>,
    },
    /// The processor said that it failed, in a way that is configured as definite.
    Failing,
}

impl NotRecorded {
    /// Whether the processor, or something on the way, has answered.
    #[must_use]
    pub const fn was_answered(self) -> bool {
        match self {
            Self::LeaseOver | Self::Unreachable => false,
            Self::Busy { .. } | Self::NotYet { .. } | Self::Failing => true,
        }
    }
}

/// What the processor says when it is asked for a payment by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It has it.
    Recorded {
        /// Its amount in minor units; `None` where it could not be told exactly.
        amount: Option<u64>,
        /// The time under which the processor counts it.
        requested_at: Millis,
    },
    /// It has it, and has not decided yet.
    Pending,
    /// It has it, and has decided for good that it is not paid there.
    Declined,
    /// It does not have it, now.
    Absent,
    /// It answered, and not whether it has it.
    Unclear,
    /// It did not answer, or with a failure of its own.
    Failed,
}

/// A server error that is configured to mean that nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definite {
    /// The status, `500 ..= 599`.
    pub status: u16,
    /// Whether it is definite with an empty body only.
    pub empty_body: bool,
}

/// Judges a whole answer.
#[must_use]
pub fn classify(
    status: u16,
    body_is_empty: bool,
    retry_after: Option<Duration>,
    definite: &[Definite],
) -> AttemptAnswer {
    let is_definite =
        |d: &Definite| d.status == status && (body_is_empty || !d.empty_body) && status >= 500;
    match status {
        200..=299 => AttemptAnswer::Recorded,
        409 | 422 => AttemptAnswer::AlreadyRecorded,
        429 => AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after }),
        423 | 425 => AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after }),
        401 | 403 | 404 | 405 | 407 | 421 => AttemptAnswer::Misdirected,
        408 => AttemptAnswer::Unknown,
        400..=499 => AttemptAnswer::Refused,
        _ if definite.iter().any(is_definite) => AttemptAnswer::NotRecorded(NotRecorded::Failing),
        _ => AttemptAnswer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        let definite = [Definite {
            status: 500,
            empty_body: true,
        }];
        let judge = |status, empty| classify(status, empty, None, &definite);
        let busy = AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after: None });
        let not_yet = AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after: None });
        for (status, empty, expected) in [
            (200, true, AttemptAnswer::Recorded),
            (201, false, AttemptAnswer::Recorded),
            (204, true, AttemptAnswer::Recorded),
            (409, true, AttemptAnswer::AlreadyRecorded),
            (422, false, AttemptAnswer::AlreadyRecorded),
            (423, true, not_yet),
            (425, true, not_yet),
            (429, true, busy),
            (400, false, AttemptAnswer::Refused),
            (402, false, AttemptAnswer::Refused),
            (410, true, AttemptAnswer::Refused),
            (401, false, AttemptAnswer::Misdirected),
            (403, false, AttemptAnswer::Misdirected),
            (404, true, AttemptAnswer::Misdirected),
            (405, true, AttemptAnswer::Misdirected),
            (407, true, AttemptAnswer::Misdirected),
            (421, true, AttemptAnswer::Misdirected),
            (408, true, AttemptAnswer::Unknown),
            (500, true, AttemptAnswer::NotRecorded(NotRecorded::Failing)),
            (500, false, AttemptAnswer::Unknown),
            (502, true, AttemptAnswer::Unknown),
            (503, false, AttemptAnswer::Unknown),
            (302, true, AttemptAnswer::Unknown),
            (100, true, AttemptAnswer::Unknown),
        ] {
            assert_eq!(judge(status, empty), expected, "{status} {empty}");
        }
        assert_eq!(classify(500, true, None, &[]), AttemptAnswer::Unknown);
    }
}
