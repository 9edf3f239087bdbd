//! The page of faults and the tests that prove it: every row of [`PAGE`] has one entry in [`PROOFS`],
//! every entry names one row, and every test that an entry names exists.
//!
//! An entry is a list item with the first words of its row. The list below it has tests in backquotes,
//! as `crate::path::name`, or `no test:` with what no test shows, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

/// What happens when something fails, in tables.
const PAGE: &str = "docs/faults.md";
/// The tests behind each row of it.
const PROOFS: &str = "docs/faults-tests.md";
/// What an item begins with that names no test.
const WITHOUT: &str = "no test: ";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(page) = tree.text(PAGE) else {
        return;
    };
    let Some(proofs) = tree.text(PROOFS) else {
        findings.push(Finding::new(PROOFS, 0, format!("is missing beside {PAGE}")));
        return;
    };
    let rows = rows(page);
    let entries = entries(proofs, findings);
    let entry_by_row = pair(&rows, &entries, findings);
    for (index, row) in rows.iter().enumerate() {
        if !entry_by_row.contains_key(&index) {
            let message = format!("no entry in {PROOFS} names the tests that prove this row");
            findings.push(Finding::new(PAGE, row.line, message));
        }
    }
    let tests = tests(tree);
    for proof in entries.iter().flat_map(|entry| &entry.tests) {
        if !tests.contains(proof.text) {
            let message = format!("there is no test `{}`", proof.text);
            findings.push(Finding::new(PROOFS, proof.line, message));
        }
    }
}

/// A part of a page, with its line, counted from 1.
struct Located<'a> {
    line: usize,
    text: &'a str,
}

/// The first cell of each row of the page's tables.
fn rows(page: &str) -> Vec<Located<'_>> {
    let lines: Vec<&str> = page.lines().collect();
    let is_rule = |line: &&str| line.starts_with("|---");
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_head = lines.get(index + 1).is_some_and(is_rule);
        if let Some(cells) = line.strip_prefix("| ").filter(|_| !is_head) {
            let text = cells.split(" | ").next().unwrap_or(cells);
            let line = index + 1;
            rows.push(Located { line, text });
        }
    }
    rows
}

/// What proves one row.
struct Entry<'a> {
    begins: Located<'a>,
    tests: Vec<Located<'a>>,
}

/// The entries of the page of proofs. Finds items of another form below an entry, and entries with nothing
/// below them.
fn entries<'a>(proofs: &'a str, findings: &mut Vec<Finding>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut empty = BTreeSet::new();
    for (index, text) in proofs.lines().enumerate() {
        let line = index + 1;
        if let Some(text) = text.strip_prefix("- ") {
            let begins = Located { line, text };
            empty.insert(line);
            entries.push(Entry {
                begins,
                tests: Vec::new(),
            });
        } else if let (Some(item), Some(entry)) = (text.strip_prefix("  - "), entries.last_mut()) {
            empty.remove(&entry.begins.line);
            let quoted = item
                .strip_prefix('`')
                .and_then(|name| name.strip_suffix('`'));
            if let Some(text) = quoted {
                entry.tests.push(Located { line, text });
            } else if item.strip_prefix(WITHOUT).is_none_or(str::is_empty) {
                let message = "is neither a test in backquotes nor `no test:` with the reason";
                findings.push(Finding::new(PROOFS, line, message));
            }
        }
    }
    for line in empty {
        findings.push(Finding::new(
            PROOFS,
            line,
            "nothing below it proves the row",
        ));
    }
    entries
}

/// The entry of each row, by the row's index. Finds entries that name no row, several rows, or a row that
/// has an entry already.
fn pair<'a, 'b>(
    rows: &[Located<'_>],
    entries: &'b [Entry<'a>],
    findings: &mut Vec<Finding>,
) -> BTreeMap<usize, &'b Entry<'a>> {
    let mut entry_by_row = BTreeMap::new();
    for entry in entries {
        let begins = |row: &Located<'_>| row.text.starts_with(entry.begins.text);
        let begun: Vec<usize> = (0..rows.len()).filter(|row| begins(&rows[*row])).collect();
        let message = match begun[..] {
            [row] => match entry_by_row.insert(row, entry) {
                None => continue,
                Some(other) => format!("line {} names the same row", other.begins.line),
            },
            [] => format!("no row of {PAGE} begins with these words"),
            _ => format!("{} rows of {PAGE} begin with these words", begun.len()),
        };
        findings.push(Finding::new(PROOFS, entry.begins.line, message));
    }
    entry_by_row
}

/// Every test of the workspace as `crate::path::name`: the folder of the crate, and then the name by which
/// `cargo test` knows it.
fn tests(tree: &Tree) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let Some(module) = module(path) else {
            continue;
        };
        // Set if the next function is a test: whether it is in the inline module `tests`.
        let mut attribute: Option<bool> = None;
        for line in text.lines() {
            let code = line.trim_start();
            if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
                attribute = Some(code.len() < line.len());
            } else if let Some(name) = function(code)
                && let Some(is_inline) = attribute.take()
            {
                let inline = if is_inline { "tests::" } else { "" };
                tests.insert(format!("{module}{inline}{name}"));
            }
        }
    }
    tests
}

