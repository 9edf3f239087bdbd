//! A service of a compose file, and how it is written.

use std::fmt::Write as _;

use super::yaml::{scalar, words};
use crate::stack::Limits;

/// The end of the name of a volume with sockets.
pub(super) const SOCKETS: &str = "-run";

/// When a service is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Healthy,
    Completed,
}

/// A service. What is empty is not written.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) image: String,
    /// Whether it ends by itself.
    pub(super) ends: bool,
    pub(super) user: Option<&'static str>,
    pub(super) entrypoint: Option<&'static str>,
    pub(super) command: Vec<String>,
    /// A shell script in the place of the command.
    pub(super) script: Option<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) working_dir: Option<String>,
    /// Each `source:target` or `source:target:ro`.
    pub(super) mounts: Vec<String>,
    pub(super) tmpfs: Vec<&'static str>,
    pub(super) network_mode: Option<&'static str>,
    pub(super) extra_hosts: Vec<String>,
    /// Published on loopback of the host.
    pub(super) ports: Vec<u16>,
    pub(super) after: Vec<(String, After)>,
    /// Exits with 0 once the next service may be started.
    pub(super) health: Vec<String>,
    pub(super) cap_add: Vec<&'static str>,
    pub(super) share: Limits,
}

impl Service {
    /// The names of the volumes that it mounts.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        let sources = self.mounts.iter().filter_map(|it| it.split(':').next());
        sources.filter(|source| !source.starts_with('.'))
    }

    pub(super) fn text(&self) -> String {
        let mut out = format!("  {}:\n    <<: *service\n", self.name);
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "    {key}: {value}");
        };
        line("image", &self.image);
        if self.ends {
            line("restart", "\"no\"");
        }
        if let Some(user) = self.user {
            line("user", &scalar(user));
        }
        if let Some(entrypoint) = self.entrypoint {
            line("entrypoint", entrypoint);
        }
        if !self.command.is_empty() {
            line("command", &words(&self.command, "      "));
        }
        if let Some(script) = &self.script {
            let indented: Vec<String> = script.lines().map(|it| format!("        {it}")).collect();
            line("command", &format!("\n      - |\n{}", indented.join("\n")));
        }
        if !self.environment.is_empty() {
            let pairs = self.environment.iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}: {}", scalar(value)))
                .collect();
            line("environment", &format!("{{{}}}", pairs.join(", ")));
        }
        if let Some(folder) = &self.working_dir {
            line("working_dir", folder);
        }
        if !self.mounts.is_empty() {
            line("volumes", &items(&self.mounts));
        }
        if !self.tmpfs.is_empty() {
            line("tmpfs", &format!("[{}]", self.tmpfs.join(", ")));
        }
        if let Some(mode) = self.network_mode {
            line("network_mode", mode);
        }
        if !self.extra_hosts.is_empty() {
            line("extra_hosts", &items(&self.extra_hosts));
        }
        if !self.ports.is_empty() {
            let ports = self.ports.iter();
            let ports: Vec<_> = ports
                .map(|port| format!("127.0.0.1:{port}:{port}"))
                .collect();
            line("ports", &items(&ports));
        }
        if !self.cap_add.is_empty() {
            line("cap_add", &format!("[{}]", self.cap_add.join(", ")));
        }
        if !self.after.is_empty() {
            let after = self.after.iter().map(|(name, after)| {
                let condition = match after {
                    After::Healthy => "service_healthy",
                    After::Completed => "service_completed_successfully",
                };
                format!("\n      {name}: {{condition: {condition}}}")
            });
            line("depends_on", &after.collect::<String>());
        }
        if !self.health.is_empty() {
            let test = words(&self.health, "        ");
            let times =
                "interval: 5s\n      timeout: 6s\n      retries: 6\n      start_period: 60s";
            line(
                "healthcheck",
                &format!("\n      test: {test}\n      {times}"),
            );
        }
        if let Some(cpus) = self.share.cpus {
            line("cpus", &format!("{cpus}"));
        }
        if let Some(memory_mb) = self.share.memory_mb {
            line("mem_limit", &format!("{memory_mb}m"));
        }
        // A key whose value begins on the next line.
        out.replace(": \n", ":\n")
    }
}

fn items(texts: &[String]) -> String {
    let items: Vec<_> = texts
        .iter()
        .map(|it| format!("\n      - {}", scalar(it)))
        .collect();
    items.concat()
}
