//! What a source file says about modules: its children, what it hands on, the paths in its code.

use std::collections::{BTreeMap, BTreeSet};

use super::paths;

/// What one file says, without its tests.
pub(super) struct Source {
    /// `mod name;`, but not those for tests.
    pub children: Vec<String>,
    /// The names that a `use` brings here, with the path they come from.
    pub handed_on: BTreeMap<String, Vec<String>>,
    /// Every path that may lead to a file of this crate.
    pub paths: BTreeSet<Vec<String>>,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        let code = without_tests(text);
        let mut source = Self {
            children: Vec::new(),
            handed_on: BTreeMap::new(),
            paths: BTreeSet::new(),
        };
        let mut rest = String::new();
        // A `use` whose end was not yet seen, and whether it is public.
        let mut statement: Option<(String, bool)> = None;
        for line in code.lines() {
            let trimmed = line.trim();
            let is_public = trimmed.starts_with("pub");
            if let Some((open, _)) = &mut statement {
                open.push(' ');
                open.push_str(trimmed);
            } else if let Some(after) = after_visibility(trimmed).strip_prefix("use ") {
                statement = Some((after.to_owned(), is_public));
            } else if let Some(name) = after_visibility(trimmed)
                .strip_prefix("mod ")
                .and_then(|name| name.strip_suffix(';'))
            {
                source.children.push(name.to_owned());
            } else {
                rest.push_str(line);
                rest.push('\n');
            }
            if let Some((whole, is_public)) = statement.take_if(|(open, _)| open.ends_with(';')) {
                source.brought(whole.trim_end_matches(';'), is_public);
            }
        }
        source.paths.extend(paths::in_code(&rest));
        source
    }

    /// Notes what a `use` brings; a public one only hands names on.
    fn brought(&mut self, tree: &str, is_public: bool) {
        for (path, name) in paths::of_use(tree) {
            self.handed_on.insert(name, path.clone());
            if !is_public {
                self.paths.insert(path);
            }
        }
    }
}

fn after_visibility(code: &str) -> &str {
    match code.strip_prefix("pub") {
        Some(rest) => match rest.strip_prefix('(') {
            Some(rest) => rest
                .split_once(')')
                .map_or(code, |(_, after)| after.trim_start()),
            None => rest.trim_start(),
        },
        None => code,
    }
}

/// The code without comments, texts, and the items under `#[cfg(test)]`.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    // The indentation of the item that is being left out.
    let mut left_out: Option<usize> = None;
    let mut next_is_for_tests = false;
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some(around) = left_out {
            if indent == around && (code.starts_with('}') || code.starts_with(')')) {
                left_out = None;
            }
            continue;
        }
        if code.starts_with("//") {
            continue;
        }
        if code.starts_with("#[cfg(") && code.contains("test") {
            next_is_for_tests = true;
            continue;
        }
        if next_is_for_tests {
            if code.starts_with("#[") {
                continue;
            }
            next_is_for_tests = false;
            let is_whole = code.ends_with(';') || code.ends_with('}') || code.ends_with(',');
            if !is_whole {
                left_out = Some(indent);
            }
            continue;
        }
        kept.push_str(without_texts(line).as_str());
        kept.push('\n');
    }
    kept
}

/// The line without what stands between quotes and after `//`.
fn without_texts(line: &str) -> String {
    let mut kept = String::new();
    let mut quoted = false;
    let mut escaped = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted && !escaped => escaped = true,
            '"' if !escaped => quoted = !quoted,
            '/' if !quoted && letters.peek() == Some(&'/') => break,
            _ if quoted => escaped = false,
            letter => kept.push(letter),
        }
    }
    kept
}
