//! The form of descriptions, and of what operators say.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The longest description, in Unicode scalar values.
pub const DESCRIPTION_LENGTH_MAX: usize = 140;

/// Whether the text may describe a transfer: 1–140 Unicode scalar values, no control characters.
#[must_use]
pub fn is_description(text: &str) -> bool {
    let mut length = 0;
    for character in text.chars() {
        length += 1;
        if length > DESCRIPTION_LENGTH_MAX || character.is_control() {
            return false;
        }
    }
    length > 0
}

/// What an operator says: a text of the form of a description.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Note(CompactString);

/// Why a text is no [`Note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNote;

impl fmt::Display for InvalidNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a note has 1 to 140 characters, none of them a control character")
    }
}

impl std::error::Error for InvalidNote {}

impl Note {
    /// Checks the form and makes the note.
    pub fn new(text: &str) -> Result<Self, InvalidNote> {
        Self::try_from(CompactString::new(text))
    }

    /// The note as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<CompactString> for Note {
    type Error = InvalidNote;

    fn try_from(text: CompactString) -> Result<Self, InvalidNote> {
        if is_description(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidNote)
        }
    }
}

impl From<Note> for CompactString {
    fn from(note: Note) -> Self {
        note.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_counted_in_scalar_values() {
        for good in [
            "a",
            "é",
            "💸",
            &"💸".repeat(140),
            "'; DROP TABLE accounts; --",
        ] {
            assert!(is_description(good), "{good}");
            assert_eq!(Note::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "\u{0}", "\u{85}", &"a".repeat(141)] {
            assert!(!is_description(bad), "{bad:?}");
            assert_eq!(Note::new(bad), Err(InvalidNote));
            let bytes = postcard::to_allocvec(bad).unwrap();
            assert!(postcard::from_bytes::<Note>(&bytes).is_err(), "{bad:?}");
        }
    }
}
