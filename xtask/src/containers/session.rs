//! A profile in containers: started from a copy of its folder, driven, audited, and taken down with all that it
//! had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::compose::{self, Network};
use super::engine::{Engine, docker, printed};
use super::usage::Container;
use crate::run::{self, quiet};
use crate::stack::{DatabaseKind, Node, Profile, get};
use crate::workspace;

/// How long the services may take until the profile can be used.
const START_BOUND: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(200);
/// The folder of the ledger in a container.
const DATA: &str = "/var/lib/lastro";

/// Containers, networks and volumes of one profile. Removed when dropped.
pub(super) struct Session<'a> {
    engine: &'a Engine,
    profile: &'a Profile,
    /// The image of Lastro.
    image: &'a str,
    project: String,
    file: PathBuf,
    _folder: TempDir,
    is_down: bool,
}

impl<'a> Session<'a> {
    /// Starts everything and waits until it can be used.
    pub(super) fn start(
        engine: &'a Engine,
        name: &str,
        profile: &'a Profile,
        network: Network,
        image: &'a str,
    ) -> Result<Self> {
        let folder = copy(name, profile)?;
        let session = Self {
            engine,
            profile,
            image,
            project: format!("{name}-{}", std::process::id()),
            file: folder.path().join(network.file()),
            _folder: folder,
            is_down: false,
        };
        session.begin_ledgers()?;
        quiet(session.compose().args(["up", "--detach"])).or_else(|error| session.failed(error))?;
        let deadline = Instant::now() + START_BOUND;
        while get(&profile.ready).is_none_or(|(status, _)| status != 200) {
            if Instant::now() > deadline {
                let error = anyhow::anyhow!("{} is not answered with 200", profile.ready);
                return session.failed(error);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(session)
    }

    fn compose(&self) -> Command {
        let mut command = self.engine.compose(&self.project, &self.file);
        command.env("IMAGE_LASTRO", self.image);
        command
    }

    fn begin_ledgers(&self) -> Result<()> {
        for node in self
            .profile
            .nodes
            .iter()
            .filter(|node| node.begins.is_some())
        {
            let words = ["run", "--rm", "--no-deps", "-T", &node.name];
            quiet(
                self.compose()
                    .args(words)
                    .args(["init", "--data-dir", DATA]),
            )?;
        }
        Ok(())
    }

    /// The error, with what the services have logged.
    fn failed<T>(&self, error: anyhow::Error) -> Result<T> {
        let logs = quiet(self.compose().args(["logs", "--no-color", "--tail", "25"]));
        let logs = logs.map(|output| output.stdout).unwrap_or_default();
        let logs = String::from_utf8_lossy(&logs);
        Err(error.context(format!("the containers do not run; they logged:\n{logs}")))
    }

    /// The containers that run, in the order of the compose file.
    pub(super) fn containers(&self) -> Result<Vec<Container>> {
        let ids = quiet(self.compose().args(["ps", "--quiet"]))?;
        let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
        let mut containers = Vec::new();
        for id in ids.split_whitespace() {
            const FORMAT: &str =
                "{{.State.Running}} {{index .Config.Labels \"com.docker.compose.service\"}}";
            let about = printed(docker(["inspect", "--format", FORMAT, id]))?;
            if let Some(("true", service)) = about.split_once(' ') {
                containers.push(Container {
                    service: service.to_owned(),
                    id: id.to_owned(),
                });
            }
        }
        Ok(containers)
    }

    /// Stops the nodes, each of which has to end with 0 in time; then checks the ledger.
    pub(super) fn audit(&self) -> Result<String> {
        let containers = self.containers()?;
        let is_node = |container: &&Container| {
            let mut nodes = self.profile.nodes.iter();
            nodes.any(|node| node.name == container.service && !node.outside_limits)
        };
        let nodes: Vec<&Container> = containers.iter().filter(is_node).collect();
        // Against the order of the start: who asks goes before who answers.
        for node in nodes.iter().rev() {
            quiet(
                self.compose()
                    .args(["stop", "--timeout", "20", &node.service]),
            )?;
            const FORMAT: &str = "{{.State.ExitCode}} {{.State.OOMKilled}}";
            let state = printed(docker(["inspect", "--format", FORMAT, &node.id]))?;
            ensure!(
                state == "0 false",
                "{} ended with {state} (exit code, killed for its memory) after SIGTERM",
                node.service
            );
        }
        let mut verify = self.compose();
        let begins = |node: &&Node| node.begins.is_some();
        let mut nodes = self.profile.nodes.iter();
        let node = nodes.clone().find(begins).or_else(|| nodes.next());
        let node = node.context("the profile has no node")?;
        verify.args(["run", "--rm", "--no-deps", "-T", &node.name, "verify"]);
        match self.profile.databases.is_empty() {
            true => verify.args(["--data-dir", DATA]),
            false => verify.arg("--plaintext"),
        };
        for database in &self.profile.databases {
            match database.kind {
                DatabaseKind::Postgres => {
                    verify.args(["--database-url-file", "/run/secrets/database_url"])
                }
                DatabaseKind::Redis => verify.args(["--redis-url-file", "/run/secrets/redis_url"]),
            };
        }
        let verified = quiet(&mut verify)?;
        let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
        let line = verified.lines().find(|line| line.starts_with("clean"));
        Ok(line
            .context("`lastro verify` does not say that it is clean")?
            .to_owned())
    }

    /// Removes everything, volumes too.
    pub(super) fn take_down(mut self) -> Result<()> {
        self.is_down = true;
        self.down()
    }

    fn down(&self) -> Result<()> {
        let words = ["down", "--volumes", "--remove-orphans", "--timeout", "20"];
        quiet(self.compose().args(words)).map(drop)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.is_down
            && let Err(error) = self.down()
        {
            eprintln!("    containers of {} may be left: {error:#}", self.project);
        }
    }
}

/// The folder of the profile as it is for its ports, with the compose files.
fn copy(name: &str, profile: &Profile) -> Result<TempDir> {
    let target = workspace::root().join("target").join("containers");
    fs::create_dir_all(&target)?;
    let folder = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(target)?;
    // The engine mounts files of it for other users.
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    for entry in profile.folder.read_dir()?.flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
        }
    }
    if let Some(proxy) = &profile.proxy {
        fs::write(folder.path().join(&proxy.config), &proxy.text)?;
    }
    for file in compose::files(name, profile)? {
        let path = folder.path().join(file.path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(path, file.text)?;
    }
    Ok(folder)
}

/// Builds the image of Lastro of a binary; returns its name.
pub(super) fn image_of(binary: &Path) -> Result<&'static str> {
    const IMAGE: &str = "lastro:xtask";
    let folder = tempfile::tempdir().context("cannot make a folder for the build")?;
    let mut strip = Command::new("strip");
    strip
        .arg("--strip-unneeded")
        .arg("-o")
        .arg(folder.path().join("lastro"));
    quiet(strip.arg(binary))?;
    let version = printed({
        let mut version = Command::new(binary);
        version.arg("--version");
        version
    })?;
    let version = version.trim_start_matches("lastro ");
    let dockerfile = workspace::root().join("Dockerfile");
    let version = format!("VERSION={version}");
    let mut build = docker(["build", "--quiet", "--target", "of-binary", "--tag", IMAGE]);
    build
        .args(["--build-arg", &version, "--file"])
        .arg(dockerfile);
    run::check(build.arg(folder.path()))?;
    Ok(IMAGE)
}
