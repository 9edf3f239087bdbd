//! A thread whose panic must stop the process.

/// Aborts the process if it is dropped by a panic of its thread. It carries the thread's name for
/// the log line.
///
/// A thread holds one for its life where, after its panic, nobody would know what was decided and
/// what is durable. The next start goes on from what is on the disk.
#[must_use = "it guards as long as it is held"]
pub struct StopOnPanic(pub &'static str);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the {} thread panicked: the process stops now", self.0);
            std::process::abort();
        }
    }
}
