//! `cargo xtask package`: what is handed to people who run Lastro.
//!
//! | file in `target/package` | what it is |
//! |---|---|
//! | `lastro-<version>-<architecture>-linux.tar.gz` | the stripped binary, manual pages, completions, an example of the configuration, the unit of systemd, dashboards and alerts |
//! | `lastro_<version>_<architecture>.deb` | the same as a Debian package, with a user of its own |
//! | `lastro-<version>.cdx.json` | every crate that is linked in, as a CycloneDX bill of materials |
//! | `SHA256SUMS` | checksums of all of them, for `sha256sum --check` |
//!
//! The same sources give the same files: times are those of the commit, owners are root, names are sorted.

mod check;
mod deb;
mod dependencies;
mod files;
mod notices;
mod release;
mod sbom;
mod staging;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::chores::test::release_binary;
use crate::run::{self, Steps};
use crate::{tools, workspace};
pub(crate) use dependencies::{Dependencies, Package};
use release::Release;
use staging::Staging;

/// The options of `cargo xtask package`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Also installs, upgrades, removes and purges the Debian package in a clean Debian of its own, and
    /// checks that the data is kept. Needs root and debootstrap; takes a few minutes.
    #[arg(long)]
    check: bool,
    /// Packages this binary instead of building the one that ships.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let result = steps_of_package(options, &mut steps);
    eprintln!("{}", steps.summary());
    result
}

fn steps_of_package(options: &Options, steps: &mut Steps) -> Result<()> {
    steps.run("tools", tools::provide)?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => steps.run("release binary", release_binary)?,
    };
    let folder = workspace::root().join("target").join("package");
    let release = Release::of(&binary)?;
    let package = steps.run("packages", || pack(&folder, &release, &binary))?;
    if options.check {
        steps.run("installation", || check::run(&folder, &package, &release))?;
    }
    eprintln!("    in {}", folder.display());
    Ok(())
}

/// Writes all files; returns the path of the Debian package.
fn pack(folder: &Path, release: &Release, binary: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("cannot empty the folder of packages")?;
    }
    std::fs::create_dir_all(folder).context("cannot make the folder of packages")?;
    let dependencies = Dependencies::read()?;
    let sbom = folder.join(format!("lastro-{}.cdx.json", release.version));
    std::fs::write(&sbom, sbom::document(release, &dependencies))?;
    let staging = Staging {
        release,
        binary,
        notices: notices::text(&dependencies)?,
        sbom: &sbom,
    };
    let archive = staging.archive(folder)?;
    let package = staging.deb(folder)?;
    let mut sums = Command::new("sha256sum");
    for file in [&archive, &package, &sbom] {
        sums.arg(file.file_name().context("a file without a name")?);
    }
    let sums = run::quiet(sums.current_dir(folder))?;
    std::fs::write(folder.join("SHA256SUMS"), sums.stdout)?;
    Ok(package)
}
