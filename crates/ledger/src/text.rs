//! The form of descriptions, and of what operators say.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The longest description, in Unicode scalar values.
pub const DESCRIPTION_LENGTH_MAX: usize = 140;

/// Whether the text may describe a transfer: 1–140 Unicode scalar values, something visible among
/// them, and none that controls, turns or breaks the line or is no character.
#[must_use]
pub fn is_description(text: &str) -> bool {
    if is_printable_ascii(text) {
        return text.bytes().any(|byte| byte != b' ');
    }
    is_kept_description(text) && text.chars().all(is_harmless) && text.chars().any(is_visible)
}

/// Whether a description that is kept may have this form: the one that sufficed for the first
/// ones.
#[must_use]
pub fn is_kept_description(text: &str) -> bool {
    if is_printable_ascii(text) {
        return true;
    }
    let mut length = 0;
    for character in text.chars() {
        length += 1;
        if length > DESCRIPTION_LENGTH_MAX || character.is_control() {
            return false;
        }
    }
    length > 0
}

/// Whether the text is as most are: of a length that is allowed, and letters, digits, punctuation and
/// blanks of ASCII alone. Every transfer is asked twice, and this costs a fraction of reading characters.
fn is_printable_ascii(text: &str) -> bool {
    (1..=DESCRIPTION_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Neither bidirectional control, nor line separator, nor non-character.
const fn is_harmless(character: char) -> bool {
    let is_bidirectional_control = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let is_separator = matches!(character, '\u{2028}' | '\u{2029}');
    let is_no_character =
        character as u32 & 0xfffe == 0xfffe || matches!(character, '\u{fdd0}'..='\u{fdef}');
    !(is_bidirectional_control || is_separator || is_no_character)
}

/// The character as it may be shown wherever it comes from.
pub(crate) fn harmless_char(character: char) -> char {
    if character.is_control() || !is_harmless(character) {
        '\u{fffd}'
    } else {
        character
    }
}

/// Neither blank nor without a shape of its own.
fn is_visible(character: char) -> bool {
    let has_no_shape = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !has_no_shape && !character.is_whitespace()
}

/// What an operator says: a text of the form of a description. One that is kept may have the form
/// of kept ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Note(CompactString);

/// Why a text is no [`Note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNote;

impl fmt::Display for InvalidNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a note has 1 to 140 characters, something visible among them and no control characters",
        )
    }
}

impl std::error::Error for InvalidNote {}

impl Note {
    /// Checks the form and makes the note.
    pub fn new(text: &str) -> Result<Self, InvalidNote> {
        if is_description(text) {
            Ok(Self(CompactString::new(text)))
        } else {
            Err(InvalidNote)
        }
    }

    /// A note that is kept, from where no serialization has it.
    pub fn kept(text: &str) -> Result<Self, InvalidNote> {
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
        if is_kept_description(&text) {
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

    /// The quick way and the way by characters agree on every text of ASCII that is short, and at the
    /// bounds of the length.
    #[test]
    fn texts_of_ascii_are_judged_as_others_are() {
        let by_characters = |text: &str| {
            let length = text.chars().count();
            let is_kept = (1..=DESCRIPTION_LENGTH_MAX).contains(&length)
                && !text.chars().any(char::is_control);
            let is_new = is_kept && text.chars().all(is_harmless) && text.chars().any(is_visible);
            (is_kept, is_new)
        };
        let mut texts: Vec<String> = vec![String::new()];
        for first in '\0'..='\u{7f}' {
            texts.push(first.to_string());
            texts.extend(('\0'..='\u{7f}').map(|second| format!("{first}{second}")));
        }
        for length in [139, 140, 141] {
            texts.extend([" ", "a", "~"].map(|letter| letter.repeat(length)));
        }
        for text in &texts {
            let judged = (is_kept_description(text), is_description(text));
            assert_eq!(judged, by_characters(text), "{text:?}");
        }
    }

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

    #[test]
    fn new_texts_neither_turn_nor_hide_what_stands_around_them() {
        for good in [
            "a b",
            " a ",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "👩\u{200d}🚀",
            "é",
            "e\u{301}",
            "❤\u{fe0f}",
        ] {
            assert!(is_description(good), "{good}");
        }
        for bad in [
            "pay \u{202e}001",
            "\u{200e}a",
            "a\u{2066}b\u{2069}",
            "a\u{61c}",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{fffe}",
            "a\u{ffff}",
            "a\u{1fffe}",
            "a\u{10ffff}",
            "a\u{fdd0}",
            " ",
            "\u{a0}\u{3000}",
            "\u{200b}\u{feff}",
            "\u{2800}",
        ] {
            assert!(!is_description(bad), "{bad:?}");
            assert_eq!(Note::new(bad), Err(InvalidNote));
            // What was kept before goes on to be read.
            assert!(is_kept_description(bad), "{bad:?}");
            let bytes = postcard::to_allocvec(bad).unwrap();
            let kept = postcard::from_bytes::<Note>(&bytes).unwrap();
            assert_eq!(kept.as_str(), bad);
        }
    }
}
