//! A Redis of its own. With `appendonly yes` among its settings it keeps its data.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::options::{self, Folder, ServerOptions};
use super::{STOP_BOUND, ServerProcess, StopSignal, ports, program};

/// The oldest version that has functions.
const VERSION_MIN: u32 = 7;
/// How long one question whether it is ready may take.
const PROBE_BOUND: Duration = Duration::from_secs(1);

/// A Redis with its data in a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Redis {
    // In this order: the process goes before its folder.
    process: Option<ServerProcess>,
    folder: Folder,
    launcher: Vec<OsString>,
    settings: Vec<(String, String)>,
    port: u16,
}

impl Redis {
    /// An empty one on a free port; it keeps nothing.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&ServerOptions::default())
    }

    /// Likewise, as told. A folder with data keeps it.
    ///
    /// # Errors
    ///
    /// What to install, or what it said.
    pub fn start_with(options: &ServerOptions) -> Result<Self, String> {
        check_version(&program("redis-server")?)?;
        let mut redis = Self {
            process: None,
            folder: options.folder("redis")?,
            launcher: options.launcher.clone(),
            settings: options.settings.clone(),
            port: 0,
        };
        ports::start_on(options.port, |port| {
            redis.port = port;
            redis.run()
        })?;
        Ok(redis)
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id; `None` when it does not run.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it replies to a command, as `redis-cli` prints it.
    ///
    /// # Errors
    ///
    /// What Redis said.
    pub fn command(&self, words: &[&str]) -> Result<String, String> {
        let mut client = Command::new(program("redis-cli")?);
        client.args(["-e", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let output = client.args(words).output();
        let output = output.map_err(|error| format!("redis-cli: {error}"))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(said(&output.stdout));
        }
        Err(format!(
            "{words:?}: {}{}",
            said(&output.stdout),
            said(&output.stderr)
        ))
    }

    /// Stops it as an administrator does; what its settings make it keep is on disk then.
    ///
    /// # Errors
    ///
    /// When it does not stop in time; it is killed then.
    pub fn stop(&mut self) -> Result<(), String> {
        if let Some(process) = self.process.take() {
            process.stop(StopSignal::Terminate, STOP_BOUND)?;
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again with the same data on the same port; stops it before, if it runs.
    ///
    /// # Errors
    ///
    /// What it said.
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.run()
    }

    /// Its process; `None` when it does not run.
    pub const fn process(&mut self) -> Option<&mut ServerProcess> {
        self.process.as_mut()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let process = self.process.as_ref();
        process.map_or_else(String::new, ServerProcess::log_tail)
    }

    fn run(&mut self) -> Result<(), String> {
        let mut command = options::command(&self.launcher, program("redis-server")?);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--daemonize", "no", "--save", "", "--dir"])
            .arg(self.folder.path())
            .current_dir(self.folder.path());
        for (name, value) in &self.settings {
            command.args([&format!("--{name}"), value]);
        }
        let mut process = ServerProcess::spawn("Redis", command, &self.folder.log())?;
        process.wait_until_it_serves(self.port, |port| answers(port).unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }
}

fn check_version(program: &Path) -> Result<(), String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major_version(&text) {
        Some(version) if version >= VERSION_MIN => Ok(()),
        _ => Err(format!(
            "{} is too old, Redis {VERSION_MIN} or later is needed: {}",
            program.display(),
            text.trim()
        )),
    }
}

/// `Redis server v=7.0.15 sha=…` is 7.
fn major_version(text: &str) -> Option<u32> {
    text.split_once("v=")?.1.split('.').next()?.parse().ok()
}

/// Whether it serves: while it loads its data it answers otherwise.
fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PROBE_BOUND))?;
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply)?;
    Ok(&reply == b"+PONG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64";
        assert_eq!(major_version(text), Some(7));
        assert_eq!(major_version("something else"), None);
    }
}
