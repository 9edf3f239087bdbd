//! Dead files: a source file that no crate root leads to is compiled by nobody.
//!
//! The walk starts at each crate's roots (library, binaries, tests, benchmarks, examples, build
//! script) and follows `mod name;`, `#[path = "…"]` and `include!("…")`. It reads lines, not syntax:
//! rustfmt puts each of these on a line of its own and indents what is inside an inline module.

use std::collections::BTreeSet;

use super::tree::{self, Tree};
use super::{Finding, manifests};

/// The folders of a crate that hold sources.
const FOLDERS: &[&str] = &["src", "tests", "benches", "examples"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let sources: BTreeSet<&str> = tree.ending(&[".rs"]).map(|(path, _)| path).collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<String> = Vec::new();
    waiting.extend(
        sources
            .iter()
            .filter(|path| is_root(path))
            .map(|path| (*path).to_owned()),
    );
    waiting.extend(manifests::target_paths(tree));
    let roots: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(path) = waiting.pop() {
        let Some(text) = tree.text(&path) else {
            continue;
        };
        let children = children(&path, text, roots.contains(&path));
        if reached.insert(path) {
            waiting.extend(children);
        }
    }
    for path in sources {
        if in_a_crate(path) && !reached.contains(path) {
            let message = "dead file: no `mod` of a compiled file leads to it";
            findings.push(Finding::new(path, 0, message));
        }
    }
}

/// The path inside of its crate, split into its parts: `crates/a/src/b/c.rs` is `["src", "b",
/// "c.rs"]`.
fn in_crate(path: &str) -> Vec<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.iter().position(|part| FOLDERS.contains(part)) {
        Some(at) => parts[at..].to_vec(),
        None => Vec::new(),
    }
}

fn in_a_crate(path: &str) -> bool {
    !in_crate(path).is_empty()
}

/// Whether cargo finds this file by itself.
fn is_root(path: &str) -> bool {
    match in_crate(path)[..] {
        ["src", "lib.rs" | "main.rs"] => true,
        ["src", "bin", _] | ["src", "bin", _, "main.rs"] => true,
        ["tests" | "benches" | "examples", _] => true,
        ["tests" | "benches" | "examples", _, "main.rs"] => true,
        [] => path.ends_with("build.rs"),
        _ => false,
    }
}

/// The files that a source file may lead to; those that do not exist are left to the caller.
fn children(path: &str, text: &str, is_root: bool) -> Vec<String> {
    let own_folder = tree::folder(path);
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs");
    let base = if is_root || stem == "mod" {
        own_folder.to_owned()
    } else {
        format!("{own_folder}/{stem}")
    };

    let mut found = Vec::new();
    // The inline modules around the line, each with its indentation.
    let mut inline: Vec<(usize, &str)> = Vec::new();
    let mut explicit_path = None;
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if code.starts_with('}') && inline.last().is_some_and(|(around, _)| *around == indent) {
            inline.pop();
        } else if let Some(rest) = code.strip_prefix("#[path = \"") {
            explicit_path = rest.split_once('"').map(|(file, _)| file);
        } else if let Some((_, rest)) = code.split_once("include!(\"") {
            let file = rest
                .split_once('"')
                .and_then(|(file, _)| tree::join(own_folder, file));
            found.extend(file);
        } else if let Some(declared) = module(code) {
            match declared {
                Module::Inline(name) => inline.push((indent, name)),
                Module::File(name) => {
                    let inner: String = inline.iter().map(|(_, name)| format!("/{name}")).collect();
                    if let Some(file) = explicit_path.take() {
                        let folder = if inline.is_empty() {
                            own_folder
                        } else {
                            &format!("{base}{inner}")
                        };
                        found.extend(tree::join(folder, file));
                    } else {
                        let start = format!("{base}{inner}/{name}");
                        found.extend([format!("{start}.rs"), format!("{start}/mod.rs")]);
                    }
                }
            }
        }
    }
    found
        .iter()
        .map(|file| file.trim_start_matches('/').to_owned())
        .collect()
}

