//! What `/readyz` answers; the process that opens the engine provides it.

use serde_json::Value;

/// Whether requests should be sent here.
pub trait Health: Send + Sync + 'static {
    /// The state right now. Called for each `/readyz`: it must not wait.
    fn readiness(&self) -> Readiness;
}

/// The answer of [`Health::readiness`].
#[derive(Debug, Clone, PartialEq)]
pub struct Readiness {
    pub(crate) reason: Option<&'static str>,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl Readiness {
    /// Ready.
    #[must_use]
    pub const fn ready() -> Self {
        Self {
            reason: None,
            fields: Vec::new(),
        }
    }

    /// Not ready; the reason is a stable code such as `storage_failed` or `storage_full`.
    #[must_use]
    pub const fn not_ready(reason: &'static str) -> Self {
        Self {
            reason: Some(reason),
            fields: Vec::new(),
        }
    }

    /// Adds a field to the answer, such as `("durability", "disk")`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
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
