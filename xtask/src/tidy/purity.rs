//! The invariants that can be told from the words of a source file: what a folder must never name.

use super::{Finding, tree::Tree};

/// A folder, what its files must not name, and why.
const BANS: &[(&str, &[&str], &str)] = &[(
    "crates/ledger/src/",
    &[
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "thread::spawn",
        "Instant::now",
        "SystemTime::now",
        "rand::",
        "tokio::",
    ],
    "`ledger` does no I/O, reads no clock, draws no randomness and starts no thread",
)];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (folder, words, reason) in BANS {
        for (path, text) in tree
            .ending(&[".rs"])
            .filter(|(path, _)| path.starts_with(folder))
        {
            for (index, line) in text.lines().enumerate() {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                for word in words.iter().filter(|word| line.contains(**word)) {
                    findings.push(Finding::new(path, index + 1, format!("`{word}`: {reason}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    #[test]
    fn the_rules_stay_pure() {
        let clock = "//! No `Instant::now` here.\nlet now = Instant::now();\n";
        let found = findings(check, &[("crates/ledger/src/a.rs", clock)]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("crates/ledger/src/a.rs:2: `Instant::now`"),
            "{found:?}"
        );
        assert!(findings(check, &[("crates/journal/src/a.rs", clock)]).is_empty());
        assert!(findings(check, &[("crates/ledger/src/a.rs", "//! Pure.\n")]).is_empty());
    }
}
