//! Who decided something about an account, and why.

use serde::{Deserialize, Serialize};

use crate::text::Note;

/// Who had an account's limit, freeze or closing changed, and why. It is kept with the change, and for good.
///
/// It is no part of what a command is compared by: the same change for another reason is the same change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Who decided; the name of their key, where keys are asked for.
    pub who: Option<Note>,
    /// And why, in their own words.
    pub why: Option<Note>,
}

impl By {
    /// Both, as far as they are known; `None` where neither is.
    #[must_use]
    pub fn new(who: Option<Note>, why: Option<Note>) -> Option<Box<Self>> {
        (who.is_some() || why.is_some()).then(|| Box::new(Self { who, why }))
    }

    /// Its texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.who, &self.why]
            .into_iter()
            .flatten()
            .map(Note::as_str)
    }
}
