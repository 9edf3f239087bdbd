//! Containers: the images, the compose files of the profiles, and runs of them.

mod compose;
mod engine;
mod images;
mod session;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::run::{self, Steps};
use crate::stack::{self, Profile};
use compose::Network;
use engine::Engine;
use images::{IMAGES, Source};
use session::Session;
use usage::Watch;

/// The options of `cargo xtask images`.
#[derive(clap::Args)]
pub(crate) struct ImagesOptions {
    /// Public names of images; without any, all that the compose files use.
    names: Vec<String>,
    /// Builds stand-ins for what is not here, without asking a registry.
    #[arg(long)]
    no_pull: bool,
}

/// `cargo xtask images`: makes sure that the images are here, and prints what they are.
pub(crate) fn images(options: &ImagesOptions) -> Result<()> {
    let engine = Engine::find()?;
    eprintln!("    {}", engine.description());
    let mut source = Source::new(!options.no_pull);
    let all = || IMAGES.iter().map(|image| image.name.to_owned()).collect();
    let names = match options.names.is_empty() {
        true => all(),
        false => options.names.clone(),
    };
    for name in names {
        println!("{}", source.provide(&name)?);
    }
    Ok(())
}

/// The options of `cargo xtask compose`.
#[derive(clap::Args)]
pub(crate) struct ComposeOptions {
    /// The profiles: folders of `deploy/`; without any, all of them.
    profiles: Vec<String>,
}

