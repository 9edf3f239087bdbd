//! The embedded engine over real files and over faulty ones.

mod bank;
mod conformance;
mod faults;
mod gated;
mod subject;
