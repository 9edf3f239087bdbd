//! `lastro load`: the load scenarios' command lines.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ::load::report::{Outputs, publish};
use ::load::{Connections, Target, rinha_2024};
use clap::{Args, Parser, Subcommand};

/// `lastro load`
#[derive(Parser)]
pub(crate) struct Options {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Runs the 2024 challenge's official load and reckons its score.
    ///
    /// The exit code is 0 when nothing was fined.
    #[command(name = "rinha-2024")]
    Rinha2024(Rinha2024),
}

#[derive(Args)]
struct Rinha2024 {
    /// The server; loads only go to loopback addresses.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9999")]
    target: Target,
    /// Multiplies the arrivals per second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    rate_scale: f64,
    /// Multiplies the durations of the ramps, officially 2 minutes each.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    duration_scale: f64,
    /// Takes connections from a pool instead of a new one for each arrival.
    #[arg(long)]
    keep_alive: bool,
    #[command(flatten)]
    common: Common,
}

/// What all scenarios take.
#[derive(Args)]
struct Common {
    /// What the random choices begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Gives a request up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout_s: u64,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Writes the report as one self-contained page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Common {
    fn outputs(&self) -> Outputs<'_> {
        Outputs {
            json: self.json.as_deref(),
            html: self.html.as_deref(),
        }
    }

    const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// Runs the scenario; the exit code says whether its own criteria hold.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let passed = match &options.scenario {
        Scenario::Rinha2024(options) => run_rinha_2024(options)?,
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_rinha_2024(options: &Rinha2024) -> anyhow::Result<bool> {
    let report = rinha_2024::run(&rinha_2024::Options {
        target: options.target.clone(),
        rate_scale: options.rate_scale,
        duration_scale: options.duration_scale,
        seed: options.common.seed,
        connections: if options.keep_alive {
            Connections::KeptAlive
        } else {
            Connections::New
        },
        timeout: options.common.timeout(),
    })?;
    publish(&report, options.common.outputs())?;
    Ok(report.passed())
}