enum Module<'a> {
    File(&'a str),
    Inline(&'a str),
}

/// Reads `mod name;` or `mod name {`, with any visibility.
fn module(code: &str) -> Option<Module<'_>> {
    let after_visibility = match code.strip_prefix("pub") {
        Some(rest) => match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?.1.trim_start(),
            None => rest.trim_start(),
        },
        None => code,
    };
    let rest = after_visibility.strip_prefix("mod ")?;
    let end =
        rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '#')?;
    let name = rest[..end].trim_start_matches("r#");
    match rest[end..].trim_start().chars().next()? {
        ';' => Some(Module::File(name)),
        '{' if !rest.trim_end().ends_with('}') => Some(Module::Inline(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    #[track_caller]
    fn assert_dead(files: &[(&str, &str)], expected: &[&str]) {
        let found = findings(check, files);
        let dead: Vec<_> = found
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(dead, expected);
    }

    #[test]
    fn a_file_without_a_mod_is_dead() {
        let root = ("crates/a/src/lib.rs", "mod used;\n");
        let used = ("crates/a/src/used.rs", "");
        assert_dead(&[root, used], &[]);
        assert_dead(
            &[root, used, ("crates/a/src/dead.rs", "")],
            &["crates/a/src/dead.rs"],
        );
    }

    #[test]
    fn what_only_a_dead_file_leads_to_is_dead_too() {
        let files = [
            ("crates/a/src/main.rs", "fn main() {}\n"),
            ("crates/a/src/one.rs", "mod two;\n"),
            ("crates/a/src/one/two.rs", ""),
        ];
        assert_dead(&files, &["crates/a/src/one.rs", "crates/a/src/one/two.rs"]);
    }

    #[test]
    fn a_name_is_looked_for_where_its_parent_says() {
        let files = [
            ("crates/a/src/lib.rs", "pub(crate) mod one;\npub mod two;\n"),
            ("crates/a/src/one.rs", "mod inner;\n"),
            ("crates/a/src/one/inner.rs", ""),
            ("crates/a/src/two/mod.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/two/tests.rs", ""),
            ("crates/a/src/inner.rs", ""),
        ];
        assert_dead(&files, &["crates/a/src/inner.rs"]);
    }

    #[test]
    fn inline_modules_paths_and_includes_are_followed() {
        let library = "\
mod outer {
    mod inner;
    #[path = \"elsewhere.rs\"]
    mod named;
}
mod empty {}
mod after;
#[path = \"odd/name.rs\"]
mod odd;
include!(\"table.rs\");
";
        let mut files = vec![
            ("crates/a/src/lib.rs", library),
            ("crates/a/src/outer/inner.rs", ""),
            ("crates/a/src/outer/elsewhere.rs", ""),
            ("crates/a/src/after.rs", ""),
            ("crates/a/src/odd/name.rs", ""),
            ("crates/a/src/table.rs", ""),
        ];
        assert_dead(&files, &[]);
        files[0].1 = "";
        assert_dead(
            &files,
            &files[1..]
                .iter()
                .map(|file| file.0)
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>(),
        );
    }

    #[test]
    fn binaries_tests_benchmarks_and_named_targets_are_roots() {
        let manifest =
            "[package]\nname = \"a\"\n[[bench]]\nname = \"b\"\npath = \"benches/deep/b.rs\"\n";
        let files = [
            ("crates/a/Cargo.toml", manifest),
            ("crates/a/build.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/src/bin/other/main.rs", "mod part;\n"),
            ("crates/a/src/bin/other/part.rs", ""),
            ("crates/a/tests/it/main.rs", "mod case;\n"),
            ("crates/a/tests/it/case.rs", ""),
            ("crates/a/tests/it/forgotten.rs", ""),
            ("crates/a/benches/deep/b.rs", ""),
            ("crates/a/examples/e.rs", ""),
        ];
        assert_dead(&files, &["crates/a/tests/it/forgotten.rs"]);
    }

    #[test]
    fn a_mod_in_a_comment_leads_nowhere() {
        let files = [
            ("crates/a/src/lib.rs", "// mod a;\n/// mod a;\n"),
            ("crates/a/src/a.rs", ""),
        ];
        assert_dead(&files, &["crates/a/src/a.rs"]);
    }
}
