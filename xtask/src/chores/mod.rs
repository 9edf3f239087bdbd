//! The chores themselves, one file each.

pub(crate) mod dependencies;
pub(crate) mod fuzz;
pub(crate) mod hostile;
pub(crate) mod lint;
pub(crate) mod simulate;
pub(crate) mod test;

/// What clippy, the documentation and the tests all build, so that they share what they can.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];
