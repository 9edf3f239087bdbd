//! Why a run failed, with the seed that makes it fail again.

use std::fmt;

/// A run's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The run's seed.
    pub seed: u64,
    /// The step at which it failed, from 1.
    pub step: u32,
    /// What was expected and what was answered instead.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            step,
            message,
        } = self;
        write!(f, "LASTRO_SEED={seed}: step {step}: {message}")
    }
}

impl std::error::Error for Failure {}
