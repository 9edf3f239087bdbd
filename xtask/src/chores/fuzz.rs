//! `cargo xtask fuzz`: every reader of foreign bytes on mutated inputs, for a time.

use anyhow::{Result, bail};

use super::EVERYTHING;
use crate::run::{self, Steps};
use crate::seeds;
use crate::suites::Suites;

/// The options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seconds each reader gets inputs.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// Runs the tests with `fuzz_` in their name; a failure names the seed of the input.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let result = steps.run("mutated inputs", || fuzz(options));
    eprintln!("{}", steps.summary());
    result
}

fn fuzz(options: &Options) -> Result<()> {
    let mut command = run::cargo(["test", "--no-fail-fast"]);
    command.args(EVERYTHING);
    command.args([
        "--lib",
        "--bins",
        "--test",
        "it",
        "--",
        "--nocapture",
        "fuzz_",
    ]);
    command.env("LASTRO_FUZZ_S", options.seconds.to_string());
    let watched = run::watch(&mut command, &mut std::io::stdout())?;
    let suites = Suites::read(&watched.text);
    eprintln!("{suites}");
    if watched.success && suites.count() == 0 {
        bail!("no test has `fuzz_` in its name: nothing was tried");
    }
    if watched.success {
        return Ok(());
    }
    let seeds = seeds::failing(&watched.text);
    for seed in &seeds {
        eprintln!("  again: LASTRO_SEED={seed} cargo test --workspace --all-features -- fuzz_");
    }
    bail!(
        "{} input(s) that a reader cannot take, listed above",
        seeds.len()
    );
}
