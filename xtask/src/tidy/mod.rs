//! The house rules that neither rustfmt nor clippy knows, checked over the texts of the repository.
//!
//! Each rule is a function from the [`Tree`] to its findings, in a file of its own with fixtures
//! that prove that it fails when it must. A new rule is one more line in [`RULES`].

mod circles;
mod faults;
mod finding;
mod layers;
mod lines;
mod links;
mod manifests;
mod modules;
mod names;
mod phrases;
mod purity;
pub(crate) mod tree;

use finding::Finding;
use tree::Tree;

/// A rule adds what it finds.
type Rule = fn(&Tree, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    lines::check,
    modules::check,
    manifests::check,
    layers::check,
    layers::check_used,
    links::check,
    purity::check,
    circles::check,
    names::check,
    phrases::check,
    faults::check,
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
