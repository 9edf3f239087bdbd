//! The files of a package, laid out as they will be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::deb;
use super::files::{mode, write};
use super::release::Release;
use crate::{run, workspace};

/// What the packages are made of.
pub(super) struct Staging<'a> {
    pub(super) release: &'a Release,
    pub(super) binary: &'a Path,
    pub(super) notices: String,
    pub(super) sbom: &'a Path,
}

/// Where the parts of a package lie, from its root.
struct Layout {
    binary: &'static str,
    manuals: &'static str,
    completions: &'static str,
    documents: &'static str,
    configuration: &'static str,
    unit: &'static str,
}

const ARCHIVE: Layout = Layout {
    binary: "bin",
    manuals: "man",
    completions: "completions",
    documents: ".",
    configuration: "etc",
    unit: "systemd",
};

const DEBIAN: Layout = Layout {
    binary: "usr/bin",
    manuals: "usr/share/man/man1",
    completions: "usr/share",
    documents: "usr/share/doc/lastro",
    configuration: "etc/lastro",
    unit: "usr/lib/systemd/system",
};

/// Each shell, and where its completion is in the archive and in Debian.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "lastro.bash", "bash-completion/completions/lastro"),
    ("zsh", "_lastro", "zsh/vendor-completions/_lastro"),
    (
        "fish",
        "lastro.fish",
        "fish/vendor_completions.d/lastro.fish",
    ),
];

/// The files of `deploy/` for the monitoring.
const MONITORING: [&str; 5] = [
    "grafana/ledger.json",
    "grafana/api.json",
    "grafana/payments.json",
    "prometheus/alerts.yml",
    "prometheus/prometheus.yml",
];

/// The setting that a package sets: its service has a folder of its own.
const DATA_DIR: (&str, &str) = (
    "# data_dir = \"lastro-data\"\n",
    "data_dir = \"/var/lib/lastro\"\n",
);

impl Staging<'_> {
    /// Writes the archive into `folder`.
    pub(super) fn archive(&self, folder: &Path) -> Result<PathBuf> {
        let Release {
            version,
            architecture,
            time,
        } = self.release;
        let name = format!("lastro-{version}-{architecture}-linux");
        let staged = tempfile::tempdir_in(folder).context("cannot stage the archive")?;
        self.stage(&staged.path().join(&name), &ARCHIVE)?;
        let archive = folder.join(format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{time}"))
            .args([
                "--use-compress-program",
                "gzip -9 --no-name",
                "--create",
                "--file",
            ])
            .arg(&archive)
            .arg("--directory")
            .arg(staged.path())
            .arg(&name);
        run::quiet(&mut tar)?;
        Ok(archive)
    }

    /// Writes the Debian package into `folder`.
    pub(super) fn deb(&self, folder: &Path) -> Result<PathBuf> {
        let staged = tempfile::tempdir_in(folder).context("cannot stage the package")?;
        // Others must be able to enter the root of the package.
        let root = staged.path().join("root");
        self.stage(&root, &DEBIAN)?;
        for manual in root.join(DEBIAN.manuals).read_dir()? {
            run::quiet(
                Command::new("gzip")
                    .args(["-9", "--no-name"])
                    .arg(manual?.path()),
            )?;
        }
        deb::build(&root, folder, self.release)
    }

    fn stage(&self, root: &Path, layout: &Layout) -> Result<()> {
        let binary = folder(root, layout.binary)?.join("lastro");
        let mut strip = Command::new("strip");
        run::quiet(strip.arg("-o").arg(&binary).arg(self.binary))?;
        mode(&binary, 0o755)?;
        let manuals = folder(root, layout.manuals)?;
        run::quiet(
            Command::new(&binary)
                .arg("manual")
                .arg("--to")
                .arg(&manuals),
        )?;
        for (shell, in_archive, in_debian) in SHELLS {
            let name = if layout.unit == DEBIAN.unit {
                in_debian
            } else {
                in_archive
            };
            let completion = run::quiet(Command::new(&binary).args(["completion", shell]))?;
            write(&root.join(layout.completions).join(name), completion.stdout)?;
        }
        let example = run::quiet(Command::new(&binary).args(["config", "example"]))?;
        let example = String::from_utf8(example.stdout).context("the example is not text")?;
        ensure!(
            example.contains(DATA_DIR.0),
            "the example of the configuration has no line {:?}",
            DATA_DIR.0
        );
        let configuration = root.join(layout.configuration).join("lastro.toml");
        write(&configuration, example.replace(DATA_DIR.0, DATA_DIR.1))?;
        let source = workspace::root();
        copy(
            &source.join("deploy/systemd/lastro.service"),
            &root.join(layout.unit).join("lastro.service"),
        )?;
        let documents = root.join(layout.documents);
        for name in ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"] {
            copy(&source.join(name), &documents.join(name))?;
        }
        write(&documents.join("NOTICES"), &self.notices)?;
        copy(self.sbom, &documents.join("lastro.cdx.json"))?;
        for name in MONITORING {
            copy(&source.join("deploy").join(name), &documents.join(name))?;
        }
        Ok(())
    }
}

fn folder(root: &Path, name: &str) -> Result<PathBuf> {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, bytes)
}
