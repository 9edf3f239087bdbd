//! What follows from a command alone, by the rules themselves.

use ledger::{Command, Refusal, check_content, check_form};

/// What follows from a command alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The library decides.
    WellFormed,
    /// An earlier version may have recorded it, this one does not: only the library knows whether
    /// its id was used.
    RepetitionOnly,
    /// It is refused whatever the ledger holds.
    Malformed(Refusal),
}

impl Form {
    pub(crate) fn of(command: &Command) -> Self {
        match (check_form(command), check_content(command)) {
            (Err(refusal), _) => Self::Malformed(refusal),
            (Ok(()), Err(_)) => Self::RepetitionOnly,
            (Ok(()), Ok(())) => Self::WellFormed,
        }
    }
}
