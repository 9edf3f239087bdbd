//! What `/readyz` answers; the process that opens the engine provides it.

use serde_json::Value;

use crate::codes::Code;

/// Whether requests should be sent here.
pub trait Health: Send + Sync + 'static {
    /// The state right now. Called for each `/readyz`: it must not wait.
    fn readiness(&self) -> Readiness;
}

/// The answer of [`Health::readiness`].
#[derive(Debug, Clone, PartialEq)]
pub struct Readiness {
    pub(crate) reason: Option<Code>,
    /// Why what needs the ledger is not served, although the node is ready.
    pub(crate) ledger_reason: Option<Code>,
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// After how many seconds it is worth asking again, where that is known.
    pub(crate) retry_after_s: Option<u32>,
}

impl Readiness {
    /// Ready.
    #[must_use]
    pub const fn ready() -> Self {
        Self {
            reason: None,
            ledger_reason: None,
            fields: Vec::new(),
            retry_after_s: None,
        }
    }

    /// Not ready; the reason is a stable code such as `storage_failed` or `storage_full`.
    ///
    /// # Panics
    ///
    /// If the reason is not in the list of codes of [`errors_markdown`](crate::errors_markdown).
    #[must_use]
    pub const fn not_ready(reason: &'static str) -> Self {
        Self {
            reason: Some(Code::listed(reason)),
            ledger_reason: None,
            fields: Vec::new(),
            retry_after_s: None,
        }
    }

    /// Why it is not ready, as a stable code; `None` if it is ready.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self.reason {
            Some(reason) => Some(reason.as_str()),
            None => None,
        }
    }

    /// States that the ledger itself does not answer now, for this reason: a node may be ready without it.
    ///
    /// # Panics
    ///
    /// If the reason is not in the list of codes of [`errors_markdown`](crate::errors_markdown).
    #[must_use]
    pub const fn without_ledger(mut self, reason: &'static str) -> Self {
        self.ledger_reason = Some(Code::listed(reason));
        self
    }

    /// The readiness for callers who need the ledger.
    pub(crate) fn with_ledger(mut self) -> Self {
        self.reason = self.reason.or(self.ledger_reason);
        self
    }

    /// Adds a field to the answer, such as `("durability", "disk")`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Sets after how many seconds it is worth asking again; otherwise callers are told 1.
    #[must_use]
    pub const fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

/// Ready as long as the process lives.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysReady;

impl Health for AlwaysReady {
    fn readiness(&self) -> Readiness {
        Readiness::ready()
    }
}
