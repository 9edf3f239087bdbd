//! The conformance suite: an engine beside the reference engine.
//!
//! Random commands are submitted to both; every outcome, and then every read, must be the same.
//! After every submit what must always be true is checked upon the engine's own reads: per currency
//! all balances sum to zero, no account passes its limit, statements have no gaps and add up. A run
//! in which some outcome did not occur often enough fails too: it has proved less than it says.
//!
//! An engine's test is one function:
//!
//! ```no_run
//! use testkit::conformance::{self, Options, ReferenceSubject};
//!
//! conformance::check(&Options::default(), 1, async |_seed| ReferenceSubject::default());
//! ```

mod account_list;
mod aged;
mod audit;
mod compare;
mod coverage;
mod failure;
mod feed;
mod lists;
mod parts;
#[cfg(test)]
mod planted;
mod reads;
mod reversals;
mod run;
mod subject;
mod totals;

use std::time::Duration;

pub use aged::{Aged, check_aged, replaced};
pub use coverage::Coverage;
pub use failure::Failure;
pub use parts::check_racing_parts;
pub use reversals::check_racing_reversals;
pub use run::run;
pub use subject::{ReferenceSubject, Subject, Time};
pub use totals::{check_large_totals, check_read as check_large_totals_read};

use crate::seeds::Seeds;

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many steps; each is one `submit` of one to three batches.
    pub steps: u32,
    /// How often every outcome has to occur.
    pub occurrences_min: u64,
    /// After how many steps every account is read, compared and checked.
    pub audit_every: u32,
    /// After how many steps all reads are compared.
    pub reads_every: u32,
    /// After how many steps the engine is restarted, where it can be; 0: never.
    pub restart_every: u32,
    /// How long an engine may take to expire what no command touches.
    pub expiry_lag: Duration,
    /// How long a call may take.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 1_800,
            occurrences_min: 20,
            audit_every: 1,
            reads_every: 50,
            restart_every: 150,
            expiry_lag: Duration::from_millis(1_500),
            deadline: Duration::from_secs(10),
        }
    }
}

/// Runs a subject of its own for each seed: `count` of them, or what the environment asks for (see
/// [`Seeds`]). Answers with what all the runs covered.
///
/// # Panics
///
/// When a run fails: with its seed, the step and what was expected.
pub fn check<S: Subject>(options: &Options, count: u64, open: impl AsyncFn(u64) -> S) -> Coverage {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime for the conformance suite: {error}"),
    };
    let mut coverage = Coverage::default();
    for seed in Seeds::from_env(count) {
        let outcome = runtime.block_on(async {
            let mut subject = open(seed).await;
            run(&mut subject, seed, options).await
        });
        match outcome {
            Ok(covered) => coverage.add(&covered),
            Err(failure) => panic!("{failure}"),
        }
    }
    coverage
}
