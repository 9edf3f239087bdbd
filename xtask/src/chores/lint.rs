//! `cargo xtask lint`: the cheap checks first; the first step that fails ends it.

use anyhow::{Context, Result, bail};

use super::{EVERYTHING, dependencies};
use crate::run::{self, Steps};
use crate::tidy::{self, tree::Tree};
use crate::workspace;

/// Formats nothing, changes nothing: only tells.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let result = steps_of_lint(&mut steps);
    eprintln!("{}", steps.summary());
    result
}

fn steps_of_lint(steps: &mut Steps) -> Result<()> {
    steps.run("format", || {
        run::check(&mut run::cargo(["fmt", "--all", "--check"]))
            .context("`cargo fmt --all` puts it right")
    })?;
    steps.run("tidy", tidy)?;
    steps.run("dependencies", dependencies::run)?;
    steps.run("clippy", || {
        let mut clippy = run::cargo(["clippy"]);
        run::check(
            clippy
                .args(EVERYTHING)
                .args(["--all-targets", "--", "-D", "warnings"]),
        )
    })?;
    steps.run("documentation", || {
        let mut doc = run::cargo(["doc", "--no-deps"]);
        run::check(doc.args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings"))
    })
}

/// The house rules that no compiler knows; all findings are listed before it fails.
pub(crate) fn tidy() -> Result<()> {
    let tree = Tree::read(&workspace::root())?;
    let findings = tidy::check(&tree);
    for finding in &findings {
        eprintln!("    {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 finding, listed above"),
        count => bail!("{count} findings, listed above"),
    }
}
