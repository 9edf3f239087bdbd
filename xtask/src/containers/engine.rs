//! The container engine of this machine: Docker, and the program that reads compose files.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::quiet;

/// A Docker that answers.
pub(crate) struct Engine {
    /// Its version, such as `20.10.24`.
    version: String,
    /// The words that begin a command about compose files.
    compose: Vec<&'static str>,
    /// The version of that program.
    compose_version: String,
}

impl Engine {
    /// The one of this machine; an error says what is missing.
    pub(crate) fn find() -> Result<Self> {
        let version = printed(docker(["version", "--format", "{{.Server.Version}}"]))
            .context("no container engine answers: install and start Docker (on Debian `apt-get install docker.io docker-compose`)")?;
        let plugin = || Some(vec!["docker", "compose"]);
        let program = || Some(vec!["docker-compose"]);
        let found = [plugin(), program()]
            .into_iter()
            .flatten()
            .find_map(|words| {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]).args(["version", "--short"]);
                Some((words, printed(command).ok()?))
            });
        let Some((compose, compose_version)) = found else {
            bail!(
                "neither `docker compose` nor `docker-compose` is here: on Debian `apt-get install docker-compose`"
            );
        };
        Ok(Self {
            version,
            compose,
            compose_version,
        })
    }

    /// In a line: both versions.
    pub(crate) fn description(&self) -> String {
        let (version, compose) = (&self.version, self.compose.join(" "));
        format!("Docker {version}, {compose} {}", self.compose_version)
    }

    /// A command about the compose file of a project.
    pub(super) fn compose(&self, project: &str, file: &Path) -> Command {
        let mut command = Command::new(self.compose[0]);
        command.args(&self.compose[1..]);
        command
            .args(["--project-name", project, "--file"])
            .arg(file);
        command
    }
}

/// `docker` with these words.
pub(super) fn docker<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("docker");
    command.args(words);
    command
}

/// What a command prints, without white space around it.
pub(super) fn printed(mut command: Command) -> Result<String> {
    let output = quiet(&mut command)?;
    let text = String::from_utf8(output.stdout).context("a program printed what is not text")?;
    Ok(text.trim().to_owned())
}
