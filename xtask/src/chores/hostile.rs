//! `cargo xtask hostile`: strangers at full scale beside a caller that wants to be served.

use anyhow::{Result, bail};

use super::test::release_binary;
use crate::run::{self, Steps};
use crate::suites::Suites;

/// Runs the tests of strangers over the release binary, at full scale, and prints the latencies.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let result = steps.run("strangers", strangers);
    eprintln!("{}", steps.summary());
    result
}

fn strangers() -> Result<()> {
    let mut command = run::cargo(["test", "--package", "lastro", "--all-features"]);
    // One after the other: each measures.
    command.args([
        "--test",
        "it",
        "--",
        "--nocapture",
        "--test-threads=1",
        "strangers::",
    ]);
    command
        .env("LASTRO_LONG", "1")
        .env("LASTRO_BIN", release_binary()?);
    let watched = run::watch(&mut command, &mut std::io::stdout())?;
    let suites = Suites::read(&watched.text);
    if !watched.success {
        bail!(
            "a bystander was not served, or memory grew beyond its bound; the lines above say where"
        );
    }
    if suites.count() == 0 {
        bail!("no test has `strangers::` in its name: nothing was tried");
    }
    Ok(())
}
