//! `cargo xtask stack <profile>`: starts a way to deploy on this machine, natively, on loopback.
//!
//! A profile is a folder of `deploy/` with a `profile.toml`. Its databases are started first, then
//! its nodes, then its proxy with the profile's real configuration, all below the profile's limits
//! of processors and memory where this user may set any. Nothing stays when it ends: no process, no
//! control group, and no data unless `--data-dir` named where to keep it.

mod http;
mod profile;
mod running;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::chores::test::release_binary;
use crate::run::seconds;
use crate::workspace;

pub(crate) use http::get;
pub(crate) use profile::{Database, DatabaseKind, Limits, Node, Profile, Proxy};
pub(crate) use running::{Place, Stack};

/// How often it is looked whether something has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// The options of `cargo xtask stack`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The profile: a folder of `deploy/`.
    #[arg(required_unless_present = "list")]
    profile: Option<String>,
    /// Lists the profiles and ends.
    #[arg(long)]
    list: bool,
    /// Takes the release binary as it is instead of building it. The environment's `LASTRO_BIN`
    /// names another one, which is never built.
    #[arg(long)]
    no_build: bool,
    /// Keeps logs and data in this folder; by default they go to one below `target/stack` that is
    /// removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Adds this to each of the profile's ports.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
}

/// Runs until Ctrl-C or SIGTERM, or until a part of it ends by itself, which is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Some(name) = options.profile.as_ref().filter(|_| !options.list) else {
        return list();
    };
    let profile = Profile::read(name)?.moved_by(options.port_offset)?;
    let binary = binary(options.no_build)?;
    let stop = stop_signal()?;
    let place = match &options.data_dir {
        Some(folder) => Place::named(folder)?,
        None => Place::temporary(name, &profile)?,
    };
    let started = Instant::now();
    let mut stack = Stack::start(&profile, &binary, place)?;
    println!(
        "{name} is ready after {}: {}",
        seconds(started.elapsed()),
        profile.url
    );
    println!("{}", stack.description());
    println!("Ctrl-C stops it");
    while !stop.load(Ordering::Relaxed) {
        if let Some(end) = stack.ended() {
            bail!("{end}");
        }
        std::thread::sleep(PAUSE);
    }
    if let Some(usage) = stack.usage() {
        println!("{usage}");
    }
    stack.stop()?;
    println!("{name} is stopped");
    Ok(())
}

fn list() -> Result<()> {
    let profiles = Profile::all()?;
    let width = profiles.iter().map(|(name, _)| name.len()).max();
    for (name, profile) in &profiles {
        println!("{name:0$}  {1}", width.unwrap_or(0), profile.summary);
    }
    Ok(())
}

/// The server's binary: the one that `LASTRO_BIN` names, else the release binary, built unless
/// that is not wanted.
pub(crate) fn binary(no_build: bool) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("LASTRO_BIN") {
        // The stack's processes run in folders of their own.
        return std::path::absolute(PathBuf::from(&named))
            .and_then(|path| path.canonicalize())
            .with_context(|| format!("LASTRO_BIN is {}", named.display()));
    }
    if !no_build {
        return release_binary();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace::root().join("target"), PathBuf::from);
    let path = target.join("release").join("lastro");
    path.canonicalize().with_context(|| {
        let place = path.display();
        format!(
            "{place} is not there: build it with `cargo build --release`, or leave out --no-build"
        )
    })
}

/// Turns true at the first SIGINT or SIGTERM. A second one ends this process at once; guardians
/// then kill whatever it started.
fn stop_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag still down.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot hear signals")?;
    }
    Ok(stop)
}
