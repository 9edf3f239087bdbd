//! Which release is packaged.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{run, workspace};

/// What is packaged.
pub(super) struct Release {
    pub(super) version: String,
    /// As Debian names it.
    pub(super) architecture: String,
    /// The time of the commit, in seconds since 1970: that of every file in the packages.
    pub(super) time: String,
}

impl Release {
    pub(super) fn of(binary: &Path) -> Result<Self> {
        let printed = run::quiet(Command::new(binary).arg("--version"))?;
        let printed = String::from_utf8(printed.stdout).context("the version is not text")?;
        let version = printed.split_whitespace().nth(1);
        let version = version.context("`lastro --version` prints no version")?;
        let architecture = run::quiet(Command::new("dpkg").arg("--print-architecture"))?;
        let mut log = Command::new("git");
        log.args(["log", "-1", "--format=%ct"])
            .current_dir(workspace::root());
        Ok(Self {
            version: version.to_owned(),
            architecture: line(&architecture.stdout)?,
            time: line(&run::quiet(&mut log)?.stdout)?,
        })
    }
}

fn line(printed: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(printed).context("a program printed what is not text")?;
    Ok(text.trim().to_owned())
}
