//! What a file's lines must and must not hold: its opening, leftovers, switched-off checks, white
//! space, its length.

use super::{Finding, tree::Tree};

/// The longest source file, by the end of its name.
const LINES_MAX: &[(&str, usize)] = &[(".rs", 700), (".lua", 400), (".sql", 400)];

/// The ends of the names of the files with our own prose and code.
const OWN_TEXTS: &[&str] = &[
    ".rs", ".md", ".toml", ".sh", ".sql", ".lua", ".proto", ".ci/run",
];

/// Calls that must not stay. They are put together here so that this table does not find itself.
const CALLS: &[&str] = &[
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// Words that must not stay.
const WORDS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];

/// Attributes that switch a check off, with what to do instead.
const ATTRIBUTES: &[(&str, &str)] = &[
    (
        concat!("#[al", "low("),
        "use `#[expect(…, reason = \"…\")]`",
    ),
    (
        concat!("#![al", "low("),
        "use `#![expect(…, reason = \"…\")]`",
    ),
    (
        concat!("#[ig", "nore"),
        "a test runs or goes; long ones read LASTRO_LONG",
    ),
];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.ending(OWN_TEXTS) {
        white_space(path, text, findings);
        leftovers(path, text, findings);
        length(path, text, findings);
        if path.ends_with(".rs") {
            opening(path, text, findings);
            attributes(path, text, findings);
        }
    }
}

fn opening(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if !text.starts_with("//!") && !text.starts_with("#![") {
        findings.push(Finding::new(
            path,
            1,
            "does not open with `//!`: say what the file is for",
        ));
    }
}

fn length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let count = text.lines().count();
    for (end, lines_max) in LINES_MAX {
        if path.ends_with(end) && count > *lines_max {
            let message = format!("{count} lines, more than {lines_max}: split it by subject");
            findings.push(Finding::new(path, 0, message));
        }
    }
}

fn white_space(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.split('\n').enumerate() {
        if line.ends_with(char::is_whitespace) {
            findings.push(Finding::new(
                path,
                index + 1,
                "white space at the end of the line",
            ));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(
            path,
            text.lines().count(),
            "no newline at the end of the file",
        ));
    }
}

fn leftovers(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        let calls = CALLS
            .iter()
            .filter(|call| path.ends_with(".rs") && line.contains(**call));
        let words = WORDS.iter().filter(|word| has_word(line, word));
        for leftover in calls.chain(words) {
            findings.push(Finding::new(
                path,
                index + 1,
                format!("leftover `{leftover}`"),
            ));
        }
    }
}

/// Whether the word stands alone, not inside of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    })
}

fn attributes(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (attribute, instead) in ATTRIBUTES {
            if line.contains(attribute) {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("`{attribute}`: {instead}"),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    /// Puts the words together that this file must not hold.
    fn text(parts: &[&str]) -> String {
        parts.concat()
    }

    #[track_caller]
    fn assert_found(path: &str, text: &str, expected: &[&str]) {
        let found = findings(check, &[(path, text)]);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn good_files_pass() {
        assert_found("a.rs", "//! About.\n\nfn f() {}\n", &[]);
        assert_found("a.rs", "#![no_std]\n", &[]);
        assert_found("a.md", "# Title\n", &[]);
        assert_found("image.svg", "anything  ", &[]);
    }

    #[test]
    fn an_opening_is_asked_of_rust_only() {
        assert_found("a.rs", "fn f() {}\n", &["a.rs:1: does not open"]);
        assert_found("a.rs", "", &["a.rs:1: does not open"]);
        assert_found("a.sh", "#!/bin/sh\n", &[]);
    }

    #[test]
    fn leftovers_are_found() {
        for call in ["dbg", "todo", "unimplemented"] {
            let source = text(&["//! A.\nfn f() { ", call, "!(); }\n"]);
            assert_found("a.rs", &source, &["a.rs:2: leftover"]);
        }
        for word in [["FIX", "ME"], ["XX", "X"]] {
            let word = word.concat();
            assert_found(
                "a.rs",
                &format!("//! A.\n// {word}: later\n"),
                &["a.rs:2: leftover"],
            );
            assert_found("a.md", &format!("{word} later\n"), &["a.md:1: leftover"]);
            assert_found("a.sh", &format!("mktemp a.X{word}X\n"), &[]);
        }
    }

    #[test]
    fn switched_off_checks_are_found_but_not_in_prose() {
        let allow = text(&["#[al", "low(dead_code)]"]);
        assert_found("a.rs", &format!("//! A.\n{allow}\n"), &["a.rs:2"]);
        assert_found("a.rs", &format!("//! Never {allow}.\n"), &[]);
        assert_found("a.rs", &text(&["#![al", "low(dead_code)]\n"]), &["a.rs:1"]);
        assert_found("a.rs", &text(&["//! A.\n  #[ig", "nore]\n"]), &["a.rs:2"]);
        assert_found(
            "a.rs",
            &text(&["//! A.\n  #[ig", "nore = \"slow\"]\n"]),
            &["a.rs:2"],
        );
        assert_found(
            "a.rs",
            "//! A.\n#[expect(dead_code, reason = \"r\")]\n",
            &[],
        );
    }

    #[test]
    fn white_space_and_the_final_newline_are_checked() {
        for path in ["a.md", "a.toml", "a.sh", ".ci/run"] {
            assert_found(
                path,
                "a \nb\t\nc\r\n",
                &[":1: white", ":2: white", ":3: white"],
            );
            assert_found(path, "a\nb", &[":2: no newline"]);
            assert_found(path, "", &[]);
        }
    }

    #[test]
    fn a_long_file_is_found() {
        assert_found("a.rs", &"//! A.\n".repeat(700), &[]);
        assert_found("a.rs", &"//! A.\n".repeat(701), &["701 lines"]);
        for path in ["a.lua", "a.sql"] {
            assert_found(path, &"-- A.\n".repeat(400), &[]);
            assert_found(path, &"-- A.\n".repeat(401), &["401 lines, more than 400"]);
        }
        assert_found("a.md", &"A.\n".repeat(1_000), &[]);
    }
}