/// The module of a source file with its crate before it and `::` at the end; `None` for a file outside of
/// `src` and `tests`.
fn module(path: &str) -> Option<String> {
    let (name, inside) = match path.strip_prefix("crates/") {
        Some(rest) => rest.split_once('/')?,
        None => ("xtask", path.strip_prefix("xtask/")?),
    };
    let file = match inside.strip_prefix("src/") {
        Some(file) => file,
        // Its first folder is the binary's.
        None => inside.strip_prefix("tests/")?.split_once('/')?.1,
    };
    let mut module = format!("{name}::");
    for part in file.strip_suffix(".rs")?.split('/') {
        if !["mod", "lib", "main"].contains(&part) {
            module.push_str(part);
            module.push_str("::");
        }
    }
    Some(module)
}

/// The name of the function that a line of code begins.
fn function(code: &str) -> Option<&str> {
    let code = code.strip_prefix("async ").unwrap_or(code);
    let (name, _) = code.strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    const PAGE: &str = "# When something fails\n\n\
        | what happens | what is kept |\n|---|---|\n\
        | the disk is full | everything |\n\
        | the disk fails; or a sync | what was answered |\n\n\
        With a database:\n\n\
        | what happens | what is kept |\n|---|---|\n\
        | the database is away | everything |\n";
    const SOURCES: [(&str, &str); 3] = [
        (
            "crates/a/tests/it/faults.rs",
            "//! Faults.\n\n#[test]\nfn a_full_disk() {}\n\nfn helper() {}\n",
        ),
        (
            "crates/a-b/src/store/mod.rs",
            "//! Stores.\n\n#[cfg(test)]\nmod tests {\n    #[tokio::test(flavor = \"x\")]\n    \
             #[expect(clippy::x, reason = \"y\")]\n    async fn a_failed_sync() {}\n}\n",
        ),
        (
            "xtask/src/stack/tests.rs",
            "//! Tests.\n\n#[test]\nfn a_database_that_is_away() {}\n",
        ),
    ];
    const PROOFS: &str = "# Proofs\n\n\
        - the disk is full\n  - `a::faults::a_full_disk`\n\
        - the disk fails\n  - `a-b::store::tests::a_failed_sync`\n  - no test: a power cut, which\n    \
        needs a machine\n\n\
        ## Database\n\n\
        - the database\n  - `xtask::stack::tests::a_database_that_is_away`\n";

    fn found(page: &str, proofs: &str) -> Vec<String> {
        let pages = [("docs/faults.md", page), ("docs/faults-tests.md", proofs)];
        findings(check, &[&pages[..], &SOURCES].concat())
    }

    #[test]
    fn a_page_whose_rows_are_proved_passes() {
        assert_eq!(found(PAGE, PROOFS), Vec::<String>::new());
        let without = PROOFS.replace("`a::faults::a_full_disk`", "no test: by hand, once");
        assert_eq!(found(PAGE, &without), Vec::<String>::new());
        assert!(
            findings(check, &SOURCES).is_empty(),
            "there is no such page"
        );
    }

    #[test]
    fn a_row_without_an_entry_is_found() {
        let more = format!("{PAGE}| the moon falls down | nothing |\n");
        let expected = "docs/faults.md:13: no entry in docs/faults-tests.md names the tests that prove \
                        this row";
        assert_eq!(found(&more, PROOFS), [expected]);
        let alone = findings(check, &[("docs/faults.md", PAGE)]);
        assert_eq!(
            alone,
            ["docs/faults-tests.md: is missing beside docs/faults.md"]
        );
    }

    #[test]
    fn an_entry_that_names_not_exactly_one_row_of_its_own_is_found() {
        let with = |entry: &str| {
            let proofs = format!("{PROOFS}- {entry}\n  - `a::faults::a_full_disk`\n");
            found(PAGE, &proofs)
        };
        for (entry, expected) in [
            (
                "the moon",
                "no row of docs/faults.md begins with these words",
            ),
            (
                "the disk",
                "2 rows of docs/faults.md begin with these words",
            ),
            ("the disk is", "line 3 names the same row"),
            (
                "what happens",
                "no row of docs/faults.md begins with these words",
            ),
        ] {
            let expected = format!("docs/faults-tests.md:14: {expected}");
            assert_eq!(with(entry), [expected], "{entry}");
        }
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        for other in [
            // Another crate, another file, another module, no test, nothing.
            "a-b::faults::a_full_disk",
            "a::a_full_disk",
            "a::faults::tests::a_full_disk",
            "a::faults::helper",
            "a_full_disk",
        ] {
            let proofs = PROOFS.replace("a::faults::a_full_disk", other);
            let expected = format!("docs/faults-tests.md:4: there is no test `{other}`");
            assert_eq!(found(PAGE, &proofs), [expected]);
        }
    }

    #[test]
    fn an_entry_that_proves_nothing_is_found() {
        let proofs = PROOFS.replace("  - `a::faults::a_full_disk`\n", "");
        let expected = "docs/faults-tests.md:3: nothing below it proves the row";
        assert_eq!(found(PAGE, &proofs), [expected]);
        for item in ["a::faults::a_full_disk", "no test: ", "by hand"] {
            let proofs = PROOFS.replace("`a::faults::a_full_disk`", item);
            let expected = "docs/faults-tests.md:4: is neither a test in backquotes nor `no test:` with \
                            the reason";
            assert_eq!(found(PAGE, &proofs), [expected], "{item}");
        }
    }
}
