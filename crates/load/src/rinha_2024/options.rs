//! What can be chosen of the official load.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::http::Connections;
use crate::target::Target;

/// The most arrivals of a load: twenty times the official rate for as long as is allowed.
const ARRIVALS_MAX: f64 = 50_000_000.0;

/// The longest load.
const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// The choices.
#[derive(Debug, Clone)]
pub struct Rinha2024Options {
    /// Where the load goes.
    pub target: Target,
    /// Multiplies the arrivals per second.
    pub rate_scale: f64,
    /// Multiplies the durations of the ramps.
    pub duration_scale: f64,
    /// What the random choices begin with.
    pub seed: u64,
    /// New connections as officially, or kept ones.
    pub connections: Connections,
    /// How long a request may take before it is given up.
    pub timeout: Duration,
}

/// The scales, as reports tell them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Scales {
    pub(super) rate_scale: f64,
    pub(super) duration_scale: f64,
    pub(super) seed: u64,
}

impl Rinha2024Options {
    /// The official load against a target.
    #[must_use]
    pub fn official(target: Target) -> Self {
        Self {
            target,
            rate_scale: 1.0,
            duration_scale: 1.0,
            seed: 1,
            connections: Connections::New,
            timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (name, scale) in [
            ("--rate-scale", self.rate_scale),
            ("--duration-scale", self.duration_scale),
        ] {
            ensure!(
                scale.is_finite() && scale > 0.0,
                "{name} is a number above 0"
            );
        }
        let duration = 240.0 * self.duration_scale;
        ensure!(
            duration <= DURATION_MAX.as_secs_f64(),
            "--duration-scale makes a load of {duration:.0} s; the longest is {} s",
            DURATION_MAX.as_secs()
        );
        let arrivals = 61_380.0 * self.duration_scale * self.rate_scale;
        ensure!(
            arrivals <= ARRIVALS_MAX,
            "the scales make a load of {arrivals:.0} requests; the most are {ARRIVALS_MAX:.0}"
        );
        Ok(())
    }
}
