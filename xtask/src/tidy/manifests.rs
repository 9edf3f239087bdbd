//! The manifests: every crate takes the workspace's lints.

use toml::{Table, Value};

use super::Finding;
use super::tree::{self, Tree};

/// The manifests of the member crates, read; those that are no TOML or describe no package are left
/// out.
pub(super) fn members(tree: &Tree) -> impl Iterator<Item = (&str, Table)> {
    let is_member = |path: &str| path == "xtask/Cargo.toml" || path.starts_with("crates/");
    tree.ending(&["/Cargo.toml"])
        .filter(move |(path, _)| is_member(path))
        .filter_map(|(path, text)| Some((path, text.parse::<Table>().ok()?)))
        .filter(|(_, manifest)| {
            manifest.contains_key("package") && !manifest.contains_key("workspace")
        })
}

/// The package's name; empty where the manifest has none, which is no crate's.
pub(super) fn name(manifest: &Table) -> &str {
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    name.and_then(Value::as_str).unwrap_or("")
}

/// The source files that manifests name as targets.
pub(super) fn target_paths(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    for (manifest_path, manifest) in members(tree) {
        let kinds = ["lib", "bin", "test", "bench", "example"]
            .into_iter()
            .filter_map(|kind| manifest.get(kind));
        let targets = kinds.flat_map(|kind| {
            kind.as_array()
                .map_or(std::slice::from_ref(kind), Vec::as_slice)
        });
        let files = targets.filter_map(|target| target.get("path")?.as_str());
        paths.extend(files.filter_map(|file| tree::join(tree::folder(manifest_path), file)));
    }
    paths
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, manifest) in members(tree) {
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            findings.push(Finding::new(path, 0, "lacks `[lints] workspace = true`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    #[test]
    fn the_workspaces_lints_are_asked_for() {
        let path = "crates/a/Cargo.toml";
        let package = "[package]\nname = \"a\"\n";
        let found = |rest: &str| findings(check, &[(path, &format!("{package}{rest}"))]);
        assert!(found("[lints]\nworkspace = true\n").is_empty());
        assert!(found("lints.workspace = true\n[lints]\nworkspace = true\n").is_empty());
        let expected = "crates/a/Cargo.toml: lacks `[lints] workspace = true`";
        assert_eq!(found(""), [expected]);
        assert_eq!(found("[lints.clippy]\nall = \"warn\"\n"), [expected]);
        assert_eq!(found("[lints]\nworkspace = false\n"), [expected]);
    }

    #[test]
    fn only_members_are_asked() {
        assert!(findings(check, &[("Cargo.toml", "[workspace]\n")]).is_empty());
        let own = "[package]\nname = \"fuzz\"\n[workspace]\n";
        assert!(findings(check, &[("crates/a/fuzz/Cargo.toml", own)]).is_empty());
        assert_eq!(
            findings(check, &[("xtask/Cargo.toml", "[package]\nname = \"x\"\n")]).len(),
            1
        );
    }
}
