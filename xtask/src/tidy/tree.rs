//! The files the rules look at: everything git tracks or would add.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Every file of the repository, by its path from the root with `/` between folders.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the tracked files and the untracked ones that are not ignored, as they are on disk
    /// now.
    ///
    /// A file that is not UTF-8 is known by its name with an empty text.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut command = Command::new("git");
        // Root looks at other people's checkouts too.
        command.args(["-c", "safe.directory=*"]);
        command.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let output = command
            .current_dir(root)
            .output()
            .context("could not start git")?;
        if !output.status.success() {
            bail!(
                "git could not list the files: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
        let mut files = BTreeMap::new();
        for name in names.split_terminator('\0') {
            let path = root.join(name);
            // Deleted and not yet committed, or a link to a folder.
            if !path.is_file() {
                continue;
            }
            let bytes = std::fs::read(&path).with_context(|| format!("could not read {name}"))?;
            files.insert(
                name.to_owned(),
                String::from_utf8(bytes).unwrap_or_default(),
            );
        }
        Ok(Self { files })
    }

    /// A tree made of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: owned.collect(),
        }
    }

    /// Paths and texts, sorted by path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The paths and texts whose name ends with one of these.
    pub(super) fn ending<'a>(
        &'a self,
        ends: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter()
            .filter(|(path, _)| ends.iter().any(|end| path.ends_with(end)))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is a file with this path, or a folder (`""` is the root).
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        let mut after = self.files.range(folder.clone()..);
        path.is_empty()
            || self.files.contains_key(path)
            || after
                .next()
                .is_some_and(|(file, _)| file.starts_with(&folder))
    }
}

/// The folder of a path, without a slash at its end.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `path` seen from `folder`, with `.` and `..` worked out; `None` when it leaves the repository.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { folder };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_inside_the_repository_only() {
        assert_eq!(
            join("docs/guides", "../formats.md").as_deref(),
            Some("docs/formats.md")
        );
        assert_eq!(join("docs", "/README.md").as_deref(), Some("README.md"));
        assert_eq!(join("", "./a//b").as_deref(), Some("a/b"));
        assert_eq!(join("docs", "../../x"), None);
    }

    #[test]
    fn files_and_folders_are_there() {
        let tree = Tree::of(&[("docs/a.md", ""), ("docs-old.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/a.md") && tree.has(""));
        assert!(!tree.has("doc") && !tree.has("docs/a"));
    }

    #[test]
    fn this_repository_is_read() {
        let tree = Tree::read(&crate::workspace::root()).unwrap();
        assert!(
            tree.text("xtask/src/tidy/tree.rs")
                .is_some_and(|text| text.starts_with("//!"))
        );
    }
}
