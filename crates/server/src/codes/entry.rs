//! A code and what is said of it.

/// Whether anything may have been done for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Certainly nothing.
    Nothing,
    /// Nothing by this request; an earlier one with this id was answered.
    Before,
    /// The request may have been applied.
    Unknown,
}

impl Effect {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Nothing => "nothing was done",
            Self::Before => {
                "nothing was done by this request; the first one with this id keeps its outcome"
            }
            Self::Unknown => "unknown: the request may have been applied",
        }
    }
}

/// A code, as it is explained.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    /// The usual status first.
    pub(crate) statuses: &'static [u16],
    pub(crate) meaning: &'static str,
    pub(crate) effect: Effect,
    pub(crate) advice: &'static str,
}

impl Entry {
    /// The statuses, separated by commas.
    pub(crate) fn statuses_text(&self) -> String {
        let statuses: Vec<_> = self.statuses.iter().map(u16::to_string).collect();
        statuses.join(", ")
    }
}

/// Codes that have to do with the same.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) entries: &'static [Entry],
}

pub(super) const fn nothing(
    code: &'static str,
    statuses: &'static [u16],
    meaning: &'static str,
    advice: &'static str,
) -> Entry {
    Entry {
        code,
        statuses,
        meaning,
        effect: Effect::Nothing,
        advice,
    }
}

pub(super) const fn unknown(
    code: &'static str,
    statuses: &'static [u16],
    meaning: &'static str,
    advice: &'static str,
) -> Entry {
    Entry {
        code,
        statuses,
        meaning,
        effect: Effect::Unknown,
        advice,
    }
}

pub(super) const fn other_content(code: &'static str, meaning: &'static str) -> Entry {
    Entry {
        code,
        statuses: &[409],
        meaning,
        effect: Effect::Before,
        advice: "If this is a repetition, send what was sent the first time. If it is another command, give it an id of \
                 its own.",
    }
}
