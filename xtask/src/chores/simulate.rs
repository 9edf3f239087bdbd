//! `cargo xtask simulate`: the simulated crashes of the crates that own a disk, with as many
//! seeds as wanted.

use anyhow::{Result, bail};

use crate::run::{self, Steps};
use crate::seeds;
use crate::suites::Suites;

/// The options of `cargo xtask simulate`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds each simulated test tries.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed; without it the tests choose.
    #[arg(long, value_name = "SEED")]
    first: Option<u64>,
}

/// Runs the tests with `crash` in their name; a failure names the seeds and how to run one again.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let result = steps.run("simulated crashes", || simulate(options));
    eprintln!("{}", steps.summary());
    result
}

fn simulate(options: &Options) -> Result<()> {
    let mut command = run::cargo(["test", "--release", "--no-fail-fast", "--all-features"]);
    command.args([
        "--package",
        "journal",
        "--package",
        "engine-embedded",
        "--package",
        "outbox",
        "--",
        "crash",
    ]);
    command.env("LASTRO_SEEDS", options.seeds.to_string());
    if let Some(first) = options.first {
        command.env("LASTRO_SEED", first.to_string());
    }
    let watched = run::watch(&mut command, &mut std::io::stdout())?;
    let suites = Suites::read(&watched.text);
    eprintln!("{suites}");
    if watched.success && suites.count() == 0 {
        bail!("no test has `crash` in its name: nothing was simulated");
    }
    if watched.success {
        return Ok(());
    }
    let seeds = seeds::failing(&watched.text);
    if seeds.is_empty() {
        bail!("the lines above say which test; none of them names a seed");
    }
    for seed in &seeds {
        eprintln!("  seed {seed} again: cargo xtask simulate --first {seed} --seeds 1");
    }
    bail!("{} failing seed(s), listed above", seeds.len());
}
