//! Every crate that is linked into the binary, as `cargo metadata` knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run;

/// The crates of others in the binary, sorted by name and version.
pub(crate) struct Dependencies(pub(crate) Vec<Package>);

/// A crate.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// As its manifest states it, in SPDX's words.
    pub(crate) license: Option<String>,
    /// `None` for a crate of ours.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) repository: Option<String>,
    pub(crate) targets: Vec<Target>,
}

/// What is built of a crate.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

impl Package {
    /// Whether it runs in the compiler alone.
    fn is_macro(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "proc-macro")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Dependencies {
    /// Those of the binary on this machine's kind of system.
    pub(crate) fn read() -> Result<Self> {
        let host = run::quiet(std::process::Command::new("rustc").arg("-vV"))?;
        let host = String::from_utf8(host.stdout).context("rustc prints text")?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc names no host")?;
        let mut metadata = run::cargo(["metadata", "--format-version", "1", "--locked"]);
        metadata.args(["--filter-platform", host]);
        let output = run::quiet(&mut metadata)?;
        Self::of(&output.stdout)
    }

    fn of(metadata: &[u8]) -> Result<Self> {
        let metadata: Metadata =
            serde_json::from_slice(metadata).context("cannot read what `cargo metadata` prints")?;
        let nodes: BTreeMap<_, _> = metadata
            .resolve
            .nodes
            .iter()
            .map(|node| (&node.id, node))
            .collect();
        let packages: BTreeMap<_, _> = metadata
            .packages
            .iter()
            .map(|package| (&package.id, package))
            .collect();
        let is_root = |package: &&Package| package.name == "lastro" && package.source.is_none();
        let root = metadata.packages.iter().find(is_root);
        let mut left = vec![&root.context("there is no crate `lastro`")?.id];
        let mut reached = BTreeSet::new();
        let mut linked = Vec::new();
        while let Some(id) = left.pop() {
            let package = packages.get(id);
            let package = package.with_context(|| format!("{id} is no package"))?;
            if package.is_macro() || !reached.insert(id) {
                continue;
            }
            if package.source.is_some() {
                linked.push(Package::clone(package));
            }
            let node = nodes.get(id);
            let node = node.with_context(|| format!("{id} is not resolved"))?;
            let is_normal = |edge: &&Edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
            left.extend(node.deps.iter().filter(is_normal).map(|edge| &edge.pkg));
        }
        linked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Self(linked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_in_is_found_through_our_crates_and_tests_need_is_not() {
        let package = |name: &str, source: Option<&str>| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source,
                "manifest_path": "/x/Cargo.toml", "repository": null,
                "targets": [{"kind": [if name == "a-macro" { "proc-macro" } else { "lib" }]}],
            })
        };
        let edge = |name: &str, kind: Option<&str>| serde_json::json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = serde_json::json!({
            "packages": [
                package("lastro", None), package("ours", None), package("b", Some("r")),
                package("a", Some("r")), package("for-tests", Some("r")), package("builds", Some("r")),
                package("a-macro", Some("r")),
            ],
            "resolve": {"nodes": [
                {"id": "lastro", "deps": [edge("ours", None), edge("for-tests", Some("dev"))]},
                {"id": "ours", "deps": [edge("b", None), edge("builds", Some("build"))]},
                {"id": "b", "deps": [edge("a", None), edge("a-macro", None)]},
                {"id": "a", "deps": []},
                {"id": "for-tests", "deps": []},
                {"id": "builds", "deps": []},
            ]},
        });
        let found = Dependencies::of(metadata.to_string().as_bytes()).unwrap();
        let names: Vec<_> = found.0.iter().map(|package| &*package.name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
