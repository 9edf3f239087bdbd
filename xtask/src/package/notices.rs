//! The notices: the licence of every crate that is linked in, with the texts that it comes with.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::dependencies::Dependencies;

/// The beginnings of the names of files that have to be handed on.
const FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];

/// Each text once, under all the crates that come with it.
pub(super) fn text(dependencies: &Dependencies) -> Result<String> {
    let mut crates_of = BTreeMap::<String, Vec<String>>::new();
    let mut table = String::new();
    for package in &dependencies.0 {
        let name = format!("{} {}", package.name, package.version);
        let license = package.license.as_deref();
        let license = license.with_context(|| format!("{name} states no licence"))?;
        // Writing into a string cannot fail.
        let _ = writeln!(table, "{name}: {license}");
        let folder = package.manifest_path.parent();
        let folder = folder.with_context(|| format!("{name} has no folder"))?;
        for text in texts_in(folder)? {
            crates_of.entry(text).or_default().push(name.clone());
        }
    }
    let mut notices = format!(
        "Lastro is licensed under the Apache License 2.0. It contains the following crates.\n\n{table}"
    );
    for (text, crates) in crates_of {
        let rule = "-".repeat(78);
        let _ = write!(
            notices,
            "\n{rule}\n{}\n\n{}\n",
            crates.join(", "),
            text.trim_end()
        );
    }
    Ok(notices)
}

fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let entries = folder.read_dir();
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        if path.is_file() && FILES.iter().any(|begin| name.starts_with(begin)) {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    paths.iter().map(read).collect()
}
