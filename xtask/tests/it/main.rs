//! The chores that start servers, as a person runs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kubernetes;
mod stack;
