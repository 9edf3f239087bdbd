//! Names of public types: a name that many crates give to different things says nothing.

use std::collections::BTreeMap;

use super::{Finding, tree::Tree};

/// How many public types of the workspace may have the same name.
const SAME_NAME_MAX: usize = 2;

const KEYWORDS: [&str; 4] = ["struct ", "enum ", "trait ", "type "];

/// A type's place: its file, and its line counted from 1.
type Place<'a> = (&'a str, usize);

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let mut places: BTreeMap<&str, Vec<Place<'_>>> = BTreeMap::new();
    for (path, text) in tree.ending(&[".rs"]) {
        if !path.contains("/src/") || path.contains("/tests/") || path.ends_with("/tests.rs") {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = public_type(line) {
                places.entry(name).or_default().push((path, index + 1));
            }
        }
    }
    for (name, places) in places {
        if places.len() <= SAME_NAME_MAX {
            continue;
        }
        for (path, line) in &places {
            let message = format!(
                "{} public types are called `{name}`: say what this one is",
                places.len()
            );
            findings.push(Finding::new(path, *line, message));
        }
    }
}

/// The name of the type that this line declares for everybody.
fn public_type(line: &str) -> Option<&str> {
    let declared = line.strip_prefix("pub ")?;
    let name = KEYWORDS
        .iter()
        .find_map(|keyword| declared.strip_prefix(keyword))?;
    let end = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    #[test]
    fn a_name_may_be_used_twice() {
        let files = [
            ("crates/a/src/lib.rs", "pub struct Options {\n"),
            ("crates/b/src/lib.rs", "pub enum Options {\n"),
            ("crates/c/src/lib.rs", "pub(crate) struct Options {\n"),
            ("crates/c/src/tests.rs", "pub struct Options {\n"),
            ("crates/c/tests/it/main.rs", "pub struct Options {\n"),
            ("crates/d/src/lib.rs", "    pub type Options = u8;\n"),
            ("crates/d/src/more.rs", "pub struct OptionsOfMore;\n"),
        ];
        assert_eq!(findings(check, &files), [""; 0]);
    }

    #[test]
    fn a_third_one_is_found_with_the_others() {
        let files = [
            ("crates/a/src/lib.rs", "//! A.\npub struct Options<'a> {\n"),
            ("crates/b/src/lib.rs", "pub trait Options: Send {\n"),
            ("crates/b/src/more.rs", "pub type Options = u8;\n"),
        ];
        let message = "3 public types are called `Options`: say what this one is";
        let expected = [
            format!("crates/a/src/lib.rs:2: {message}"),
            format!("crates/b/src/lib.rs:1: {message}"),
            format!("crates/b/src/more.rs:1: {message}"),
        ];
        assert_eq!(findings(check, &files), expected);
    }
}
