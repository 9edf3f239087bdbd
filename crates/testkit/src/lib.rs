//! What the tests of every crate share.
//!
//! - [`certificates`] has authorities that sign what servers and callers show.
//! - [`conformance`] runs an engine beside the reference engine and compares all they answer.
//! - [`bank`] has accounts that many tasks move money between, and checks them.
//! - [`control_group`] bounds the processors and the memory of processes.
//! - [`meeting`] has several nodes over one ledger meet at these.
//! - [`fuzz`] gives mutated inputs to a reader.
//! - [`Generator`] draws the commands: cleverly, so that every outcome occurs often.
//! - [`LastroProcess`] runs the real binary.
//! - [`network`] makes hosts of their own whose packets can be dropped.
//! - [`servers`] starts and stops real databases and proxies.
//! - [`ManualClock`] is a clock that tests set; [`Seeds`] are the runs asked for.

#[cfg(feature = "engines")]
pub mod bank;
#[cfg(feature = "certificates")]
pub mod certificates;
#[cfg(feature = "engines")]
mod clock;
#[cfg(feature = "engines")]
pub mod conformance;
pub mod control_group;
#[cfg(feature = "engines")]
mod fuzz;
#[cfg(feature = "engines")]
mod generator;
#[cfg(feature = "engines")]
pub mod meeting;
pub mod middle;
pub mod network;
mod process;
mod seeds;
pub mod servers;

#[cfg(feature = "engines")]
pub use clock::{ManualClock, RealClock};
#[cfg(feature = "engines")]
pub use fuzz::fuzz;
#[cfg(feature = "engines")]
pub use generator::{Generator, GeneratorOptions, Pause, Step};
pub use process::LastroProcess;
pub use seeds::Seeds;
