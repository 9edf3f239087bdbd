//! The house rules that neither rustfmt nor clippy knows, checked over the texts of the repository.
//!
//! Each rule is a function from the [`Tree`] to its findings, in a file of its own with fixtures
//! that prove that it fails when it must. A new rule is one more line in [`RULES`].

mod layers;
mod lines;
mod links;
mod manifests;
mod modules;
mod purity;
pub(crate) mod tree;

use std::fmt;

use tree::Tree;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the repository's root.
    path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and, where it is not plain, what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.message),
            line => write!(out, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// A rule adds what it finds.
type Rule = fn(&Tree, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    lines::check,
    modules::check,
    manifests::check,
    layers::check,
    links::check,
    purity::check,
];

/// Everything found by every rule, in the order of the files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(tree, &mut findings);
    }
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one rule says about these files, one line each.
    pub(super) fn findings(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Vec::new();
        rule(&Tree::of(files), &mut findings);
        findings.sort();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_rule_is_asked_and_the_findings_come_in_the_order_of_the_files() {
        let tree = Tree::of(&[
            ("z.md", "[gone](gone.md)\n"),
            ("crates/a/src/lib.rs", "//! A.\n"),
            ("crates/a/src/dead.rs", "pub fn f() {}\n"),
        ]);
        let paths: Vec<_> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(
            paths,
            ["crates/a/src/dead.rs", "crates/a/src/dead.rs", "z.md"]
        );
    }
}
