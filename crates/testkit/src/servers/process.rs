//! A server as a group of processes: its log, its end, and a guardian for when we end first.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::START_BOUND;
use super::family::{family, is_alive};
use super::sockets::listens;

/// Waits for the end of its input, which is our end, then kills the group it was told.
const GUARDIAN: &str = "read _; kill -KILL \"-$1\" 2>/dev/null";
/// How often something is looked at again.
const PAUSE: Duration = Duration::from_millis(5);
/// How long processes that were killed may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(10);
/// How much of the end of a log an error shows.
const TAIL_BYTES: u64 = 4_096;

/// How a server is asked to stop; each understands some of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    User1,
}

impl StopSignal {
    const fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::User1 => Signal::USR1,
        }
    }
}

/// A running server in a process group of its own. Killed with all its children when dropped, and
/// by a guardian when this process dies without dropping it.
#[derive(Debug)]
pub struct ServerProcess {
    name: String,
    child: Child,
    guardian: Option<Child>,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a command that stays in the foreground, with both its outputs appended to `log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self, String> {
        let failed = |error| format!("{name} could not be started: {error}");
        let output = File::options().create(true).append(true).open(log);
        let output = output.map_err(failed)?;
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output);
        let child = command.spawn().map_err(failed)?;
        let mut process = Self {
            name: name.to_owned(),
            child,
            guardian: None,
            log: log.to_owned(),
        };
        process.guardian = Some(guardian(process.id()).map_err(failed)?);
        Ok(process)
    }

    /// Waits until `is_ready` says so.
    ///
    /// # Errors
    ///
    /// When it ends before, or is not ready in time: the end of its log.
    pub fn wait_until(
        &mut self,
        bound: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + bound;
        loop {
            // In this order: who answers may be somebody else when it has ended.
            let is_ready = is_ready();
            if let Some(status) = self.ended() {
                let said = self.log_tail();
                return Err(format!(
                    "{} ended with {status}; it said:\n{said}",
                    self.name
                ));
            }
            if is_ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                let said = self.log_tail();
                let name = &self.name;
                return Err(format!(
                    "{name} is not ready after {bound:?}; it said:\n{said}"
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until something answers at its port, and is not somebody else.
    ///
    /// # Errors
    ///
    /// As [`Self::wait_until`].
    pub(super) fn wait_until_it_serves(
        &mut self,
        port: u16,
        answers: impl Fn(u16) -> bool,
    ) -> Result<(), String> {
        let id = self.id();
        self.wait_until(START_BOUND, || answers(port) && listens(id, port))
    }

    /// What it was called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also its group's.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The end of what it has printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not in time; it is killed then.
    pub fn stop(mut self, signal: StopSignal, bound: Duration) -> Result<ExitStatus, String> {
        if let Some(id) = pid(self.id()) {
            // An error means that it has ended already.
            let _ = kill_process(id, signal.signal());
        }
        let deadline = Instant::now() + bound;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            std::thread::sleep(PAUSE);
        }
        let said = self.log_tail();
        let name = &self.name;
        Err(format!(
            "{name} did not stop in {bound:?} and was killed; it said:\n{said}"
        ))
    }

    /// `kill -9` for it and all its children at once, and waits until they are gone.
    pub fn kill(self) {
        drop(self);
    }

    /// What happens to the guardian when this process dies.
    #[cfg(test)]
    pub(super) fn close_the_guardians_input(&mut self) {
        if let Some(guardian) = &mut self.guardian {
            guardian.stdin = None;
        }
    }

    fn kill_now(&mut self) {
        // Before the group goes: what is killed last must not be told to kill.
        if let Some(mut guardian) = self.guardian.take() {
            let _ = guardian.kill();
            let _ = guardian.wait();
        }
        // PostgreSQL's children leave the group: they are found by their parents.
        let family = family(self.id());
        // Errors mean that they are gone already.
        if self.ended().is_none()
            && let Some(group) = pid(self.id())
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        for id in family.iter().copied().filter_map(pid) {
            if id.as_raw_nonzero().get().unsigned_abs() != self.id() {
                let _ = kill_process(id, Signal::KILL);
            }
        }
        let _ = self.child.wait();
        let deadline = Instant::now() + KILL_BOUND;
        while family.iter().any(|id| is_alive(*id)) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill_now();
    }
}

fn guardian(group: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", GUARDIAN, "guardian", &group.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
