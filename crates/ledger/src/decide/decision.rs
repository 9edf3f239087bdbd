//! What was decided, and the checks that every rule shares.

use crate::by::By;
use crate::command::{Command, Field};
use crate::event::Event;
use crate::money::AMOUNT_MAX;
use crate::outcome::{Outcome, Record, Refusal};
use crate::text::{is_description, is_kept_description};
use crate::time::Timestamp;

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new fact: a record, or a refusal that is remembered under the command's id.
    Event(Event),
    /// The first outcome under this id again.
    Exists(Outcome),
    /// Refused without a trace: the command is malformed, its id was used with other content, or
    /// it has no id to be remembered under.
    Refused(Refusal),
}

impl Decision {
    /// The same; a change of an account that was decided is by these.
    pub(super) fn by(self, by: Option<Box<By>>) -> Self {
        match (self, by) {
            (Self::Event(event), Some(by)) => match event.decided_by(*by) {
                Some(event) => Self::Event(event),
                None => unreachable!("only changes of accounts are decided with who and why"),
            },
            (decision, _) => decision,
        }
    }
}

/// A refusal upon the state: remembered under the command's id.
pub(super) const fn remember(command: Command, refusal: Refusal, timestamp: Timestamp) -> Decision {
    Decision::Event(Event::Refused {
        command,
        refusal,
        timestamp,
    })
}

/// The first outcome, if the command is the one it was decided from.
pub(super) fn replay(
    first_command: Option<Command>,
    command: &Command,
    first: Result<Record, Refusal>,
) -> Decision {
    let difference = match first_command {
        Some(first_command) => first_command.first_difference(command),
        None => Some(Field::Kind),
    };
    match difference {
        None => Decision::Exists(Outcome::exists(first)),
        Some(field) => Decision::Refused(Refusal::ExistsWithDifferent(field)),
    }
}

pub(super) fn check_amount(amount: u64) -> Result<(), Refusal> {
    if (1..=AMOUNT_MAX).contains(&amount) {
        Ok(())
    } else {
        Err(Refusal::AmountOutOfRange { amount })
    }
}

/// Of a text that may have been recorded before.
pub(super) fn check_kept_description(description: &str) -> Result<(), Refusal> {
    if is_kept_description(description) {
        Ok(())
    } else {
        Err(Refusal::DescriptionInvalid)
    }
}

/// Of a text that is to be recorded.
pub(super) fn check_description(description: &str) -> Result<(), Refusal> {
    if is_description(description) {
        Ok(())
    } else {
        Err(Refusal::DescriptionInvalid)
    }
}
