//! Turns of phrase that a reader whose first language is not English stumbles over, with what to
//! write instead. They are looked for in every text of our own, without regard to capitals.

use super::{Finding, tree::Tree};

/// The ends of the names of the files with prose or messages.
const TEXTS: &[&str] = &[".rs", ".md", ".toml", ".sh", ".sql", ".lua", ".proto"];

/// This file has to name them.
const SELF: &str = "xtask/src/tidy/phrases.rs";

/// A phrase, the words after which it is plain English, and what to write instead.
struct Phrase {
    words: &'static str,
    fine_after: &'static [&'static str],
    instead: &'static str,
}

const PHRASES: &[Phrase] = &[
    Phrase {
        words: "at the most",
        fine_after: &[],
        instead: "at most",
    },
    Phrase {
        words: "whoever",
        fine_after: &[],
        instead: "say who: the caller, the node, the operator",
    },
    Phrase {
        words: "is none",
        fine_after: &["there "],
        instead: "say what it is not: is not valid, is unknown, cannot be read",
    },
    Phrase {
        words: "ever so",
        fine_after: &[],
        instead: "however",
    },
    Phrase {
        words: "be there ever",
        fine_after: &[],
        instead: "however much there is",
    },
    Phrase {
        words: "if need be",
        fine_after: &[],
        instead: "where necessary",
    },
];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.ending(TEXTS) {
        if path == SELF {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for phrase in PHRASES.iter().filter(|phrase| phrase.is_in(&line)) {
                let message = format!("`{}`: {}", phrase.words, phrase.instead);
                findings.push(Finding::new(path, index + 1, message));
            }
        }
    }
}

impl Phrase {
    fn is_in(&self, line: &str) -> bool {
        line.match_indices(self.words).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + self.words.len()..]);
            let is_whole = !before.ends_with(char::is_alphanumeric)
                && !after.starts_with(char::is_alphanumeric);
            is_whole && !self.fine_after.iter().any(|fine| before.ends_with(fine))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    #[track_caller]
    fn assert_found(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(findings(check, &[(path, text)]), expected);
    }

    #[test]
    fn phrases_are_found_with_what_to_write_instead() {
        assert_found(
            "docs/a.md",
            "Well.\nAt the most two.\n",
            &["docs/a.md:2: `at the most`: at most"],
        );
        assert_found(
            "crates/a/src/lib.rs",
            "//! Whoever asks.\n",
            &["crates/a/src/lib.rs:1: `whoever`: say who: the caller, the node, the operator"],
        );
        assert_found(
            "a.lua",
            "-- this is none\n",
            &["a.lua:1: `is none`: say what it is not: is not valid, is unknown, cannot be read"],
        );
    }

    #[test]
    fn plain_english_passes() {
        assert_found(
            "a.md",
            "`None` where there is none; at most so many.\n",
            &[],
        );
        assert_found("a.md", "This is nonetheless never sorted.\n", &[]);
        assert_found("a.svg", "whoever\n", &[]);
    }
}
