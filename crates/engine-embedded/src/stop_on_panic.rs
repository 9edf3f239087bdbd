//! A panic that must stop the process.

/// After a panic of the writer or of its helper nobody knows what is decided and what is durable:
/// the process stops, and the next start replays what is.
pub(crate) struct StopOnPanic(pub(crate) &'static str);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the {} panicked; the process stops", self.0);
            std::process::abort();
        }
    }
}
