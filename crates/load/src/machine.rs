//! The generator's own machine: its runtime, its limits, what it uses.

use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// A runtime of one thread: this one.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Lets this process open as many sockets as it may.
pub(crate) fn raise_open_files_max() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where this is not permitted, the load says `no_socket` should it ever need more.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The processor time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

/// How long a load took, and how much of a core.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Busy {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
}
