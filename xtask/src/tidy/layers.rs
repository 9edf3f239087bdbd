//! The layers: which of our crates may depend on which.

use toml::Table;

use super::tree::{self, Tree};
use super::{Finding, manifests};

/// Each crate with those it may depend on, from the lowest layer up: a crate only names crates
/// above its own line.
///
/// `lastro` alone wires everything together. Nothing above the `Engine` port (which `ledger`
/// defines) knows an engine.
const LAYERS: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    ("stdx", &[]),
    ("trace", &["stdx"]),
    ("proto", &["ledger"]),
    ("journal", &["stdx"]),
    ("engine-embedded", &["ledger", "journal", "stdx", "trace"]),
    ("engine-postgres", &["ledger", "stdx"]),
    // What it persists is the ledger of `engine-postgres`: its tables, its reads.
    (
        "engine-write-behind",
        &["ledger", "engine-postgres", "stdx"],
    ),
    ("engine-remote", &["ledger", "proto", "stdx", "trace"]),
    ("outbox", &["ledger", "journal", "stdx"]),
    ("payments", &["ledger", "stdx"]),
    ("events", &["ledger", "stdx"]),
    (
        "server",
        &[
            "ledger", "proto", "stdx", "trace", "outbox", "payments", "events",
        ],
    ),
    ("lastro-client", &["stdx"]),
    ("processor", &["stdx"]),
    ("load", &["processor"]),
    (
        "lastro",
        &[
            "ledger",
            "journal",
            "engine-embedded",
            "engine-postgres",
            "engine-write-behind",
            "engine-remote",
            "outbox",
            "payments",
            "events",
            "server",
            "processor",
            "load",
            "lastro-client",
            "stdx",
            "trace",
        ],
    ),
    ("testkit", &["ledger"]),
    ("xtask", &["testkit"]),
];

/// What the tests of every crate may use besides, and itself with the features for tests.
const IN_TESTS: [&str; 2] = ["testkit", "processor"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, manifest) in manifests::members(tree) {
        let name = manifests::name(&manifest);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            let message = format!(
                "crate `{name}` has no place in the layers: add it to LAYERS in xtask/src/tidy/layers.rs"
            );
            findings.push(Finding::new(path, 0, message));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let is_ours = LAYERS.iter().any(|(layer, _)| *layer == dependency.name);
            let is_fine = allowed.contains(&dependency.name.as_str())
                || (dependency.in_tests
                    && (IN_TESTS.contains(&dependency.name.as_str()) || dependency.name == name));
            if is_ours && !is_fine {
                let message = format!(
                    "`{name}` must not depend on `{}`: dependencies point down the layers",
                    dependency.name
                );
                findings.push(Finding::new(path, 0, message));
            }
        }
    }
}

/// An edge that nobody uses: one that the table allows and no manifest has, or one that a manifest
/// has and no source names.
pub(super) fn check_used(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, manifest) in manifests::members(tree) {
        let name = manifests::name(&manifest);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            continue;
        };
        let taken: Vec<String> = dependencies(&manifest)
            .into_iter()
            .filter(|dependency| !dependency.in_tests)
            .map(|dependency| dependency.name)
            .collect();
        for edge in *allowed {
            if !taken.iter().any(|name| name == edge) {
                let message = format!(
                    "`{name}` may depend on `{edge}` and does not: take it out of LAYERS in xtask/src/tidy/layers.rs"
                );
                findings.push(Finding::new(path, 0, message));
            } else if !names(tree, tree::folder(path), edge) {
                let message = format!("`{name}` depends on `{edge}` and never names it");
                findings.push(Finding::new(path, 0, message));
            }
        }
    }
}

/// Whether a source of the crate in this folder names the other crate.
fn names(tree: &Tree, folder: &str, other: &str) -> bool {
    let start = format!("{folder}/");
    let path = format!("{}::", other.replace('-', "_"));
    tree.ending(&[".rs"])
        .any(|(file, text)| file.starts_with(&start) && text.contains(&path))
}

