//! `cargo xtask test`: every test, over the real programs that tests start.
//!
//! Real processes run the development binary, which checks more and is built with the tests anyway;
//! `--long` builds the binary that ships and runs that one.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::EVERYTHING;
use crate::busy::Busy;
use crate::run::{self, Steps};
use crate::suites::Suites;
use crate::tools;

/// What tells the tests to raise their counts.
const LONG: (&str, &str) = ("LASTRO_LONG", "1");

/// What tells the tests how many of them run at once.
const THREADS: &str = "RUST_TEST_THREADS";
const TESTS_PER_PROCESSOR: usize = 3;

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Raise the counts: 100 kills instead of 10, ten times the seeds; over the release binary.
    #[arg(long)]
    long: bool,
    /// Keep two processors busy beside the tests, as on a machine that others use too: no test may
    /// depend on a quiet one.
    #[arg(long)]
    busy: bool,
}

/// The loops that run beside the tests with `--busy`.
const BUSY_LOOPS: usize = 2;

/// Runs every step and every test even when some fail; an error when anything did.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let mut suites = None;
    let result = steps_of_test(options, &mut steps, &mut suites);
    if let Some(suites) = suites {
        eprintln!("{suites}");
    }
    eprintln!("{}", steps.summary());
    result
}

fn steps_of_test(options: &Options, steps: &mut Steps, suites: &mut Option<Suites>) -> Result<()> {
    let path = steps.run("tools", tools::provide)?;
    let shipped = match options.long {
        true => Some(steps.run("release binary", release_binary)?),
        false => None,
    };
    let _busy = options.busy.then(|| Busy::start(BUSY_LOOPS));
    steps.run("tests", || tests(path, shipped, suites))
}

/// How many tests run at once: most of them wait for servers, time-outs and disks.
fn test_threads() -> String {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors * TESTS_PER_PROCESSOR).to_string()
}

/// Runs every test; the long ones where there is a `shipped` binary to run them over.
fn tests(path: OsString, shipped: Option<PathBuf>, suites: &mut Option<Suites>) -> Result<()> {
    let mut command = run::cargo(["test", "--no-fail-fast"]);
    command.args(EVERYTHING).env("PATH", path);
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, test_threads());
    }
    if let Some(binary) = shipped {
        command.env("LASTRO_BIN", binary).env(LONG.0, LONG.1);
    }
    let watched = run::watch(&mut command, &mut std::io::stdout())?;
    *suites = Some(Suites::read(&watched.text));
    if !watched.success {
        bail!("a test failed or did not build; the lines above say which");
    }
    Ok(())
}

/// Builds the server as it ships and returns its path, which tests of real processes start.
pub(crate) fn release_binary() -> Result<PathBuf> {
    let mut command = run::cargo(["build", "--release", "--package", "lastro"]);
    command.arg("--message-format=json-render-diagnostics");
    eprintln!("    {}", run::line(&command));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    if !output.status.success() {
        bail!("the release binary did not build");
    }
    executable(&String::from_utf8_lossy(&output.stdout), "lastro")
        .context("cargo named no executable `lastro`")
}

/// The path of a binary in what cargo tells about a build, one JSON object per line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let path = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?;
        let is_it = target.get("name")? == name && target.get("kind")?.get(0)? == "bin";
        message
            .get("executable")
            .filter(|_| is_it)?
            .as_str()
            .map(PathBuf::from)
    };
    messages.lines().find_map(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"lastro"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"lastro"},"executable":"/t/lastro"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "lastro"),
            Some(PathBuf::from("/t/lastro"))
        );
        assert_eq!(executable(messages, "absent"), None);
    }
}
