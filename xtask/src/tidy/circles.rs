//! Circles: files of one crate that import each other, directly or through others.
//!
//! A file imports another when a `use` or a path in its code leads to it. A name that is handed on
//! (`pub use`) leads to the file that defines it. What stands under `#[cfg(test)]` is not read, and
//! neither are test files: tests may look at everything.
//!
//! It reads text, not syntax, and relies on rustfmt for where lines begin.

mod paths;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::{self, Tree};
use source::Source;

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for root in roots(tree) {
        let modules = Modules::read(tree, root);
        for circle in modules.circles() {
            let arrows: Vec<String> = circle
                .arrows
                .iter()
                .map(|(from, to, names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    format!("{from} -> {to} ({})", names.join(", "))
                })
                .collect();
            let message = format!(
                "imports itself through {} files: {}",
                circle.files.len(),
                arrows.join("; ")
            );
            findings.push(Finding::new(&circle.files[0], 0, message));
        }
    }
}

/// The libraries and binaries, each the root of a crate.
fn roots(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.ending(&["/src/lib.rs", "/src/main.rs"])
        .map(|(path, _)| path)
}

/// The modules of one crate that are files, by their path from the root (`[]`, `["a", "b"]`).
struct Modules {
    by_name: BTreeMap<Vec<String>, Module>,
}

struct Module {
    file: String,
    source: Source,
}

/// Files that import each other.
struct Circle {
    files: Vec<String>,
    /// From, to, and the names taken.
    arrows: Vec<(String, String, BTreeSet<String>)>,
}

impl Modules {
    fn read(tree: &Tree, root: &str) -> Self {
        let mut modules = Self {
            by_name: BTreeMap::new(),
        };
        modules.add(tree, Vec::new(), root);
        modules
    }

    fn add(&mut self, tree: &Tree, name: Vec<String>, file: &str) {
        let Some(text) = tree.text(file) else {
            return;
        };
        let source = Source::read(text);
        let stem = file
            .rsplit('/')
            .next()
            .map_or("", |last| last.trim_end_matches(".rs"));
        let folder = tree::folder(file);
        let base = match stem {
            "lib" | "main" | "mod" => folder.to_owned(),
            stem => format!("{folder}/{stem}"),
        };
        for child in &source.children {
            let found = [
                format!("{base}/{child}.rs"),
                format!("{base}/{child}/mod.rs"),
            ]
            .into_iter()
            .find(|path| tree.text(path).is_some());
            if let Some(path) = found {
                let mut inner = name.clone();
                inner.push(child.clone());
                self.add(tree, inner, &path);
            }
        }
        let file = file.to_owned();
        self.by_name.insert(name, Module { file, source });
    }

    /// The file that defines what a path names, seen from the module `from`; `None` for a module as
    /// a whole (what is taken from it is named elsewhere), for what is outside of this crate and
    /// for what cannot be followed.
    fn file_of(&self, from: &[String], path: &[String]) -> Option<&str> {
        self.follow(from, path, 8)
    }

