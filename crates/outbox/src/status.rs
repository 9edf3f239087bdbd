//! Whether operations are taken.

/// Whether operations are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxStatus {
    /// They are.
    Ready,
    /// The quota is used up, or too many are queued. It goes on once some were applied.
    Overloaded,
    /// There is no space for the next segment. It goes on once there is; the queue is applied
    /// meanwhile.
    StorageFull,
    /// A write or a sync failed: nothing is taken until a restart. The queue is applied.
    StorageFailed,
    /// A queued operation cannot be read back: nothing behind it is applied, nothing is taken.
    StorageDamaged,
}

impl OutboxStatus {
    /// The name as the API and the metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Overloaded => "overloaded",
            Self::StorageFull => "storage_full",
            Self::StorageFailed => "storage_failed",
            Self::StorageDamaged => "storage_damaged",
        }
    }
}
