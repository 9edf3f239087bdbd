//! The form of descriptions.

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
        }
        for bad in ["", "a\nb", "\u{0}", "\u{85}", &"a".repeat(141)] {
            assert!(!is_description(bad), "{bad:?}");
        }
    }
}
