//! The dispatcher at work, over the reference engine and real processors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod lab;