    fn follow(&self, from: &[String], path: &[String], steps_left: u32) -> Option<&str> {
        let steps_left = steps_left.checked_sub(1)?;
        let mut module: Vec<String> = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.get(..from.len().checked_sub(1)?)?.to_vec(),
            first => {
                let mut inner = from.to_vec();
                inner.push(first.to_owned());
                if !self.by_name.contains_key(&inner) {
                    let target = self.by_name.get(from)?.source.handed_on.get(first)?;
                    let whole: Vec<String> = target.iter().chain(&path[1..]).cloned().collect();
                    return self.follow(from, &whole, steps_left);
                }
                inner
            }
        };
        let mut is_module = true;
        for (at, segment) in path.iter().enumerate().skip(1) {
            if segment == "super" {
                module.pop()?;
                continue;
            }
            let mut inner = module.clone();
            inner.push(segment.clone());
            if self.by_name.contains_key(&inner) {
                module = inner;
                continue;
            }
            let here = self.by_name.get(&module)?;
            if let Some(target) = here.source.handed_on.get(segment) {
                let mut whole = target.clone();
                whole.extend_from_slice(&path[at + 1..]);
                return self.follow(&module, &whole, steps_left);
            }
            is_module = false;
            break;
        }
        let here = self.by_name.get(&module)?;
        (!is_module).then_some(here.file.as_str())
    }

    /// From, to, and the names that the first takes from the second.
    fn arrows(&self) -> BTreeMap<(&str, &str), BTreeSet<String>> {
        let mut arrows: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for (name, module) in &self.by_name {
            for path in &module.source.paths {
                let Some(file) = self.file_of(name, path) else {
                    continue;
                };
                let taken = path.last().cloned().unwrap_or_default();
                if file != module.file {
                    let arrow = arrows.entry((&module.file, file)).or_default();
                    arrow.insert(taken);
                }
            }
        }
        arrows
    }

    /// The strongly connected sets of more than one file, by the name of their first.
    fn circles(&self) -> Vec<Circle> {
        let arrows = self.arrows();
        let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, _) in arrows.keys() {
            if reached.contains_key(from) {
                continue;
            }
            let mut seen = BTreeSet::new();
            let mut waiting = vec![*from];
            while let Some(file) = waiting.pop() {
                let next = arrows.keys().filter(|(start, _)| *start == file);
                for (_, to) in next {
                    if seen.insert(*to) {
                        waiting.push(to);
                    }
                }
            }
            reached.insert(from, seen);
        }
        let leads = |from: &str, to: &str| reached.get(from).is_some_and(|seen| seen.contains(to));
        let mut circles: Vec<Circle> = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for file in reached.keys() {
            if !leads(file, file) || done.contains(file) {
                continue;
            }
            let files: Vec<&str> = reached
                .keys()
                .copied()
                .filter(|other| leads(file, other) && leads(other, file))
                .collect();
            done.extend(&files);
            let inside = arrows
                .iter()
                .filter(|((from, to), _)| files.contains(from) && files.contains(to));
            circles.push(Circle {
                arrows: inside
                    .map(|((from, to), names)| {
                        ((*from).to_owned(), (*to).to_owned(), names.clone())
                    })
                    .collect(),
                files: files.into_iter().map(str::to_owned).collect(),
            });
        }
        circles
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    /// The files of the circles among these files of one crate, without their folder.
    #[track_caller]
    fn assert_circles(files: &[(&str, &str)], expected: &[&str]) {
        let paths: Vec<String> = files
            .iter()
            .map(|(name, _)| format!("crates/a/src/{name}"))
            .collect();
        let files: Vec<(&str, &str)> = paths
            .iter()
            .zip(files)
            .map(|(path, (_, text))| (path.as_str(), *text))
            .collect();
        let found: Vec<String> = findings(check, &files)
            .iter()
            .map(|line| line.replace("crates/a/src/", ""))
            .collect();
        assert_eq!(found, expected);
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod one;\nmod two;\n");

    #[test]
    fn one_way_is_no_circle_and_both_ways_are() {
        let one = ("one.rs", "use crate::two::Two;\n");
        assert_circles(&[ROOT, one, ("two.rs", "use std::fmt;\n")], &[]);
        assert_circles(
            &[ROOT, one, ("two.rs", "use super::one::{self, One};\n")],
            &[
                "one.rs: imports itself through 2 files: one.rs -> two.rs (Two); two.rs -> one.rs (One)",
            ],
        );
    }

    #[test]
    fn a_path_in_code_counts_and_comments_texts_and_tests_do_not() {
        let one = ("one.rs", "use crate::two::Two;\n");
        let arrow = "one.rs -> two.rs (Two); two.rs -> one.rs (f)";
        let found = format!("one.rs: imports itself through 2 files: {arrow}");
        for (code, expected) in [
            ("fn g() { crate::one::f() }\n", Some(&found)),
            ("use crate::one;\nfn g() { one::f() }\n", Some(&found)),
            ("use crate::one;\n", None),
            ("// crate::one::f()\n", None),
            ("const A: &str = \"crate::one::f\";\n", None),
            (
                "#[cfg(test)]\nmod tests {\n    use crate::one::f;\n}\n",
                None,
            ),
            ("#[cfg(test)]\nuse crate::one::f;\n", None),
        ] {
            let expected: Vec<&str> = expected.map(String::as_str).into_iter().collect();
            assert_circles(&[ROOT, one, ("two.rs", code)], &expected);
        }
    }

    #[test]
    fn a_name_that_is_handed_on_leads_to_the_file_that_defines_it() {
        // `mod.rs` hands `Two` on and defines nothing that its children use.
        let root = ("lib.rs", "mod part;\n");
        let part = ("part/mod.rs", "mod one;\nmod two;\n\npub use two::Two;\n");
        let one = ("part/one.rs", "use super::Two;\n");
        assert_circles(&[root, part, one, ("part/two.rs", "")], &[]);
        assert_circles(
            &[
                root,
                part,
                one,
                ("part/two.rs", "fn f() { super::one::g() }\n"),
            ],
            &[
                "part/one.rs: imports itself through 2 files: part/one.rs -> part/two.rs (Two); \
                 part/two.rs -> part/one.rs (g)",
            ],
        );
    }

    #[test]
    fn a_parent_that_uses_its_child_must_not_be_used_by_it() {
        let root = ("lib.rs", "mod part;\n");
        let child = (
            "part/one.rs",
            "pub(super) fn f(options: &super::Options) {}\n",
        );
        let parent = "mod one;\n\nstruct Options;\n\nfn run() {\n    one::f(&Options);\n}\n";
        assert_circles(
            &[root, ("part.rs", parent), child],
            &[
                "part.rs: imports itself through 2 files: part.rs -> part/one.rs (f); \
                 part/one.rs -> part.rs (Options)",
            ],
        );
    }
}
