//! `cargo xtask bench`: the standard measurements, with what they are compared to in the same run.
//!
//! | measured | beside it |
//! |---|---|
//! | `lastro bench`, 1,000 transfers a call | PostgreSQL, 16 clients |
//! | `lastro bench`, 1 a call, 1 in flight | PostgreSQL, 1 client |
//! | `lastro bench`, 1 a call, 256 in flight, one hot account | PostgreSQL, 16 clients, one hot account |
//! | `lastro load capacity` over HTTP | a bare handler that answers without a ledger |
//!
//! PostgreSQL runs the same transfers as a stored function, driven by `pgbench`. Both sides write to
//! the same disk and sync before they answer. Each run takes every measurement once, so that a slow
//! minute of the machine hits all alike; figures are medians over the runs, ratios are taken within
//! a run.

mod baseline;
mod effort;
mod figures;
mod http;
mod lastro;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::stack::binary;
use crate::workspace;
use baseline::Baseline;
use effort::{FULL, QUICK};
use figures::{Figures, Sample};

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Short measurements, to see that all of it works: figures scatter more.
    #[arg(long)]
    quick: bool,
    /// How often everything is measured [default: 3, or 1 with --quick].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: Option<u32>,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Takes the release binary as it is instead of building it. The environment's `LASTRO_BIN`
    /// names another one, which is never built.
    #[arg(long)]
    no_build: bool,
}

/// Measures, prints the table, writes the JSON.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = binary(options.no_build)?;
    let (effort, runs) = match options.quick {
        true => (QUICK, options.runs.unwrap_or(1)),
        false => (FULL, options.runs.unwrap_or(3)),
    };
    let load_average = load_average();
    let folder = folder()?;
    let baseline = Baseline::start(&folder.path().join("postgres"))?;
    let mut figures = Figures::default();
    for number in 1..=runs {
        eprintln!("==> run {number} of {runs}");
        let mut record = |sample: Sample| {
            eprintln!("    {}", table::line_of(&sample));
            figures.record(sample);
        };
        for workload in lastro::workloads(&effort) {
            record(lastro::measure(&binary, &workload, folder.path())?);
        }
        for workload in &baseline::WORKLOADS {
            record(baseline.measure(workload, effort.baseline_seconds, folder.path())?);
        }
        for sample in http::measure(&binary, &effort, folder.path())? {
            record(sample);
        }
    }
    let report = figures.report(options.quick, runs, load_average);
    let text = table::text(&figures) + &report.warning();
    let Some(path) = &options.json else {
        println!("{text}");
        return Ok(());
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    if path == Path::new("-") {
        eprintln!("{text}");
        print!("{json}");
        return Ok(());
    }
    println!("{text}");
    std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
}

/// How many processes wanted a processor in the last minute, see proc(5).
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// One folder for all that is measured, so that all of it is on the same disk: below `target`, or
/// where PostgreSQL's user may go.
fn folder() -> Result<TempDir> {
    let target = workspace::root().join("target");
    std::fs::create_dir_all(&target)?;
    let places = [target, PathBuf::from("/var/tmp")];
    let place = places
        .iter()
        .find(|place| testkit::servers::can_reach(place));
    let place = place.context("PostgreSQL's user can reach neither target nor /var/tmp")?;
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(place)?;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open)?;
    Ok(folder)
}
