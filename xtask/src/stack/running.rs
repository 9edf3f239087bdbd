//! A running stack: its parts in the order of their start.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;
use testkit::control_group::ControlGroup;
use testkit::servers::{
    Postgres, Proxy, Redis, START_BOUND, STOP_BOUND, ServerOptions, ServerProcess, StopSignal,
    can_reach,
};

use super::http;
use super::profile::{Database, DatabaseKind, Node, Profile};
use crate::run::quiet;
use crate::workspace;

/// The folder with a stack's logs and data.
pub(crate) struct Place {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Place {
    /// This one, which stays.
    pub(crate) fn named(path: &Path) -> Result<Self> {
        let place = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot make {place}"))?;
        let path = path.canonicalize()?;
        Ok(Self {
            path,
            temporary: None,
        })
    }

    /// One below `target/stack`, on the disk the repository is on, which goes. Where PostgreSQL's
    /// user cannot reach that, it is below `/var/tmp`.
    pub(crate) fn temporary(name: &str, profile: &Profile) -> Result<Self> {
        let target = workspace::root().join("target").join("stack");
        fs::create_dir_all(&target)?;
        let is_postgres = |database: &Database| matches!(database.kind, DatabaseKind::Postgres);
        let folder = match profile.databases.iter().any(is_postgres) && !can_reach(&target) {
            true => PathBuf::from("/var/tmp"),
            false => target,
        };
        let temporary = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(folder)?;
        let path = temporary.path().to_owned();
        // Databases and proxies started by root become other users.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(Self {
            path,
            temporary: Some(temporary),
        })
    }
}

/// Begins a ledger in a data folder that is not there yet.
fn begin(binary: &Path, data: &Path) -> Result<()> {
    if data.exists() {
        return Ok(());
    }
    let mut command = std::process::Command::new(binary);
    command.arg("init").arg("--data-dir").arg(data);
    quiet(&mut command)?;
    Ok(())
}

/// A profile's processes. Killed when dropped.
pub(crate) struct Stack {
    // In this order: who asks goes before who answers, the folder last.
    proxy: Option<Proxy>,
    nodes: Vec<ServerProcess>,
    /// The names of the nodes that are not below the limits.
    outside: Vec<String>,
    databases: Vec<Running>,
    group: ControlGroup,
    place: Place,
}

enum Running {
    Postgres(Postgres),
    Redis(Redis),
}

impl Running {
    fn process(&mut self) -> Option<&mut ServerProcess> {
        match self {
            Self::Postgres(postgres) => postgres.process(),
            Self::Redis(redis) => redis.process(),
        }
    }
}

impl Stack {
    /// Starts a profile and waits until it can be used.
    pub(crate) fn start(profile: &Profile, binary: &Path, place: Place) -> Result<Self> {
        let name = format!("lastro-stack-{}", std::process::id());
        let mut stack = Self {
            proxy: None,
            nodes: Vec::new(),
            outside: Vec::new(),
            databases: Vec::new(),
            group: ControlGroup::make(&name, profile.limits.of_groups()),
            place,
        };
        for database in &profile.databases {
            stack.start_database(database)?;
        }
        for node in &profile.nodes {
            stack.start_node(node, binary, &profile.folder)?;
        }
        if let Some(proxy) = &profile.proxy {
            let name = proxy.kind.program();
            let options = stack.options(Some(proxy.port), name);
            let started = Proxy::start_with(proxy.kind, &options, |_| proxy.text.clone());
            stack.proxy = Some(started.map_err(|error| anyhow!("{error}"))?);
        }
        stack.wait_until_ready(&profile.ready)?;
        Ok(stack)
    }

    fn options(&self, port: Option<u16>, name: &str) -> ServerOptions {
        ServerOptions {
            port,
            folder: Some(self.place.path.join(name)),
            launcher: self.group.launcher(),
            settings: Vec::new(),
        }
    }

    fn start_database(&mut self, database: &Database) -> Result<()> {
        let name = database.kind.name();
        let options = ServerOptions {
            settings: database.settings.clone().into_iter().collect(),
            ..self.options(Some(database.port), name)
        };
        let running = match database.kind {
            DatabaseKind::Postgres => Postgres::start_with(&options).map(Running::Postgres),
            DatabaseKind::Redis => Redis::start_with(&options).map(Running::Redis),
        };
        self.databases
            .push(running.map_err(|error| anyhow!("{error}"))?);
        Ok(())
    }