struct Dependency {
    name: String,
    in_tests: bool,
}

/// What a manifest depends on, for every target, by the package's own name.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let mut found = Vec::new();
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(toml::Value::as_table);
    for table in std::iter::once(manifest).chain(tables) {
        for (kind, in_tests) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("dev-dependencies", true),
        ] {
            for (key, value) in table
                .get(kind)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
            {
                let name = value
                    .get("package")
                    .and_then(toml::Value::as_str)
                    .unwrap_or(key)
                    .to_owned();
                found.push(Dependency { name, in_tests });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::{LAYERS, check, check_used};

    fn found(name: &str, rest: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}");
        findings(check, &[(&format!("crates/{name}/Cargo.toml"), &manifest)])
    }

    #[test]
    fn the_table_points_down() {
        for (index, (name, allowed)) in LAYERS.iter().enumerate() {
            for dependency in *allowed {
                let below = &LAYERS[..index];
                assert!(
                    below.iter().any(|(layer, _)| layer == dependency),
                    "{name} → {dependency}"
                );
            }
        }
    }

    #[test]
    fn down_is_fine_and_up_is_not() {
        assert!(
            found(
                "engine-embedded",
                "[dependencies]\nledger.workspace = true\nserde = \"1\"\n"
            )
            .is_empty()
        );
        assert_eq!(
            found("ledger", "[dependencies]\njournal.workspace = true\n"),
            [
                "crates/ledger/Cargo.toml: `ledger` must not depend on `journal`: dependencies point down the layers"
            ]
        );
        assert_eq!(
            found(
                "server",
                "[dependencies]\nengine-embedded.workspace = true\n"
            )
            .len(),
            1
        );
        assert_eq!(
            found("journal", "[build-dependencies]\nledger.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn other_targets_and_other_names_do_not_hide_a_dependency() {
        assert_eq!(
            found(
                "ledger",
                "[target.'cfg(unix)'.dependencies]\njournal = { path = \"../journal\" }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            found(
                "ledger",
                "[dependencies]\nlog = { package = \"journal\", path = \"../journal\" }\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn the_testkit_is_for_tests() {
        for name in ["testkit", "processor"] {
            let in_tests = format!("[dev-dependencies]\n{name}.workspace = true\n");
            assert!(found("ledger", &in_tests).is_empty());
            let outside = format!("[dependencies]\n{name}.workspace = true\n");
            assert_eq!(found("ledger", &outside).len(), 1);
        }
        assert_eq!(
            found("ledger", "[dev-dependencies]\nserver.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn an_edge_that_nobody_uses_is_found() {
        let found = |dependencies: &str, source: &str| {
            let manifest = format!("[package]\nname = \"outbox\"\n{dependencies}");
            let files = [
                ("crates/outbox/Cargo.toml", manifest.as_str()),
                ("crates/outbox/src/lib.rs", source),
            ];
            findings(check_used, &files)
        };
        let all = "[dependencies]\njournal = \"1\"\nledger = \"1\"\nstdx = \"1\"\n";
        let uses = "use journal::A;\nuse ledger::B;\nfn f() { stdx::c() }\n";
        assert!(found(all, uses).is_empty());
        let without = found("[dependencies]\njournal = \"1\"\nledger = \"1\"\n", uses);
        assert!(
            without[0].contains("may depend on `stdx` and does not"),
            "{without:?}"
        );
        let unnamed = found(all, "use journal::A;\nfn f() { stdx::c() }\n");
        assert!(
            unnamed[0].contains("depends on `ledger` and never names it"),
            "{unnamed:?}"
        );
        let in_tests = found(&all.replace("[dep", "[dev-dep"), uses);
        assert_eq!(in_tests.len(), 3, "{in_tests:?}");
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        let found = found("newcomer", "");
        assert!(found[0].contains("has no place in the layers"), "{found:?}");
    }
}
