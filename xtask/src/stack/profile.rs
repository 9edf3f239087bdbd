//! A profile's description, `deploy/<profile>/profile.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use testkit::servers::ProxyKind;

use crate::workspace;

/// One way to deploy. The names are those of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// What it is, in a line.
    pub(crate) summary: String,
    /// Where it is used.
    pub(crate) url: String,
    /// The URL that answers 200 once it can be used.
    pub(crate) ready: String,
    /// The arguments of `lastro` that drive it, such as `load rinha-2024`.
    pub(crate) load: Vec<String>,
    /// Every port that occurs in the arguments, the URLs and the proxy's configuration.
    pub(crate) ports: Vec<u16>,
    /// What all of it together may take.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// The databases, started first.
    #[serde(default)]
    pub(crate) databases: Vec<Database>,
    /// The server's processes, started in this order.
    pub(crate) nodes: Vec<Node>,
    /// What stands before them.
    pub(crate) proxy: Option<Proxy>,
    /// Where all of this was read from.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// Limits over all processes of a profile together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Processors, such as 1.5.
    pub(crate) cpus: Option<f64>,
    /// Memory in units of 1,048,576 bytes, as `docker` counts.
    pub(crate) memory_mb: Option<u64>,
}

impl Limits {
    pub(super) const fn of_groups(self) -> testkit::control_group::Limits {
        testkit::control_group::Limits {
            cpus: self.cpus,
            memory_mb: self.memory_mb,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) kind: DatabaseKind,
    pub(crate) port: u16,
    /// Its part of the limits, where each process has limits of its own: in containers.
    #[serde(default)]
    pub(crate) share: Limits,
    /// The file with its settings, beside the profile's: a line for each, `name = value` as
    /// PostgreSQL writes it or `name value` as Redis does, with comments after a `#`.
    config: Option<PathBuf>,
    /// Settings that count before those of the file.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DatabaseKind {
    Postgres,
    Redis,
}

impl DatabaseKind {
    /// The name of its process.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    /// Its name; it runs in a folder of this name.
    pub(crate) name: String,
    /// The arguments of the binary. Relative paths start at the node's folder; `{profile}` is the
    /// folder of the profile.
    pub(crate) arguments: Vec<String>,
    /// Its data folder, if it owns a ledger: `lastro init` begins one there before the first start.
    pub(crate) begins: Option<String>,
    /// The URL that answers 200 once the next part may be started.
    pub(crate) ready: Option<String>,
    /// Whether it stands for somebody else's machine: the limits are not about it.
    #[serde(default)]
    pub(crate) outside_limits: bool,
    /// Its part of the limits, in containers.
    #[serde(default)]
    pub(crate) share: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    /// The proxy's program.
    #[serde(deserialize_with = "kind")]
    pub(crate) kind: ProxyKind,
    /// Its port.
    pub(crate) port: u16,
    /// The file with its configuration, beside the profile's.
    pub(crate) config: PathBuf,
    /// Its part of the limits, in containers.
    #[serde(default)]
    pub(crate) share: Limits,
    /// What is in that file.
    #[serde(skip)]
    pub(crate) text: String,
}

fn kind<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ProxyKind, D::Error> {
    let name = String::deserialize(from)?;
    ProxyKind::named(&name).ok_or_else(|| {
        let names = ProxyKind::ALL.map(ProxyKind::program).join(", ");
        serde::de::Error::custom(format!("`{name}` is not a proxy: use {names}"))
    })
}

impl Profile {
    /// The profile of this name.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let folder = folder().join(name);
        if !folder.join("profile.toml").is_file() {
            bail!("there is no profile `{name}`: `cargo xtask stack --list` names them");
        }
        Self::read_from(&folder)
    }

    /// All of them with their names.
    pub(crate) fn all() -> Result<Vec<(String, Self)>> {
        let entries = fs::read_dir(folder()).context("cannot list the profiles")?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("profile.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|name| {
                let profile = Self::read(&name)?;
                Ok((name, profile))
            })
            .collect()
    }

    pub(super) fn read_from(folder: &Path) -> Result<Self> {
        let path = folder.join("profile.toml");
        let place = path.display();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {place}"))?;
        let mut profile: Self =
            toml::from_str(&text).with_context(|| format!("{place} is no profile"))?;
        profile.folder = folder.to_owned();
        let read = |name: &Path| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        if let Some(proxy) = &mut profile.proxy {
            proxy.text = read(&proxy.config)?;
        }
        for database in &mut profile.databases {
            let Some(config) = &database.config else {
                continue;
            };
            for (name, value) in settings(&read(config)?) {
                database.settings.entry(name).or_insert(value);
            }
        }
        Ok(profile)
    }

    /// The same profile on other ports: this is added to each of them, wherever it stands.
    pub(crate) fn moved_by(mut self, offset: u16) -> Result<Self> {
        let ports = std::mem::take(&mut self.ports);
        for port in &ports {
            if port.checked_add(offset).is_none() {
                bail!("--port-offset {offset} moves port {port} past 65535");
            }
        }
        let moved = |text: &str| moved(text, &ports, offset);
        for text in self.texts() {
            *text = moved(text);
        }
        let databases = self.databases.iter_mut().map(|database| &mut database.port);
        let proxies = self.proxy.iter_mut().map(|proxy| &mut proxy.port);
        for port in databases.chain(proxies) {
            if !ports.contains(port) {
                bail!("port {port} is not in the profile's list of ports");
            }
            *port += offset;
        }
        self.ports = ports.iter().map(|port| port + offset).collect();
        Ok(self)
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let nodes = self.nodes.iter_mut();
        let of_nodes = nodes.flat_map(|node| node.arguments.iter_mut().chain(&mut node.ready));
        let of_nodes = of_nodes.chain(&mut self.load);
        let of_proxy = self.proxy.iter_mut().map(|proxy| &mut proxy.text);
        [&mut self.url, &mut self.ready]
            .into_iter()
            .chain(of_nodes)
            .chain(of_proxy)
    }
}

/// The settings of a database's file.
fn settings(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (name, value) = line.split_once(['=', ' '])?;
        let value = value.trim_start_matches(['=', ' ']).trim_matches('\'');
        Some((name.to_owned(), value.to_owned()))
    })
}

/// Every number of a text that is one of the ports, moved.
fn moved(text: &str, ports: &[u16], offset: u16) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|letter: char| !letter.is_ascii_digit());
        let (number, after) = digits.split_at(end.unwrap_or(digits.len()));
        out.push_str(before);
        match number.parse::<u16>() {
            Ok(port) if ports.contains(&port) => out.push_str(&(port + offset).to_string()),
            _ => out.push_str(number),
        }
        rest = after;
    }
    out + rest
}

fn folder() -> PathBuf {
    workspace::root().join("deploy")
}