    fn start_node(&mut self, node: &Node, binary: &Path, of_profile: &Path) -> Result<()> {
        let folder = self.place.path.join(&node.name);
        fs::create_dir_all(&folder)?;
        if let Some(data) = &node.begins {
            begin(binary, &folder.join(data))?;
        }
        let mut words = if node.outside_limits {
            Vec::new()
        } else {
            self.group.launcher()
        };
        words.push(binary.into());
        let of_profile = of_profile.to_string_lossy();
        let arguments = node.arguments.iter();
        words.extend(arguments.map(|word| OsString::from(word.replace("{profile}", &of_profile))));
        let mut command = std::process::Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&folder);
        let process = ServerProcess::spawn(&node.name, command, &folder.join("log"));
        let mut process = process.map_err(|error| anyhow!("{error}"))?;
        if let Some(url) = &node.ready {
            process
                .wait_until(START_BOUND, || http::is_ok(url))
                .map_err(|error| anyhow!("{error}"))?;
        }
        self.nodes.push(process);
        if node.outside_limits {
            self.outside.push(node.name.clone());
        }
        Ok(())
    }

    /// Waits on the part that was started last.
    fn wait_until_ready(&mut self, url: &str) -> Result<()> {
        let last = match &mut self.proxy {
            Some(proxy) => Some(proxy.process()),
            None => self.nodes.last_mut(),
        };
        let last = last.context("the profile has no node")?;
        last.wait_until(START_BOUND, || http::is_ok(url))
            .map_err(|error| anyhow!("{url} is not answered with 200: {error}"))
    }

    /// A line for each part, the limits and the folder.
    pub(crate) fn description(&self) -> String {
        let mut lines = Vec::new();
        let mut part = |name: &str, id: u32| lines.push((name.to_owned(), format!("process {id}")));
        for database in &self.databases {
            match database {
                Running::Postgres(postgres) => part("postgres", postgres.id().unwrap_or(0)),
                Running::Redis(redis) => part("redis", redis.id().unwrap_or(0)),
            }
        }
        for node in &self.nodes {
            part(node.name(), node.id());
        }
        if let Some(proxy) = &self.proxy {
            part(proxy.kind().program(), proxy.id());
        }
        let limits = match self.outside.as_slice() {
            [] => self.group.description(),
            outside => format!(
                "{}, but for {}",
                self.group.description(),
                outside.join(", ")
            ),
        };
        lines.push(("limits".to_owned(), limits));
        let fate = match self.place.temporary {
            Some(_) => "removed at the end",
            None => "kept",
        };
        let folder = format!("{} ({fate})", self.place.path.display());
        lines.push(("logs and data".to_owned(), folder));
        let line = |(name, text): &(String, String)| format!("  {name:15} {text}");
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What the limits were needed for, where there are any.
    pub(crate) fn usage(&self) -> Option<String> {
        self.group.usage()
    }

    /// Tells of a part that has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let databases = self.databases.iter_mut().filter_map(Running::process);
        let proxy = self.proxy.iter_mut().map(Proxy::process);
        let mut processes = databases.chain(&mut self.nodes).chain(proxy);
        processes.find_map(|process| {
            let status = process.ended()?;
            let (name, said) = (process.name(), process.log_tail());
            Some(format!("{name} ended with {status}; it said:\n{said}"))
        })
    }

    /// Asks every part to finish what it accepted and end, in the order that lets it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let mut errors = Vec::new();
        if let Some(proxy) = self.proxy.take() {
            errors.extend(proxy.stop().err());
        }
        for node in std::mem::take(&mut self.nodes).into_iter().rev() {
            let name = node.name().to_owned();
            match node.stop(StopSignal::Terminate, STOP_BOUND) {
                Ok(status) if status.success() => {}
                Ok(status) => errors.push(format!("{name} ended with {status}")),
                Err(error) => errors.push(error),
            }
        }
        for database in self.databases.iter_mut().rev() {
            let stopped = match database {
                Running::Postgres(postgres) => postgres.stop(),
                Running::Redis(redis) => redis.stop(),
            };
            errors.extend(stopped.err());
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(anyhow!("{}", errors.join("\n")))
    }
}
