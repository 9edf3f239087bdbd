//! The Debian package in a clean Debian of its own: installed, used, upgraded, removed, purged. What the
//! ledger has is kept through all of it, and so is what the operator has written.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::release::Release;
use crate::run;

/// The release of Debian that is made.
const SUITE: &str = "bookworm";
const DATA: &str = "/var/lib/lastro";
const CONFIGURATION: &str = "etc/lastro/lastro.toml";

/// Checks `package`; what is made for that is removed again.
pub(super) fn run(folder: &Path, package: &Path, release: &Release) -> Result<()> {
    let made = tempfile::tempdir_in(folder).context("cannot make a folder for the Debian")?;
    let debian = Debian::new(made.path().join("root"))?;
    debian.install(package)?;
    debian.check_installed(release)?;
    let head = debian.use_ledger()?;

    // What an operator changes is kept, and so is the ledger.
    let configuration = debian.root.join(CONFIGURATION);
    let mut text = std::fs::read_to_string(&configuration)?;
    text.push_str("\n# The operator was here.\n");
    std::fs::write(&configuration, &text)?;
    let newer = newer(made.path(), package, release)?;
    debian.install(&newer)?;
    ensure!(
        debian.run(&["dpkg-query", "-W", "-f=${Version}", "lastro"])? == newer_version(release),
        "the upgrade did not install the newer version"
    );
    ensure!(
        std::fs::read_to_string(&configuration)? == text,
        "the upgrade changed the operator's configuration"
    );
    ensure!(debian.head()? == head, "the upgrade changed the ledger");

    debian.run(&["dpkg", "--remove", "lastro"])?;
    ensure!(
        !debian.root.join("usr/bin/lastro").exists(),
        "the removed package left its binary"
    );
    ensure!(configuration.exists(), "the removal took the configuration");
    debian.run(&["dpkg", "--purge", "lastro"])?;
    ensure!(!configuration.exists(), "the purge left the configuration");
    ensure!(debian.segments()? > 0, "the purge took the ledger");
    debian.install(package)?;
    ensure!(
        debian.head()? == head,
        "the ledger is another one after a purge and a new installation"
    );
    Ok(())
}

/// A Debian in a folder.
struct Debian {
    root: PathBuf,
}

impl Debian {
    fn new(root: PathBuf) -> Result<Self> {
        let mut bootstrap = Command::new("debootstrap");
        bootstrap
            .args(["--variant=minbase", "--include=adduser", SUITE])
            .arg(&root);
        run::quiet(&mut bootstrap).context("needs root, and a mirror of Debian")?;
        Ok(Self { root })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).args(words);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// What a command in it prints.
    fn run(&self, words: &[&str]) -> Result<String> {
        let output = run::quiet(&mut self.command(words))?;
        String::from_utf8(output.stdout).context("a program printed what is not text")
    }

    fn install(&self, package: &Path) -> Result<()> {
        let name = "/tmp/lastro.deb";
        std::fs::copy(package, self.root.join(&name[1..])).context("cannot hand the package in")?;
        self.run(&["dpkg", "--install", name])?;
        Ok(())
    }

    fn check_installed(&self, release: &Release) -> Result<()> {
        let printed = self.run(&["lastro", "--version"])?;
        ensure!(
            printed.contains(&release.version),
            "{printed} is not {}",
            release.version
        );
        let found = self.run(&["stat", "-c", "%U %G %a", DATA, "/etc/lastro/lastro.toml"])?;
        ensure!(
            found == "lastro lastro 700\nroot lastro 640\n",
            "owners and modes are {found}"
        );
        for name in [
            "usr/lib/systemd/system/lastro.service",
            "usr/share/man/man1/lastro-serve.1.gz",
            "usr/share/bash-completion/completions/lastro",
            "usr/share/zsh/vendor-completions/_lastro",
            "usr/share/fish/vendor_completions.d/lastro.fish",
            "usr/share/doc/lastro/NOTICES",
            "usr/share/doc/lastro/lastro.cdx.json",
        ] {
            ensure!(
                self.root.join(name).is_file(),
                "{name} is not in the package"
            );
        }
        let checked = self.as_user(&["config", "check", "--config", "/etc/lastro/lastro.toml"])?;
        ensure!(
            checked.contains(DATA),
            "the configuration names another folder: {checked}"
        );
        Ok(())
    }

    /// What `lastro` prints for its own user.
    fn as_user(&self, arguments: &[&str]) -> Result<String> {
        self.run(&[USER, &["lastro"], arguments].concat())
    }

    /// Serves a ledger for a moment, so that there is one; returns its head.
    fn use_ledger(&self) -> Result<String> {
        let served = [
            "lastro",
            "serve",
            "--demo",
            "--config",
            "/etc/lastro/lastro.toml",
        ];
        let anywhere = ["--listen", "127.0.0.1:0", "--metrics-listen", "none"];
        let mut server = self.command(&[USER, &served, &anywhere].concat());
        let mut server = server
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let log = server.stderr.take().context("the server has a log")?;
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("the server is ready"));
        run::quiet(Command::new("kill").arg(server.id().to_string()))?;
        let rest: Vec<String> = lines.collect();
        let status = server.wait().context("cannot wait for the server")?;
        ensure!(
            is_ready && status.success(),
            "the server ended with {status}: {}",
            rest.join("\n")
        );
        self.head()
    }

    /// The line of `lastro verify` that names the head.
    fn head(&self) -> Result<String> {
        let verified = self.as_user(&["verify", "--data-dir", DATA])?;
        let head = verified.lines().find(|line| line.contains("head"));
        Ok(head
            .with_context(|| format!("no head in {verified}"))?
            .to_owned())
    }

    fn segments(&self) -> Result<usize> {
        let mut count = 0;
        for entry in self.root.join(&DATA[1..]).read_dir()? {
            let name = entry?.file_name();
            count += usize::from(Path::new(&name).extension() == Some("segment".as_ref()));
        }
        Ok(count)
    }
}

/// What runs a program as the user of the package.
const USER: &[&str] = &[
    "setpriv",
    "--reuid=lastro",
    "--regid=lastro",
    "--init-groups",
    "--",
];

fn newer_version(release: &Release) -> String {
    format!("{}+newer", release.version)
}

/// The same package with a newer version.
fn newer(folder: &Path, package: &Path, release: &Release) -> Result<PathBuf> {
    let unpacked = folder.join("newer");
    run::quiet(
        Command::new("dpkg-deb")
            .arg("--raw-extract")
            .arg(package)
            .arg(&unpacked),
    )?;
    let control = unpacked.join("DEBIAN/control");
    let fields = std::fs::read_to_string(&control)?;
    let version = format!("Version: {}\n", release.version);
    ensure!(fields.contains(&version), "the package has another version");
    let newer = format!("Version: {}\n", newer_version(release));
    std::fs::write(&control, fields.replace(&version, &newer))?;
    let built = folder.join("newer.deb");
    let mut build = Command::new("dpkg-deb");
    build
        .args(["--root-owner-group", "-Zgzip", "--build"])
        .arg(&unpacked)
        .arg(&built);
    run::quiet(&mut build)?;
    Ok(built)
}
