//! The Debian package: its control files, and `dpkg-deb`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::files::{mode, write};
use super::release::Release;
use crate::{run, workspace};

/// The scripts that dpkg runs, in `deploy/debian`.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// The files that an operator changes, and that an upgrade leaves as they are.
const CONFIGURATION: &str = "/etc/lastro/lastro.toml\n";

/// Makes a package of the files under `root`, in `folder`.
pub(super) fn build(root: &Path, folder: &Path, release: &Release) -> Result<PathBuf> {
    let control = root.join("DEBIAN");
    let glibc = glibc_min(&root.join("usr/bin/lastro"))?;
    write(
        &control.join("control"),
        fields(release, &glibc, installed_kib(root)?),
    )?;
    write(&control.join("conffiles"), CONFIGURATION)?;
    for name in SCRIPTS {
        let script = workspace::root().join("deploy/debian").join(name);
        let text =
            std::fs::read(&script).with_context(|| format!("cannot read {}", script.display()))?;
        write(&control.join(name), text)?;
        mode(&control.join(name), 0o755)?;
    }
    let package = folder.join(format!(
        "lastro_{}_{}.deb",
        release.version, release.architecture
    ));
    let mut build = Command::new("dpkg-deb");
    build
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(root)
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", &release.time);
    run::quiet(&mut build)?;
    Ok(package)
}

fn fields(release: &Release, glibc: &str, installed_kib: u64) -> String {
    let Release {
        version,
        architecture,
        ..
    } = release;
    format!(
        "Package: lastro\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: The Lastro developers <lastro@localhost>\nInstalled-Size: {installed_kib}\n\
         Depends: adduser, libc6 (>= {glibc}), libgcc-s1\nSection: database\nPriority: optional\n\
         Description: ledger and payments server\n \
         Accounts hold money under a credit limit, transfers move it, and payments take it out\n \
         through external processors. Nothing that was answered is ever lost, no limit is ever\n \
         passed, and the same id means the same transfer.\n"
    )
}

/// What the files take, as `du` counts.
fn installed_kib(root: &Path) -> Result<u64> {
    let counted = run::quiet(
        Command::new("du")
            .args(["-sk", "--apparent-size"])
            .arg(root),
    )?;
    let counted = String::from_utf8(counted.stdout).context("du prints text")?;
    let number = counted
        .split_whitespace()
        .next()
        .context("du prints a number")?;
    number.parse().context("du prints a number")
}

/// The newest version of the C library that the binary asks for.
fn glibc_min(binary: &Path) -> Result<String> {
    let symbols = run::quiet(Command::new("objdump").arg("-T").arg(binary))?;
    newest_glibc(&String::from_utf8_lossy(&symbols.stdout))
        .context("the binary asks for no version of the C library")
}

fn newest_glibc(symbols: &str) -> Option<String> {
    let words = symbols.split(|letter: char| letter.is_whitespace() || "()".contains(letter));
    let versions = words.filter_map(|word| word.strip_prefix("GLIBC_"));
    let numbers = versions.filter_map(|version| {
        let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
        numbers.ok()
    });
    let newest = numbers.max()?;
    let texts: Vec<_> = newest.iter().map(ToString::to_string).collect();
    Some(texts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts_as_numbers_do() {
        let symbols = "0000 DF *UND* 0000 (GLIBC_2.9) poll\n0000 DF *UND* 0000 (GLIBC_2.34) a\n\
                       0000 DF *UND* 0000 (GLIBC_2.2.5) b\n0000 DF *UND* 0000 (GLIBC_PRIVATE) c\n";
        assert_eq!(newest_glibc(symbols).as_deref(), Some("2.34"));
        assert_eq!(newest_glibc("nothing"), None);
    }
}
