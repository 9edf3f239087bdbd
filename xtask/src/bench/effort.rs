//! How much is measured.

/// How long the measurements are.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub batched_transfers: u64,
    pub single_transfers: u64,
    pub hot_transfers: u64,
    pub baseline_seconds: u32,
    pub http_step_seconds: u32,
}

pub(super) const FULL: Effort = Effort {
    batched_transfers: 1_000_000,
    single_transfers: 20_000,
    hot_transfers: 500_000,
    baseline_seconds: 10,
    http_step_seconds: 3,
};

pub(super) const QUICK: Effort = Effort {
    batched_transfers: 200_000,
    single_transfers: 2_000,
    hot_transfers: 50_000,
    baseline_seconds: 3,
    http_step_seconds: 1,
};
