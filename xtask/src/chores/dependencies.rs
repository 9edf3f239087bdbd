//! What is linked into the binary: only under licences that were accepted, and each crate once.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::package::{Dependencies, Package};

/// The licences that a dependency may have. A new one is a decision: it goes into the packages.
const LICENSES: [&str; 8] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    // The tables of Unicode.
    "Unicode-3.0",
    "Zlib",
];
/// Crates of which several versions are linked in, and who asks for the older ones.
const TWICE: &[(&str, &str)] = &[
    (
        "base64",
        "tonic, postgres-protocol, metrics-exporter-prometheus",
    ),
    ("const-oid", "x509-cert"),
    ("embedded-io", "postcard asks for two itself"),
    ("getrandom", "ring, rand 0.9"),
    (
        "hashbrown",
        "metrics-util, and so do we: one copy less than with the newest",
    ),
    (
        "rand",
        "metrics-util, and so do we: tokio-postgres and uuid are ahead",
    ),
    ("rand_core", "rand 0.9"),
    ("winnow", "toml"),
];

/// `cargo xtask lint`, the step `dependencies`.
pub(crate) fn run() -> Result<()> {
    let findings = findings(&Dependencies::read()?.0, TWICE);
    for finding in &findings {
        eprintln!("    {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} finding(s) about dependencies, listed above"),
    }
}

fn findings(packages: &[Package], twice: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions_of = BTreeMap::<&str, Vec<&str>>::new();
    for package in packages {
        let Package { name, version, .. } = package;
        versions_of.entry(name).or_default().push(version);
        match package.license.as_deref() {
            Some(license) if is_accepted(license) => {}
            Some(license) => findings.push(format!(
                "{name} {version} is licensed under {license}: if that can be accepted, add it to \
                 LICENSES in xtask/src/chores/dependencies.rs"
            )),
            None => findings.push(format!("{name} {version} states no licence")),
        }
    }
    for (name, versions) in &versions_of {
        let is_known = twice.iter().any(|(known, _)| known == name);
        if versions.len() > 1 && !is_known {
            findings.push(format!(
                "{name} is linked in as {}: raise what asks for the older one, or add it to TWICE in \
                 xtask/src/chores/dependencies.rs with the reason",
                versions.join(" and ")
            ));
        }
    }
    for (name, _) in twice {
        if versions_of
            .get(name)
            .is_none_or(|versions| versions.len() < 2)
        {
            findings.push(format!("{name} is linked in once: take it out of TWICE"));
        }
    }
    findings
}

/// Whether an SPDX expression leaves a choice that is accepted as a whole.
fn is_accepted(expression: &str) -> bool {
    // Old manifests have a slash where SPDX has OR.
    let expression = expression.replace('/', " OR ");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut left = words.as_slice();
    any_of(&mut left) && left.is_empty()
}

/// `a OR b`.
fn any_of(words: &mut &[&str]) -> bool {
    let mut is_accepted = all_of(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        is_accepted |= all_of(words);
    }
    is_accepted
}

/// `a AND b`.
fn all_of(words: &mut &[&str]) -> bool {
    let mut is_accepted = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        is_accepted &= one(words);
    }
    is_accepted
}

/// `(…)`, `a` or `a WITH b`.
fn one(words: &mut &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let is_accepted = any_of(words);
            let [")", rest @ ..] = *words else {
                return false;
            };
            *words = rest;
            is_accepted
        }
        [license, "WITH", exception, rest @ ..] => {
            *words = rest;
            LICENSES.contains(&&*format!("{license} WITH {exception}"))
        }
        [license, rest @ ..] => {
            *words = rest;
            LICENSES.contains(license)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, license: &str) -> Package {
        Package {
            id: format!("{name} {version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            license: Some(license.to_owned()),
            source: Some("registry".to_owned()),
            manifest_path: "/x/Cargo.toml".into(),
            repository: None,
            targets: Vec::new(),
        }
    }

    #[test]
    fn an_expression_is_accepted_if_it_leaves_a_choice() {
        for accepted in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "MIT AND (ISC OR GPL-2.0)",
        ] {
            assert!(is_accepted(accepted), "{accepted}");
        }
        for refused in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "(MIT",
            "MIT MIT",
            "",
        ] {
            assert!(!is_accepted(refused), "{refused}");
        }
    }

    #[test]
    fn licences_and_second_versions_are_found_and_so_is_what_is_listed_in_vain() {
        let packages = [
            package("a", "1.0.0", "MIT"),
            package("a", "2.0.0", "MIT"),
            package("b", "1.0.0", "GPL-3.0"),
            package("c", "1.0.0", "ISC"),
        ];
        let found = findings(&packages, &[("c", "nobody")]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("b 1.0.0 is licensed under GPL-3.0"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("a is linked in as 1.0.0 and 2.0.0"),
            "{found:?}"
        );
        assert!(found[2].starts_with("c is linked in once"), "{found:?}");
        assert_eq!(
            findings(&packages[..2], &[("a", "b asks for it")]),
            Vec::<String>::new()
        );
    }
}
