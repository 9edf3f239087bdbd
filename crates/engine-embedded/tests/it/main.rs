//! The embedded engine over real files and over faulty ones.

mod bank;
mod conformance;
mod damage;
mod deadlines;
mod faults;
mod gated;
mod statements;
mod subject;
