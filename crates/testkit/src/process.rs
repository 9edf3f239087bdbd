//! The real binary as a process of its own, on free ports of loopback.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a server may take to start: it replays its journal first.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to stop by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `lastro serve`. Killed when dropped.
#[derive(Debug)]
pub struct LastroProcess {
    child: Child,
    url: String,
    log: mpsc::Receiver<String>,
    logged: Vec<String>,
}

impl LastroProcess {
    /// The binary to test: what `LASTRO_BIN` names, else `fallback`.
    #[must_use]
    pub fn binary(fallback: &str) -> PathBuf {
        std::env::var_os("LASTRO_BIN").map_or_else(|| PathBuf::from(fallback), PathBuf::from)
    }

    /// Begins a ledger in a folder that is new or empty; leaves any other one as it is. Tests that
    /// serve a folder which may be new come through here.
    ///
    /// # Errors
    ///
    /// What it said, when it begins none.
    pub fn init(binary: &Path, data_dir: &Path) -> Result<(), String> {
        let is_empty = std::fs::read_dir(data_dir).map_or(true, |mut names| names.next().is_none());
        if !is_empty {
            return Ok(());
        }
        let mut command = Command::new(binary);
        run(command.arg("init").arg("--data-dir").arg(data_dir))
    }

    /// Begins a ledger where the arguments of `lastro serve` say, unless there is one. A demo begins
    /// its own.
    fn begin(binary: &Path, data_dir: &Path, arguments: &[&str]) -> Result<(), String> {
        if ["--demo", "--ledger"]
            .iter()
            .any(|flag| arguments.contains(flag))
        {
            return Ok(());
        }
        let mut flags = arguments.iter().zip(arguments.iter().skip(1));
        let Some((_, url)) = flags.find(|(flag, _)| **flag == "--database-url") else {
            return Self::init(binary, data_dir);
        };
        let mut command = Command::new(binary);
        command.args(["init", "--database-url", url]);
        command.args(arguments.iter().filter(|flag| **flag == "--plaintext"));
        match run(&mut command) {
            Err(said) if said.contains("there is a ledger in this database already") => Ok(()),
            begun => begun,
        }
    }

    /// Starts `lastro serve` on a free port with its data in `data_dir`, and waits until it is
    /// ready. Where there is no ledger, one is begun before.
    ///
    /// # Errors
    ///
    /// What it said, when it is not ready in time.
    pub fn serve(binary: &Path, data_dir: &Path, arguments: &[&str]) -> Result<Self, String> {
        Self::begin(binary, data_dir, arguments)?;
        Self::start(serve(binary, data_dir, arguments))
    }

    /// The same for a folder in which there is a ledger, but waits only until it listens: its ledger may still be opening.
    ///
    /// # Errors
    ///
    /// What it said, when it does not listen in time.
    pub fn serve_opening(
        binary: &Path,
        data_dir: &Path,
        arguments: &[&str],
    ) -> Result<Self, String> {
        Self::start_listening(serve(binary, data_dir, arguments))
    }

    /// Starts a command that ends in `lastro serve …`, such as a tracer's, and waits until it is
    /// ready.
    ///
    /// # Errors
    ///
    /// What it said, when it is not ready in time.
    pub fn start(command: Command) -> Result<Self, String> {
        Self::start_until(command, Until::Ready)
    }

    /// Starts a command that ends in another one of the binary that listens, such as
    /// `lastro processor …`, and waits until it does.
    ///
    /// # Errors
    ///
    /// What it said, when it does not listen in time.
    pub fn start_listening(command: Command) -> Result<Self, String> {
        Self::start_until(command, Until::Listening)
    }

    fn start_until(mut command: Command, until: Until) -> Result<Self, String> {
        command
            .env("LASTRO_LISTEN", "127.0.0.1:0")
            .env("LASTRO_METRICS_LISTEN", "none")
            .env("LASTRO_LOG_LEVEL", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let log = lines(&mut child);
        let mut logged = Vec::new();
        let (mut url, mut is_ready) = (None, until == Until::Listening);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let (Some(url), true) = (&url, is_ready) {
                return Ok(Self {
                    child,
                    url: String::clone(url),
                    log,
                    logged,
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match log.recv_timeout(left) {
                Ok(line) => {
                    if let Some(address) = address_in(&line) {
                        url = Some(format!("http://{address}"));
                    }
                    is_ready |= line.contains("the server is ready");
                    logged.push(line);
                }
                Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!(
                        "it is not {}; it said:\n{}",
                        until.as_str(),
                        logged.join("\n")
                    ));
                }
            }
        }
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not stop in time; it is killed then.
    pub fn stop(mut self) -> Result<ExitStatus, String> {
        self.signal("TERM")?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("it did not stop in {STOP_TIMEOUT:?}"))
    }

    /// Sends it a signal, such as `HUP`.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        let (option, id) = (format!("-{name}"), self.child.id().to_string());
        match Command::new("kill").args([&option, &id]).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill {option} {id}: {status}")),
            Err(error) => Err(format!("kill {option} {id}: {error}")),
        }
    }

    /// What it has logged since the start, a line each.
    pub fn logged(&mut self) -> &[String] {
        self.logged.extend(self.log.try_iter());
        &self.logged
    }

    /// Waits until a line of the log has this text: a log is read some time after it is written.
    ///
    /// # Errors
    ///
    /// The log so far, when there is no such line within `patience`.
    pub fn wait_for_log(&mut self, text: &str, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            if self.logged().iter().any(|line| line.contains(text)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{text} is not in\n{}", self.logged.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill_now(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for LastroProcess {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// What a start waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// It listens; its ledger may still be opening.
    Listening,
    /// Its ledger is open.
    Ready,
}

impl Until {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Ready => "ready",
        }
    }
}

fn serve(binary: &Path, data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(data_dir)
        .args(arguments);
    command
}

/// Runs a command to its end; what it said if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Reads the process's log in a thread, so that it never waits for a reader.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody may be listening any more; the pipe must be drained all the same.
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

fn address_in(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("listening on ")?;
    // A line of JSON has a quotation mark behind it.
    after
        .split(|letter: char| letter.is_whitespace() || letter == '"')
        .next()
}
