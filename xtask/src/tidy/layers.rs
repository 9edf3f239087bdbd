//! The layers: which of our crates may depend on which.

use toml::Table;

use super::tree::Tree;
use super::{Finding, manifests};

/// Each crate with those it may depend on, from the lowest layer up: a crate only names crates
/// above its own line.
///
/// `lastro` alone wires everything together. Nothing above the `Engine` port (which `ledger`
/// defines) knows an engine.
const LAYERS: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    ("stdx", &[]),
    ("proto", &["ledger"]),
    ("journal", &["stdx"]),
    ("engine-embedded", &["ledger", "journal", "stdx"]),
    ("engine-postgres", &["ledger", "journal", "stdx"]),
    // What it persists is the ledger of `engine-postgres`: its tables, its reads.
    ("engine-write-behind", &["ledger", "engine-postgres"]),
    ("engine-remote", &["ledger", "proto", "stdx"]),
    ("outbox", &["ledger", "journal", "stdx"]),
    ("payments", &["ledger", "stdx"]),
    ("server", &["ledger", "proto", "stdx", "outbox", "payments"]),
    ("processor", &[]),
    ("load", &["ledger", "processor"]),
    (
        "lastro",
        &[
            "ledger",
            "journal",
            "proto",
            "engine-embedded",
            "engine-postgres",
            "engine-write-behind",
            "engine-remote",
            "outbox",
            "payments",
            "server",
            "processor",
            "load",
        ],
    ),
    ("testkit", &["ledger", "journal"]),
    ("xtask", &["testkit"]),
];

/// What the tests of every crate may use besides, and itself with the features for tests.
const IN_TESTS: [&str; 2] = ["testkit", "processor"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, manifest) in manifests::members(tree) {
        let name = manifest["package"]
            .get("name")
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
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
    use super::{LAYERS, check};

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
    fn a_new_crate_needs_a_place() {
        let found = found("newcomer", "");
        assert!(found[0].contains("has no place in the layers"), "{found:?}");
    }
}
