//! A host of the cluster as a namespace of processes, and the processes in it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::super::family::family;
use super::super::options;
use super::{Cluster, ServerProcess};

/// What is first on a host: all others there end when it does. What servers keep outside of their folders,
/// shared memory and sockets, is the host's own and goes with it.
const FIRST: &str = "for place in /dev/shm /run/postgresql; do
        if [ -d $place ]; then mount -t tmpfs -o mode=1777 none $place || exit; fi
    done
    \"$@\"
    exit $?";

impl Cluster {
    /// A program on a host, as the first of its processes; `launcher` may make it somebody else's.
    pub(super) fn on_host(&self, host: &str, launcher: &[OsString], program: &Path) -> Command {
        let own_processes = [
            "unshare",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ];
        let first = ["sh", "-c", FIRST, "first"];
        let words = self.network.launcher(host).into_iter();
        let words = words.chain(own_processes.into_iter().chain(first).map(OsString::from));
        options::command(words.chain(launcher.iter().cloned()), program)
    }
}

/// The processes of a host that a condition holds for, by their command lines.
pub(super) fn processes(host: &ServerProcess, is_meant: impl Fn(&str) -> bool) -> Vec<Pid> {
    let family = family(host.id()).into_iter();
    let meant = family.filter(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        is_meant(&String::from_utf8_lossy(&line))
    });
    meant
        .filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?))
        .collect()
}

/// Whether this is the command line of a PostgreSQL or of one of its children.
pub(super) fn is_postgres(line: &str) -> bool {
    let program = line.split('\0').next().unwrap_or_default();
    program.starts_with("postgres:") || program.ends_with("/postgres")
}

/// Sends a signal to each of them; who has ended already is no error.
pub(super) fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        let _ = kill_process(*process, signal);
    }
}
