//! What systemd is told, over a socket as it opens one; and its unit file.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use testkit::LastroProcess;

use crate::support::{binary, folder};

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service manager's end.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        // The path of a socket has at most 107 bytes.
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    /// `lastro serve` as the service manager starts it.
    fn serve(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command
    }

    fn start(&self, data_dir: &Path, watchdog: Duration) -> LastroProcess {
        let mut command = self.serve();
        command
            .args(["--demo", "--data-dir"])
            .arg(data_dir)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        LastroProcess::start(command).unwrap()
    }

    /// The assignments of the next message.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Every assignment up to the message that has this one, which is left out.
    fn until(&self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let next = self.next();
            if next.iter().any(|assignment| assignment == last) {
                return all;
            }
            all.extend(next);
        }
    }
}

#[test]
fn the_service_manager_is_told_of_opening_readiness_life_and_stop() {
    let (manager, data_dir) = (Manager::new(), folder());
    let process = manager.start(data_dir.path(), Duration::from_millis(200));
    let opening = manager.until("READY=1");
    assert!(
        opening
            .iter()
            .any(|line| line.starts_with("STATUS=opening")),
        "{opening:?}"
    );
    assert!(
        opening.contains(&"EXTEND_TIMEOUT_USEC=300000000".to_owned()),
        "{opening:?}"
    );
    for _ in 0..3 {
        let between = manager.until("WATCHDOG=1");
        assert!(between.is_empty(), "{between:?}");
    }
    assert!(process.stop().unwrap().success());
    let before_stop = manager.until("STOPPING=1");
    assert!(
        before_stop.iter().all(|line| line == "WATCHDOG=1"),
        "{before_stop:?}"
    );
}

#[test]
fn the_service_manager_is_told_of_a_wait() {
    let manager = Manager::new();
    let mut command = manager.serve();
    command.args(["--engine", "postgres", "--wait-s", "1"]);
    command.args(["--database-url", "postgres://127.0.0.1:9/none"]);
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "none"]);
    assert!(!command.output().unwrap().status.success());
    let told = manager.next();
    assert_eq!(
        told,
        [
            "STATUS=waiting for the database",
            "EXTEND_TIMEOUT_USEC=20000000"
        ]
    );
}

#[test]
fn a_frozen_process_does_not_say_that_it_lives() {
    let (manager, data_dir) = (Manager::new(), folder());
    let process = manager.start(data_dir.path(), Duration::from_millis(200));
    manager.until("WATCHDOG=1");
    crate::support::signal(&process, "-STOP");
    // What it had sent before.
    manager.socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 4096];
    while manager.socket.recv(&mut bytes).is_ok() {}
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        manager.socket.recv(&mut bytes).is_err(),
        "it said that it lives"
    );
    manager.socket.set_nonblocking(false).unwrap();
    crate::support::signal(&process, "-CONT");
    manager.until("WATCHDOG=1");
}

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/lastro.service")
}

/// The unit file with the binary under test, which systemd looks for.
fn checked_unit(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(unit()).unwrap();
    assert!(text.contains("ExecStart=/usr/bin/lastro serve"), "{text}");
    let path = folder.join("lastro.service");
    let text = text.replace("/usr/bin/lastro", binary().to_str().unwrap());
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn systemd_accepts_the_unit_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg(checked_unit(folder.path()));
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim(), "", "it has something to complain about");
}

/// From 0, nothing exposed, to 100.
const EXPOSURE_MAX: &str = "15";

#[test]
fn the_unit_file_exposes_little() {
    let folder = tempfile::tempdir().unwrap();
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager"]);
    security.arg(format!("--threshold={EXPOSURE_MAX}"));
    let output = security.arg(checked_unit(folder.path())).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
}