/// `cargo xtask compose`: writes the compose files of profiles.
pub(crate) fn compose(options: &ComposeOptions) -> Result<()> {
    for (name, profile) in chosen(&options.profiles)? {
        for file in compose_files(&name, &profile)? {
            let path = profile.folder.join(&file.path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            fs::write(&path, file.text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("deploy/{name}/{}", file.path);
        }
    }
    Ok(())
}

fn compose_files(name: &str, profile: &Profile) -> Result<Vec<compose::File>> {
    compose::files(name, profile)
        .with_context(|| format!("deploy/{name}/profile.toml makes no compose file"))
}

/// The profiles of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<(String, Profile)>> {
    if names.is_empty() {
        return Profile::all();
    }
    let read = |name: &String| Ok((name.clone(), Profile::read(name)?));
    names.iter().map(read).collect()
}

/// The options of `cargo xtask containers`.
#[derive(clap::Args)]
pub(crate) struct ContainersOptions {
    /// The profiles: folders of `deploy/`; without any, all of them.
    profiles: Vec<String>,
    /// Which network the containers are on.
    #[arg(long, value_enum, default_value_t = On::Bridge)]
    network: On,
    /// A few seconds of load instead of the official length: only whether everything works together.
    #[arg(long)]
    short: bool,
    /// The server's binary, for the image and for the load. Without it: the one that LASTRO_BIN names, else the
    /// release binary, which is built.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Adds this to each port of the profiles.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// Builds stand-ins for images that are not here, without asking a registry.
    #[arg(long)]
    no_pull: bool,
    /// Does nothing where no container engine answers, and says so.
    #[arg(long)]
    where_possible: bool,
    /// More arguments for `lastro load`, such as `-- --final`.
    #[arg(last = true)]
    load: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    Bridge,
    Host,
}

/// `cargo xtask containers`: starts profiles in containers, drives them, and takes them down.
pub(crate) fn containers(options: &ContainersOptions) -> Result<()> {
    let engine = match Engine::find() {
        Err(error) if options.where_possible => {
            eprintln!("    SKIPPED, nothing was run in containers: {error:#}");
            return Ok(());
        }
        engine => engine?,
    };
    eprintln!("    {}", engine.description());
    let mut steps = Steps::default();
    let result = steps_of_containers(options, &engine, &mut steps);
    eprintln!("{}", steps.summary());
    result
}

fn steps_of_containers(
    options: &ContainersOptions,
    engine: &Engine,
    steps: &mut Steps,
) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.canonicalize().context("--binary")?,
        None => stack::binary(false)?,
    };
    let profiles = chosen(&options.profiles)?;
    let mut source = Source::new(!options.no_pull);
    let image = steps.run("image of Lastro", || {
        println!("{}", source.provide(images::BASE)?);
        session::image_of(&binary)
    })?;
    let network = match options.network {
        On::Bridge => Network::Bridge,
        On::Host => Network::Host,
    };
    let mut failed = Vec::new();
    for (name, profile) in profiles {
        let profile = profile.moved_by(options.port_offset)?;
        let images = compose::images_of(&profile);
        steps.run(&format!("{name}: images"), || {
            for image in images {
                println!("{}", source.provide(image)?);
            }
            Ok(())
        })?;
        let ran = steps.run(&name, || {
            let session = Session::start(engine, &name, &profile, network, image)?;
            drive(&session, &profile, &binary, options)?;
            session.take_down()
        });
        if let Err(error) = ran {
            eprintln!("    {error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Drives a profile with its load, prints what it took, and audits its ledger, also after a load that failed.
fn drive(
    session: &Session<'_>,
    profile: &Profile,
    binary: &Path,
    options: &ContainersOptions,
) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for the report")?;
    let report = folder.path().join("report.json");
    let mut load = Command::new(binary);
    load.arg("load")
        .args(&profile.load)
        .arg("--json")
        .arg(&report);
    if options.short {
        load.args(shorter(&profile.load)?);
    }
    let watch = Watch::start(session.containers()?)?;
    let mut loaded = run::check(load.args(&options.load));
    println!("{}", watch.finish()?);
    if options.short
        && loaded.is_err()
        && fs::read_to_string(&report).is_ok_and(|it| was_right(&it))
    {
        println!("  the short load was answered late, and rightly");
        loaded = Ok(());
    }
    println!("  {}", session.audit()?);
    loaded
}

/// Whether every answer of a load was right, by its report: in a few seconds on a busy machine the challenge's
/// share of late answers says nothing.
fn was_right(report: &str) -> bool {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    ["failures_count", "inconsistencies_count"]
        .iter()
        .all(|count| report.get(count).and_then(serde_json::Value::as_u64) == Some(0))
}

/// What makes a load short.
fn shorter(load: &[String]) -> Result<[&'static str; 2]> {
    match load.first().map(String::as_str) {
        Some("rinha-2024") => Ok(["--duration-scale", "0.02"]),
        Some("rinha-2025") => Ok(["--users", "20"]),
        Some("bank") => Ok(["--seconds", "3"]),
        Some(_) | None => bail!("the profile names no load that can be short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_files_are_those_of_the_profiles() {
        for (name, profile) in Profile::all().unwrap() {
            for file in compose_files(&name, &profile).unwrap() {
                let path = profile.folder.join(&file.path);
                let written = fs::read_to_string(&path).unwrap_or_default();
                assert_eq!(
                    written,
                    file.text,
                    "{} is not up to date: run `cargo xtask compose {name}`",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn a_load_that_was_late_is_right_and_one_that_was_wrong_is_not() {
        assert!(was_right(
            r#"{"failures_count": 0, "inconsistencies_count": 0, "late_count": 9}"#
        ));
        assert!(!was_right(
            r#"{"failures_count": 0, "inconsistencies_count": 1}"#
        ));
        assert!(!was_right(
            r#"{"failures_count": 1, "inconsistencies_count": 0}"#
        ));
        assert!(!was_right(r#"{"failures_count": 0}"#));
        assert!(!was_right(""));
    }

    #[test]
    fn every_load_of_the_profiles_can_be_short() {
        for (name, profile) in Profile::all().unwrap() {
            assert!(shorter(&profile.load).is_ok(), "{name}");
        }
        assert!(shorter(&[]).is_err());
    }
}
