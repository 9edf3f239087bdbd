//! What a processor in trouble does to its callers. None of it is part of the challenge's API.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stdx::whole_millis;

/// Faults to order. They befall payments that are not recorded yet and that would be recorded now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// What the caller is told although the payment is recorded.
    pub answer: FaultyAnswer,
    /// The payment is recorded only so long after the caller was told.
    pub record_after_ms: u64,
    /// 429 for an id that was sent before, recorded or not.
    pub refuse_repeats: bool,
    /// Befalls one payment in so many: 1 is each.
    pub every_nth: u64,
}

/// What the caller is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FaultyAnswer {
    /// The right answer.
    #[default]
    Right,
    /// Nothing: the connection is closed.
    Drop,
    /// Nothing, and the connection stays open.
    Never,
    /// Another status.
    Status {
        /// The status code.
        status: u16,
        /// The body; the challenge's own failures have none.
        #[serde(default)]
        body: String,
    },
}

impl Default for Faults {
    /// None.
    fn default() -> Self {
        Self {
            answer: FaultyAnswer::Right,
            record_after_ms: 0,
            refuse_repeats: false,
            every_nth: 1,
        }
    }
}

/// What befalls one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) answer: FaultyAnswer,
    pub(crate) record_after: Duration,
}

impl Faults {
    /// Records each payment and closes the connection without an answer.
    #[must_use]
    pub fn drop_after_recording() -> Self {
        Self {
            answer: FaultyAnswer::Drop,
            ..Self::default()
        }
    }

    /// Records each payment and answers 500, with a body.
    #[must_use]
    pub fn fail_after_recording() -> Self {
        Self {
            answer: FaultyAnswer::Status {
                status: 500,
                body: "failed after recording".to_owned(),
            },
            ..Self::default()
        }
    }

    /// Answers nothing, records each payment so much later, and refuses its repeats with 429.
    #[must_use]
    pub fn record_late(after: Duration) -> Self {
        Self {
            answer: FaultyAnswer::Never,
            record_after_ms: whole_millis(after),
            refuse_repeats: true,
            every_nth: 1,
        }
    }

    /// What befalls the payment with this number.
    pub(crate) fn for_payment(&self, number: u64) -> Option<Fault> {
        let is_any = self.answer != FaultyAnswer::Right || self.record_after_ms > 0;
        (is_any && number.is_multiple_of(self.every_nth.max(1))).then(|| Fault {
            answer: self.answer.clone(),
            record_after: Duration::from_millis(self.record_after_ms),
        })
    }
}
