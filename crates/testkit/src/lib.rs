//! What the tests of every crate share.
//!
//! - [`conformance`] runs an engine beside the reference engine and compares all they answer.
//! - [`Generator`] draws the commands: cleverly, so that every outcome occurs often.
//! - [`LastroProcess`] runs the real binary.
//! - [`ManualClock`] is a clock that tests set; [`Seeds`] are the runs asked for.

mod clock;
pub mod conformance;
mod generator;
mod process;
mod seeds;

pub use clock::{ManualClock, RealClock};
pub use generator::{Generator, GeneratorOptions, Pause, Step};
pub use process::LastroProcess;
pub use seeds::Seeds;
